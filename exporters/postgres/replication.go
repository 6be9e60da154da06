package main

// position is where the write-ahead log ends: of a primary what was written, of a standby what has arrived.
const position = "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END)"

// bytes is a position of the log as a number.
func bytes(lsn string) string { return "(" + lsn + " - '0/0'::pg_lsn)" }

func replicationCollector() *collector {
	const replayed = "greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp()))"
	return &collector{name: "replication", queries: []query{{
		prefix: "pg_replication",
		columns: []column{
			{name: "lag_seconds", expr: "CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0 ELSE " + replayed + " END", use: gauge, help: "Replication lag behind master in seconds"},
			{name: "is_replica", expr: "pg_is_in_recovery()", use: gauge, help: "Indicates if the server is a replica"},
			{name: "last_replay_seconds", expr: replayed, use: gauge, help: "Age of last replay in seconds"},
		},
	}}}
}

func replicationSlotsCollector() *collector {
	slot := []column{{name: "slot_name", use: label}, {name: "slot_type", use: label}}
	return &collector{name: "replication_slots", queries: []query{
		{
			prefix: "pg_replication_slots",
			columns: []column{
				{name: "slot_name", use: label},
				{name: "database", use: label},
				{name: "active", use: gauge, help: "Flag indicating if the slot is active"},
				{name: "pg_wal_lsn_diff", expr: "pg_wal_lsn_diff(" + position + ", restart_lsn)", use: gauge, help: "Replication lag in bytes"},
			},
			from: "FROM pg_replication_slots ORDER BY slot_name",
		},
		{
			prefix: "pg_replication_slots",
			columns: append(slot[:2:2], []column{
				{name: "slot_current_wal_lsn", expr: bytes(position), use: gauge, help: "current wal lsn value"},
				{name: "slot_confirmed_flush_lsn", expr: "CASE WHEN active THEN " + bytes("coalesce(confirmed_flush_lsn, '0/0')") + " END", use: gauge, help: "last lsn confirmed flushed to the replication slot"},
				{name: "slot_is_active", expr: "active", use: gauge, help: "whether the replication slot is active or not"},
				{name: "safe_wal_size_bytes", expr: "safe_wal_size", since: 13, use: gauge, help: "number of bytes that can be written to WAL such that this slot is not in danger of getting in state lost"},
			}...),
			from: "FROM pg_replication_slots ORDER BY slot_name",
		},
		{
			prefix: "pg_replication_slots",
			columns: append(slot[:2:2], []column{
				{name: "wal_status", since: 13, use: label},
				{name: "wal_status", expr: "1", since: 13, use: gauge, help: "availability of WAL files claimed by this slot"},
			}...),
			from: "FROM pg_replication_slots ORDER BY slot_name",
		},
	}}
}

// statReplicationCollector takes the worst of connections that have all labels in common.
func statReplicationCollector() *collector {
	return &collector{name: "stat_replication", queries: []query{{
		prefix: "pg_stat_replication",
		columns: []column{
			{name: "application_name", use: label},
			{name: "client_addr", expr: "host(client_addr)", use: label},
			{name: "slot_name", use: label},
			{name: "state", use: label},
			{name: "pg_current_wal_lsn_bytes", expr: "max(" + bytes(position) + ")", use: gauge, help: "WAL position in bytes"},
			{name: "pg_wal_lsn_diff", expr: "max(pg_wal_lsn_diff(" + position + ", replay_lsn))", use: gauge, help: "Lag in bytes between master and slave"},
		},
		from: "FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
	}}}
}

func walReceiverCollector() *collector {
	const low = " % (2^52)::bigint" // what a float64 holds exactly
	return &collector{name: "stat_wal_receiver", off: true, queries: []query{{
		prefix: "pg_stat_wal_receiver",
		columns: []column{
			{name: "upstream_host", expr: "trim(both '''' from substring(conninfo from 'host=([^ ]*)'))", use: label},
			{name: "slot_name", use: label},
			{name: "status", use: label},
			{name: "receive_start_lsn", expr: bytes("receive_start_lsn") + low, use: counter, help: "First write-ahead log location used when WAL receiver is started represented as a decimal"},
			{name: "flushed_lsn", expr: bytes("flushed_lsn") + low, since: 13, use: counter, help: "Last write-ahead log location already received and flushed to disk, the initial value of this field being the first log location used when WAL receiver is started represented as a decimal"},
			{name: "receive_start_tli", use: gauge, help: "First timeline number used when WAL receiver is started"},
			{name: "received_tli", use: gauge, help: "Timeline number of last write-ahead log location received and flushed to disk"},
			{name: "last_msg_send_time", expr: "extract(epoch FROM last_msg_send_time)", use: counter, help: "Send time of last message received from origin WAL sender"},
			{name: "last_msg_receipt_time", expr: "extract(epoch FROM last_msg_receipt_time)", use: counter, help: "Send time of last message received from origin WAL sender"},
			{name: "latest_end_lsn", expr: bytes("latest_end_lsn") + low, use: counter, help: "Last write-ahead log location reported to origin WAL sender as integer"},
			{name: "latest_end_time", expr: "extract(epoch FROM latest_end_time)", use: counter, help: "Time of last write-ahead log location reported to origin WAL sender"},
			{name: "upstream_node", expr: "substring(slot_name from 'repmgr_slot_([0-9]*)')", use: gauge, help: "Node ID of the upstream node"},
		},
		from: "FROM pg_stat_wal_receiver",
	}}}
}
