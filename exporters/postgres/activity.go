package main

import "strings"

func (s *settings) activityCollector() *collector {
	detail, names := "", []string{}
	if s.ActivityDetail {
		names = []string{"usename", "application_name", "backend_type", "wait_event_type", "wait_event"}
		detail = ", " + strings.Join(names, ", ")
	}
	q := query{prefix: "pg_stat_activity",
		with: "WITH states(state) AS (VALUES ('active'), ('idle'), ('idle in transaction'), ('idle in transaction (aborted)'), ('fastpath function call'), ('disabled'))," +
			" backends AS (SELECT datname, state" + detail + ", count(*) AS count, max(extract(epoch FROM now() - xact_start)) AS longest" +
			" FROM pg_stat_activity GROUP BY datname, state" + detail + ")",
		columns: []column{{name: "datname", use: label}, {name: "state", use: label}},
		from:    "FROM pg_database CROSS JOIN states LEFT JOIN backends USING (datname, state) ORDER BY datname, state",
	}
	for _, n := range names {
		q.columns = append(q.columns, column{name: n, use: label})
	}
	q.columns = append(q.columns,
		column{name: "count", expr: "coalesce(count, 0)", use: gauge, help: "number of connections in this state"},
		column{name: "max_tx_duration", expr: "coalesce(longest, 0)", use: gauge, help: "max duration in seconds any active transaction has been running"})
	return &collector{name: "stat_activity", queries: []query{q}}
}

func autovacuumCollector() *collector {
	return &collector{name: "stat_activity_autovacuum", off: true, queries: []query{{
		prefix: "pg_stat_activity_autovacuum",
		columns: []column{
			{name: "relname", expr: "split_part(query, '.', 2)", use: label},
			{name: "timestamp_seconds", expr: "min(extract(epoch FROM xact_start))", use: gauge, help: "Start timestamp of the vacuum process in seconds"},
		},
		from: "FROM pg_stat_activity WHERE query LIKE 'autovacuum:%' GROUP BY 1 ORDER BY 1",
	}}}
}

func longTransactionsCollector() *collector {
	return &collector{name: "long_running_transactions", off: true, queries: []query{{
		prefix: "pg_long_running",
		columns: []column{
			{name: "transactions", expr: "count(*)", use: gauge, help: "Current number of long running transactions"},
			{name: "transactions_oldest_timestamp_seconds", expr: "coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)", use: gauge, help: "The current maximum transaction age in seconds"},
		},
		from: "FROM pg_stat_activity WHERE state IS DISTINCT FROM 'idle' AND query NOT LIKE 'autovacuum:%' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()",
	}}}
}

func processIdleCollector() *collector {
	const idle = "extract(epoch FROM now() - state_change)"
	var counts []string
	bounds := []string{"1", "2", "5", "15", "30", "60", "90", "120", "300"}
	for _, le := range bounds {
		counts = append(counts, "count(*) FILTER (WHERE "+idle+" <= "+le+")")
	}
	q := query{prefix: "pg_process_idle",
		columns: []column{
			{name: "state", use: label},
			{name: "application_name", use: label},
			{name: "seconds", expr: "'{" + strings.Join(bounds, ",") + "}'", use: histogram, help: "Idle time of server processes"},
			{name: "seconds_bucket", expr: "ARRAY[" + strings.Join(counts, ", ") + "]"},
			{name: "seconds_sum", expr: "sum(" + idle + ")"},
			{name: "seconds_count", expr: "count(*)"},
		},
		from: "FROM pg_stat_activity WHERE state LIKE 'idle%' AND pid <> pg_backend_pid() GROUP BY 1, 2 ORDER BY 1, 2",
	}
	return &collector{name: "process_idle", off: true, queries: []query{q}}
}

func locksCollector() *collector {
	return &collector{name: "locks", queries: []query{{
		prefix: "pg_locks",
		with: "WITH modes(mode) AS (VALUES ('accesssharelock'), ('rowsharelock'), ('rowexclusivelock'), ('shareupdateexclusivelock'), ('sharelock')," +
			" ('sharerowexclusivelock'), ('exclusivelock'), ('accessexclusivelock'), ('sireadlock'))," +
			" held AS (SELECT database, lower(mode) AS mode, count(*) AS count FROM pg_locks WHERE database IS NOT NULL GROUP BY 1, 2)",
		columns: []column{
			{name: "datname", use: label},
			{name: "mode", expr: "modes.mode", use: label},
			{name: "count", expr: "coalesce(held.count, 0)", use: gauge, help: "Number of locks"},
		},
		from: "FROM pg_database CROSS JOIN modes LEFT JOIN held ON held.database = pg_database.oid AND held.mode = modes.mode ORDER BY 1, 2",
	}}}
}

// progressVacuumCollector names tables of the connection's own database only; others are known by their number.
func progressVacuumCollector() *collector {
	c := []column{
		{name: "datname", use: label},
		{name: "relname", expr: "CASE WHEN datname = current_database() THEN relid::regclass::text ELSE relid::text END", use: label},
	}
	phases := query{prefix: "pg_stat_progress_vacuum",
		with: "WITH phases(name) AS (VALUES ('initializing'), ('scanning heap'), ('vacuuming indexes'), ('vacuuming heap'), ('cleaning up indexes'), ('truncating heap'), ('performing final cleanup'))",
		columns: append(c[:2:2],
			column{name: "phase", expr: "phases.name", use: label},
			column{name: "phase", expr: "(v.phase = phases.name)::int", use: gauge, help: "Current vacuum phase (1 = active, 0 = inactive). Label 'phase' is human-readable."}),
		from: "FROM pg_stat_progress_vacuum v CROSS JOIN phases",
	}
	figures := query{prefix: "pg_stat_progress_vacuum",
		columns: append(c[:2:2],
			column{name: "heap_blks", expr: "heap_blks_total", use: gauge, help: "Total number of heap blocks in the table being vacuumed."},
			column{name: "heap_blks_scanned", use: gauge, help: "Number of heap blocks scanned so far."},
			column{name: "heap_blks_vacuumed", use: gauge, help: "Number of heap blocks vacuumed so far."},
			column{name: "index_vacuums", expr: "index_vacuum_count", use: gauge, help: "Number of completed index vacuum cycles."},
			column{name: "max_dead_tuples", before: 17, use: gauge, help: "Maximum number of dead tuples that can be stored before cleanup is performed."},
			column{name: "num_dead_tuples", before: 17, use: gauge, help: "Current number of dead tuples found so far."},
			column{name: "max_dead_tuple_bytes", since: 17, use: gauge, help: "Amount of dead tuple data that can be stored before cleanup is performed, in bytes."},
			column{name: "dead_tuple_bytes", since: 17, use: gauge, help: "Amount of dead tuple data collected since the last index vacuum cycle, in bytes."},
			column{name: "num_dead_item_ids", since: 17, use: gauge, help: "Number of dead item identifiers collected since the last index vacuum cycle."}),
		from: "FROM pg_stat_progress_vacuum",
	}
	return &collector{name: "stat_progress_vacuum", queries: []query{phases, figures}}
}
