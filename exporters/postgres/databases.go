package main

// database names a row of a view that has one for each database.
var database = []column{
	{name: "datid", use: label},
	{name: "datname", use: label},
}

func databaseCollector() *collector {
	return &collector{name: "database", queries: []query{{
		prefix: "pg_database",
		columns: []column{
			{name: "datname", use: label},
			{name: "size_bytes", use: gauge, help: "Disk space used by the database",
				expr: "CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(oid) END"},
			{name: "connection_limit", expr: "datconnlimit", use: gauge, help: "Connection limit set for the database"},
		},
		from: "FROM pg_database ORDER BY datname",
	}}}
}

func wraparoundCollector() *collector {
	return &collector{name: "database_wraparound", off: true, queries: []query{{
		prefix: "pg_database_wraparound",
		columns: []column{
			{name: "datname", use: label},
			{name: "age_datfrozenxid_seconds", expr: "age(datfrozenxid)", use: gauge, help: "Age of the oldest transaction ID that has not been frozen."},
			{name: "age_datminmxid_seconds", expr: "mxid_age(datminmxid)", use: gauge, help: "Age of the oldest multi-transaction ID that has been replaced with a transaction ID."},
		},
		from: "FROM pg_database WHERE datallowconn ORDER BY datname",
	}}}
}

func statDatabaseCollector() *collector {
	const unknown = "Unknown metric from pg_stat_database" // what postgres_exporter says of them
	return &collector{name: "stat_database", queries: []query{{
		prefix: "pg_stat_database",
		columns: append(database[:len(database):len(database)], []column{
			{name: "numbackends", use: gauge, help: "Number of backends currently connected to this database. This is the only column in this view that returns a value reflecting current state; all other columns return the accumulated values since the last reset."},
			{name: "xact_commit", use: counter, help: "Number of transactions in this database that have been committed"},
			{name: "xact_rollback", use: counter, help: "Number of transactions in this database that have been rolled back"},
			{name: "blks_read", use: counter, help: "Number of disk blocks read in this database"},
			{name: "blks_hit", use: counter, help: "Number of times disk blocks were found already in the buffer cache, so that a read was not necessary (this only includes hits in the PostgreSQL buffer cache, not the operating system's file system cache)"},
			{name: "tup_returned", use: counter, help: "Number of rows returned by queries in this database"},
			{name: "tup_fetched", use: counter, help: "Number of rows fetched by queries in this database"},
			{name: "tup_inserted", use: counter, help: "Number of rows inserted by queries in this database"},
			{name: "tup_updated", use: counter, help: "Number of rows updated by queries in this database"},
			{name: "tup_deleted", use: counter, help: "Number of rows deleted by queries in this database"},
			{name: "conflicts", use: counter, help: "Number of queries canceled due to conflicts with recovery in this database. (Conflicts occur only on standby servers; see pg_stat_database_conflicts for details.)"},
			{name: "temp_files", use: counter, help: "Number of temporary files created by queries in this database. All temporary files are counted, regardless of why the temporary file was created (e.g., sorting or hashing), and regardless of the log_temp_files setting."},
			{name: "temp_bytes", use: counter, help: "Total amount of data written to temporary files by queries in this database. All temporary files are counted, regardless of why the temporary file was created, and regardless of the log_temp_files setting."},
			{name: "deadlocks", use: counter, help: "Number of deadlocks detected in this database"},
			{name: "checksum_failures", use: untyped, help: unknown},
			{name: "checksum_last_failure", expr: "floor(extract(epoch FROM checksum_last_failure))", use: untyped, help: unknown},
			{name: "blk_read_time", use: counter, help: "Time spent reading data file blocks by backends in this database, in milliseconds"},
			{name: "blk_write_time", use: counter, help: "Time spent writing data file blocks by backends in this database, in milliseconds"},
			{name: "session_time", since: 14, use: untyped, help: unknown},
			{name: "active_time", since: 14, use: untyped, help: unknown},
			{name: "active_time_seconds_total", expr: "active_time / 1000", since: 14, use: counter, help: "Time spent executing SQL statements in this database, in seconds"},
			{name: "idle_in_transaction_time", since: 14, use: untyped, help: unknown},
			{name: "sessions", since: 14, use: untyped, help: unknown},
			{name: "sessions_abandoned", since: 14, use: untyped, help: unknown},
			{name: "sessions_fatal", since: 14, use: untyped, help: unknown},
			{name: "sessions_killed", since: 14, use: untyped, help: unknown},
			{name: "parallel_workers_to_launch", since: 18, use: untyped, help: unknown},
			{name: "parallel_workers_launched", since: 18, use: untyped, help: unknown},
			{name: "stats_reset", expr: "floor(extract(epoch FROM stats_reset))", use: counter, help: "Time at which these statistics were last reset"},
		}...),
		from: "FROM pg_stat_database ORDER BY datid",
	}}}
}

func conflictsCollector() *collector {
	return &collector{name: "stat_database_conflicts", queries: []query{{
		prefix: "pg_stat_database_conflicts",
		columns: append(database[:len(database):len(database)], []column{
			{name: "confl_tablespace", use: counter, help: "Number of queries in this database that have been canceled due to dropped tablespaces"},
			{name: "confl_lock", use: counter, help: "Number of queries in this database that have been canceled due to lock timeouts"},
			{name: "confl_snapshot", use: counter, help: "Number of queries in this database that have been canceled due to old snapshots"},
			{name: "confl_bufferpin", use: counter, help: "Number of queries in this database that have been canceled due to pinned buffers"},
			{name: "confl_deadlock", use: counter, help: "Number of queries in this database that have been canceled due to deadlocks"},
			{name: "confl_active_logicalslot", since: 16, use: counter, help: "Number of uses of logical slots in this database that have been canceled due to old snapshots or too low a wal_level on the primary"},
		}...),
		from: "FROM pg_stat_database_conflicts ORDER BY datid",
	}}}
}
