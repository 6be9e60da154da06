package main

import "strconv"

// table names a row of a view that has one for each table.
var table = []column{
	{name: "datname", expr: "current_database()", use: label},
	{name: "schemaname", expr: "s.schemaname", use: label},
	{name: "relname", expr: "s.relname", use: label},
}

// largest is the end of a statement that takes the largest tables: those with the most pages when last looked at.
func largest(view, column string, most int) string {
	return "FROM " + view + " s JOIN pg_class c ON c.oid = s." + column + " ORDER BY c.relpages DESC, s." + column + " LIMIT " + strconv.Itoa(most+1)
}

// unlocked is a size of a table that is no value while the table is locked against everything: asking would wait.
func unlocked(size string) string {
	return "CASE WHEN s.relid NOT IN (SELECT relation FROM locked) THEN " + size + "(s.relid) END"
}

func (s *settings) userTablesCollector() *collector {
	return &collector{name: "stat_user_tables", each: true, queries: []query{{
		prefix: "pg_stat_user_tables",
		with: "WITH locked AS MATERIALIZED (SELECT relation FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL" +
			" AND pid IS DISTINCT FROM pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
		columns: append(table[:len(table):len(table)], []column{
			{name: "seq_scan", use: counter, help: "Number of sequential scans initiated on this table"},
			{name: "seq_tup_read", use: counter, help: "Number of live rows fetched by sequential scans"},
			{name: "idx_scan", expr: "coalesce(idx_scan, 0)", use: counter, help: "Number of index scans initiated on this table"},
			{name: "idx_tup_fetch", expr: "coalesce(idx_tup_fetch, 0)", use: counter, help: "Number of live rows fetched by index scans"},
			{name: "n_tup_ins", use: counter, help: "Number of rows inserted"},
			{name: "n_tup_upd", use: counter, help: "Number of rows updated"},
			{name: "n_tup_del", use: counter, help: "Number of rows deleted"},
			{name: "n_tup_hot_upd", use: counter, help: "Number of rows HOT updated (i.e., with no separate index update required)"},
			{name: "n_live_tup", use: gauge, help: "Estimated number of live rows"},
			{name: "n_dead_tup", use: gauge, help: "Estimated number of dead rows"},
			{name: "n_mod_since_analyze", use: gauge, help: "Estimated number of rows changed since last analyze"},
			{name: "last_vacuum", expr: epoch("last_vacuum"), use: gauge, help: "Last time at which this table was manually vacuumed (not counting VACUUM FULL)"},
			{name: "last_autovacuum", expr: epoch("last_autovacuum"), use: gauge, help: "Last time at which this table was vacuumed by the autovacuum daemon"},
			{name: "last_analyze", expr: epoch("last_analyze"), use: gauge, help: "Last time at which this table was manually analyzed"},
			{name: "last_autoanalyze", expr: epoch("last_autoanalyze"), use: gauge, help: "Last time at which this table was analyzed by the autovacuum daemon"},
			{name: "vacuum_count", use: counter, help: "Number of times this table has been manually vacuumed (not counting VACUUM FULL)"},
			{name: "autovacuum_count", use: counter, help: "Number of times this table has been vacuumed by the autovacuum daemon"},
			{name: "analyze_count", use: counter, help: "Number of times this table has been manually analyzed"},
			{name: "autoanalyze_count", use: counter, help: "Number of times this table has been analyzed by the autovacuum daemon"},
			{name: "index_size_bytes", expr: unlocked("pg_indexes_size"), use: gauge, help: "Total disk space used by this index, in bytes"},
			{name: "table_size_bytes", expr: unlocked("pg_table_size"), use: gauge, help: "Total disk space used by this table, in bytes"},
		}...),
		from: largest("pg_stat_user_tables", "relid", s.MaxTables),
		most: s.MaxTables,
	}}}
}

// epoch is a time in whole seconds since 1970, 0 for never.
func epoch(time string) string { return "floor(coalesce(extract(epoch FROM " + time + "), 0))" }

func (s *settings) ioUserTablesCollector() *collector {
	return &collector{name: "statio_user_tables", each: true, queries: []query{{
		prefix: "pg_statio_user_tables",
		columns: append(table[:len(table):len(table)], []column{
			{name: "heap_blocks_read", expr: "coalesce(heap_blks_read, 0)", use: counter, help: "Number of disk blocks read from this table"},
			{name: "heap_blocks_hit", expr: "coalesce(heap_blks_hit, 0)", use: counter, help: "Number of buffer hits in this table"},
			{name: "idx_blocks_read", expr: "coalesce(idx_blks_read, 0)", use: counter, help: "Number of disk blocks read from all indexes on this table"},
			{name: "idx_blocks_hit", expr: "coalesce(idx_blks_hit, 0)", use: counter, help: "Number of buffer hits in all indexes on this table"},
			{name: "toast_blocks_read", expr: "coalesce(toast_blks_read, 0)", use: counter, help: "Number of disk blocks read from this table's TOAST table (if any)"},
			{name: "toast_blocks_hit", expr: "coalesce(toast_blks_hit, 0)", use: counter, help: "Number of buffer hits in this table's TOAST table (if any)"},
			{name: "tidx_blocks_read", expr: "coalesce(tidx_blks_read, 0)", use: counter, help: "Number of disk blocks read from this table's TOAST table indexes (if any)"},
			{name: "tidx_blocks_hit", expr: "coalesce(tidx_blks_hit, 0)", use: counter, help: "Number of buffer hits in this table's TOAST table indexes (if any)"},
		}...),
		from: largest("pg_statio_user_tables", "relid", s.MaxTables),
		most: s.MaxTables,
	}}}
}

// ioUserIndexesCollector has the label datname besides postgres_exporter's, for there may be many databases.
func (s *settings) ioUserIndexesCollector() *collector {
	return &collector{name: "statio_user_indexes", off: true, each: true, queries: []query{{
		prefix: "pg_statio_user_indexes",
		columns: append(table[:len(table):len(table)], []column{
			{name: "indexrelname", use: label},
			{name: "idx_blks_read_total", expr: "idx_blks_read", use: counter, help: "Number of disk blocks read from this index"},
			{name: "idx_blks_hit_total", expr: "idx_blks_hit", use: counter, help: "Number of buffer hits in this index"},
		}...),
		from: largest("pg_statio_user_indexes", "indexrelid", s.MaxTables),
		most: s.MaxTables,
	}}}
}
