package main

// bgwriterCollector: from version 17 on most of the view has moved to pg_stat_checkpointer and pg_stat_io.
func bgwriterCollector() *collector {
	return &collector{name: "stat_bgwriter", queries: []query{{
		prefix: "pg_stat_bgwriter",
		columns: []column{
			{name: "checkpoints_timed_total", expr: "checkpoints_timed", before: 17, use: counter, help: "Number of scheduled checkpoints that have been performed"},
			{name: "checkpoints_req_total", expr: "checkpoints_req", before: 17, use: counter, help: "Number of requested checkpoints that have been performed"},
			{name: "checkpoint_write_time_total", expr: "checkpoint_write_time", before: 17, use: counter, help: "Total amount of time that has been spent in the portion of checkpoint processing where files are written to disk, in milliseconds"},
			{name: "checkpoint_sync_time_total", expr: "checkpoint_sync_time", before: 17, use: counter, help: "Total amount of time that has been spent in the portion of checkpoint processing where files are synchronized to disk, in milliseconds"},
			{name: "buffers_checkpoint_total", expr: "buffers_checkpoint", before: 17, use: counter, help: "Number of buffers written during checkpoints"},
			{name: "buffers_clean_total", expr: "buffers_clean", use: counter, help: "Number of buffers written by the background writer"},
			{name: "maxwritten_clean_total", expr: "maxwritten_clean", use: counter, help: "Number of times the background writer stopped a cleaning scan because it had written too many buffers"},
			{name: "buffers_backend_total", expr: "buffers_backend", before: 17, use: counter, help: "Number of buffers written directly by a backend"},
			{name: "buffers_backend_fsync_total", expr: "buffers_backend_fsync", before: 17, use: counter, help: "Number of times a backend had to execute its own fsync call (normally the background writer handles those even when the backend does its own write)"},
			{name: "buffers_alloc_total", expr: "buffers_alloc", use: counter, help: "Number of buffers allocated"},
			{name: "stats_reset_total", expr: "floor(extract(epoch FROM stats_reset))", use: counter, help: "Time at which these statistics were last reset"},
		},
		from: "FROM pg_stat_bgwriter",
	}}}
}

func checkpointerCollector() *collector {
	return &collector{name: "stat_checkpointer", since: 17, queries: []query{{
		prefix: "pg_stat_checkpointer",
		columns: []column{
			{name: "num_timed_total", expr: "num_timed", use: counter, help: "Number of scheduled checkpoints due to timeout"},
			{name: "num_requested_total", expr: "num_requested", use: counter, help: "Number of requested checkpoints that have been performed"},
			{name: "num_done_total", expr: "num_done", since: 18, use: counter, help: "Number of checkpoints that have been performed"},
			{name: "restartpoints_timed_total", expr: "restartpoints_timed", use: counter, help: "Number of scheduled restartpoints due to timeout or after a failed attempt to perform it"},
			{name: "restartpoints_req_total", expr: "restartpoints_req", use: counter, help: "Number of requested restartpoints"},
			{name: "restartpoints_done_total", expr: "restartpoints_done", use: counter, help: "Number of restartpoints that have been performed"},
			{name: "write_time_total", expr: "write_time", use: counter, help: "Total amount of time that has been spent in the portion of processing checkpoints and restartpoints where files are written to disk, in milliseconds"},
			{name: "sync_time_total", expr: "sync_time", use: counter, help: "Total amount of time that has been spent in the portion of processing checkpoints and restartpoints where files are synchronized to disk, in milliseconds"},
			{name: "buffers_written_total", expr: "buffers_written", use: counter, help: "Number of buffers written during checkpoints and restartpoints"},
			{name: "slru_written_total", expr: "slru_written", since: 18, use: counter, help: "Number of SLRU buffers written during checkpoints and restartpoints"},
			{name: "stats_reset_total", expr: "floor(extract(epoch FROM stats_reset))", use: counter, help: "Time at which these statistics were last reset"},
		},
		from: "FROM pg_stat_checkpointer",
	}}}
}

func archiverCollector() *collector {
	return &collector{name: "stat_archiver", queries: []query{{
		prefix: "pg_stat_archiver",
		columns: []column{
			{name: "archived_count", use: counter, help: "Number of WAL files that have been successfully archived"},
			{name: "failed_count", use: counter, help: "Number of failed attempts for archiving WAL files"},
			{name: "last_archive_age", expr: "extract(epoch FROM now() - last_archived_time)", use: gauge, help: "Time in seconds since last WAL segment was successfully archived"},
		},
		from: "FROM pg_stat_archiver",
	}}}
}

func walCollector() *collector {
	return &collector{name: "wal", queries: []query{{
		prefix: "pg_wal",
		columns: []column{
			{name: "segments", expr: "count(*)", use: gauge, help: "Number of WAL segments"},
			{name: "size_bytes", expr: "coalesce(sum(size), 0)", use: gauge, help: "Total size of WAL segments"},
		},
		from: "FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
	}}}
}
