package main

import "strconv"

// statementsCollector needs the extension pg_stat_statements in the database that is connected to. A statement that ran
// at top level and in functions as well is one.
func (s *settings) statementsCollector() *collector {
	figures := query{
		prefix: "pg_stat_statements",
		columns: []column{
			{name: "user", expr: "pg_get_userbyid(userid)", use: label},
			{name: "datname", use: label},
			{name: "queryid", use: label},
			{name: "calls_total", expr: "sum(calls)", use: counter, help: "Number of times executed"},
			{name: "seconds_total", expr: "sum(total_time) / 1000", before: 13, use: counter, help: "Total time spent in the statement, in seconds"},
			{name: "seconds_total", expr: "sum(total_exec_time) / 1000", since: 13, use: counter, help: "Total time spent in the statement, in seconds"},
			{name: "rows_total", expr: "sum(rows)", use: counter, help: "Total number of rows retrieved or affected by the statement"},
			{name: "block_read_seconds_total", expr: "sum(blk_read_time) / 1000", before: 17, use: counter, help: "Total time the statement spent reading blocks, in seconds"},
			{name: "block_read_seconds_total", expr: "sum(shared_blk_read_time) / 1000", since: 17, use: counter, help: "Total time the statement spent reading blocks, in seconds"},
			{name: "block_write_seconds_total", expr: "sum(blk_write_time) / 1000", before: 17, use: counter, help: "Total time the statement spent writing blocks, in seconds"},
			{name: "block_write_seconds_total", expr: "sum(shared_blk_write_time) / 1000", since: 17, use: counter, help: "Total time the statement spent writing blocks, in seconds"},
		},
		from: "FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid WHERE queryid IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT " + strconv.Itoa(s.Statements.Limit),
	}
	named := query{
		prefix: "pg_stat_statements",
		columns: []column{
			{name: "queryid", use: label},
			{name: "query", expr: "left(min(query), " + strconv.Itoa(s.Statements.QueryLength) + ")", use: label},
			{name: "spent", expr: "sum(total_time)", before: 13},
			{name: "spent", expr: "sum(total_exec_time)", since: 13},
			{name: "query_id", expr: "1", use: counter, help: "SQL Query to queryid mapping"},
		},
		from: "FROM pg_stat_statements WHERE queryid IS NOT NULL GROUP BY queryid ORDER BY 3 DESC LIMIT " + strconv.Itoa(s.Statements.Limit),
	}
	c := &collector{name: "stat_statements", off: true, queries: []query{figures}}
	if s.Statements.Query {
		c.queries = append(c.queries, named)
	}
	return c
}
