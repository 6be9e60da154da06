package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/exporters/postgres/pgtest"
)

// all are the names of the collectors this server can have.
func all(t *testing.T, s *pgtest.Server) []string {
	t.Helper()
	d := defaults()
	var names []string
	for _, c := range d.collectors() {
		switch c.name {
		case "stat_statements", "buffercache_summary":
			extension := map[string]string{"stat_statements": "pg_stat_statements", "buffercache_summary": "pg_buffercache"}[c.name]
			if !pgtest.Extension(extension) {
				continue
			}
			s.Exec("postgres", "CREATE EXTENSION IF NOT EXISTS "+extension)
		}
		names = append(names, c.name)
	}
	return names
}

// Every collector works, and has each metric that the version of the server can have.
func TestEveryCollector(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "CREATE TABLE orders (id int PRIMARY KEY, note text); SELECT pg_create_physical_replication_slot('spare', true)")
	names := all(t, s)
	idle := s.Connect("postgres")
	if _, err := idle.Exec(t.Context(), "BEGIN; SELECT 1").ReadAll(); err != nil {
		t.Fatal(err)
	}
	p := configured(t, object{"collectors": names, "activity_detail": true, "statements": object{"query": true}})
	e := p.scrape(t, s)
	for _, n := range names {
		if value(t, e, "pg_scrape_collector_success", `collector="`+n+`"`) != 1 {
			t.Errorf("%s fails", n)
		}
	}
	major := p.exporter.sessions.kept[mustAddress(t, s.Address)].major
	// No row, no sample: nothing replicates, vacuums, is archived, has failed a checksum or been reset.
	without := []string{"pg_stat_progress_vacuum_", "pg_stat_replication_", "pg_stat_wal_receiver_", "pg_stat_activity_autovacuum_",
		"pg_stat_archiver_last_archive_age", "pg_stat_database_checksum_", "pg_stat_database_stats_reset", "pg_replication_last_replay_seconds",
		"pg_replication_slots_slot_confirmed_flush_lsn", "pg_replication_slots_safe_wal_size_bytes", "pg_stat_activity_timestamp"}
	for _, c := range p.exporter.run {
		if major < c.since {
			continue
		}
		for i := range c.queries {
			for _, m := range c.queries[i].plan(major).metrics {
				name := m.name
				if m.column.use == histogram {
					name += "_count"
				}
				if _, there := find(e, name); !there && !slices.ContainsFunc(without, func(w string) bool { return strings.HasPrefix(name, w) }) {
					t.Errorf("%s: no %s", c.name, name)
				}
			}
		}
	}
	value(t, e, "pg_process_idle_seconds_bucket", `le="300.0"`, `state="idle in transaction"`, `application_name="pgtest"`)
	value(t, e, "pg_stat_activity_count", `usename="postgres"`, `application_name="pgtest"`, `backend_type="client backend"`, `state="idle in transaction"`)
	if slices.Contains(names, "stat_statements") {
		if v := value(t, e, "pg_stat_statements_query_id"); v != 1 {
			t.Errorf("the text of a statement has the value %v", v)
		}
	}
}

func mustAddress(t *testing.T, s string) address {
	t.Helper()
	a, err := parseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPrimaryAndStandby(t *testing.T) {
	s := start(t)
	b := s.Standby()
	s.Exec("postgres", "CREATE TABLE orders (id int)")
	for deadline := time.Now().Add(20 * time.Second); b.Text("postgres", "SELECT count(*) FROM pg_class WHERE relname = 'orders'") != "1"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the standby does not follow")
		}
	}
	p := configured(t, object{"collectors": all(t, s)})
	for _, server := range []*pgtest.Server{s, b} {
		e := p.scrape(t, server)
		for series, name := range e.Names {
			if name == "pg_scrape_collector_success" && e.Series[series] != 1 {
				t.Errorf("%s is %v", series, e.Series[series])
			}
		}
		standby := 0.
		if server == b {
			standby = 1
			value(t, e, "pg_replication_last_replay_seconds")
			for _, n := range []string{"receive_start_lsn", "flushed_lsn", "received_tli", "last_msg_receipt_time", "latest_end_lsn"} {
				if n == "flushed_lsn" && p.exporter.sessions.kept[mustAddress(t, b.Address)].major < 13 {
					continue
				}
				if v := value(t, e, "pg_stat_wal_receiver_"+n, `slot_name="standby"`, `status="streaming"`, `upstream_host="127.0.0.1"`); v <= 0 {
					t.Errorf("%s is %v", n, v)
				}
			}
		} else {
			value(t, e, "pg_stat_replication_pg_wal_lsn_diff", `application_name="walreceiver"`, `slot_name="standby"`, `state="streaming"`)
			if v := value(t, e, "pg_replication_slots_active", `slot_name="standby"`); v != 1 {
				t.Errorf("the slot's active is %v", v)
			}
		}
		if v := value(t, e, "pg_replication_is_replica"); v != standby {
			t.Errorf("is_replica is %v, want %v", v, standby)
		}
	}
}
