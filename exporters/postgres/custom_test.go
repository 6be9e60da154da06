package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// gaugeOf is a query with one gauge n.
func gaugeOf(sql string, more ...string) object {
	columns := object{"n": object{"usage": "GAUGE", "help": "A number."}}
	for _, l := range more {
		columns[l] = object{"usage": "label"}
	}
	return object{"sql": sql, "columns": columns}
}

func TestQueriesOfTheOperators(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "CREATE TABLE orders (id int, state text); INSERT INTO orders SELECT g, CASE g % 3 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' END FROM generate_series(1, 30) g")
	s.Exec("postgres", "CREATE SEQUENCE seq")
	all := object{"sql": `SELECT 'a"b\' AS kind, 3 AS seen, 2.5::numeric AS level, true AS ready, timestamp '2026-01-02 03:04:05' AS made, timestamptz '2026-01-02 03:04:05.5+01' AS seen_at,
		NULL::int AS gone, 'warm' AS state, ARRAY[0.1, 1, 10] AS seconds, ARRAY[1, 3, 4] AS seconds_bucket, 12.5 AS seconds_sum, 5 AS seconds_count, 'x' AS other;`,
		"columns": object{
			"kind":    object{"usage": "LABEL"},
			"seen":    object{"usage": "COUNTER", "help": "Seen."},
			"level":   object{"usage": "gauge", "help": "Level."},
			"ready":   object{"usage": "GAUGE", "help": "Ready."},
			"made":    object{"usage": "GAUGE", "help": "Made."},
			"seen_at": object{"usage": "UNTYPED", "help": "Seen at."},
			"gone":    object{"usage": "GAUGE", "help": "Gone."},
			"state":   object{"usage": "MAPPED", "help": "State.", "mapping": object{"cold": 0, "warm": 1}},
			"seconds": object{"usage": "HISTOGRAM", "help": "Seconds."},
			"other":   object{"usage": "DISCARD"},
		}}
	queries := object{
		"all":        all,
		"orders":     gaugeOf("SELECT state, count(*) AS n FROM orders GROUP BY state", "state"),
		"writes":     gaugeOf("WITH gone AS (DELETE FROM orders RETURNING 1) SELECT count(*) AS n FROM gone"),
		"steps":      gaugeOf("SELECT nextval('seq') AS n"),
		"ends":       gaugeOf("SELECT 1 AS n; COMMIT; DROP TABLE orders"),
		"commits":    gaugeOf("COMMIT"),
		"nonsense":   gaugeOf("SELEC 1"),
		"text":       gaugeOf("SELECT 'much' AS n"),
		"interval":   gaugeOf("SELECT interval '1 day' AS n"),
		"twice":      gaugeOf("SELECT 'a' AS l, generate_series(1, 2) AS n", "l"),
		"missing":    gaugeOf("SELECT 1 AS n", "l"),
		"none":       gaugeOf("SELECT 1 AS n WHERE false"),
		"many":       object{"sql": "SELECT g AS l, g AS n FROM (SELECT generate_series(1, 100000000) AS g) s", "max_rows": 5, "columns": gaugeOf("", "l")["columns"]},
		"wide":       gaugeOf("SELECT repeat('x', 100000000) AS l, 1 AS n", "l"),
		"pg_locks":   object{"sql": "SELECT 1 AS count", "columns": object{"count": object{"usage": "GAUGE", "help": "Of another."}}},
		"future":     object{"sql": "SELECT no_such_function() AS n", "since": 99, "columns": gaugeOf("")["columns"]},
		"past":       object{"sql": "SELECT no_such_function() AS n", "before": 9, "columns": gaugeOf("")["columns"]},
		"zz_is_fine": gaugeOf("SELECT 1 AS n"),
	}
	p := configured(t, object{"queries": queries})
	e := p.scrape(t, s)
	wants(t, e, map[string]float64{
		`{__name__="pg_up"}`:                                                 1,
		`{__name__="all_seen", kind="a\"b\\"}`:                               3,
		`{__name__="all_level", kind="a\"b\\"}`:                              2.5,
		`{__name__="all_ready", kind="a\"b\\"}`:                              1,
		`{__name__="all_made", kind="a\"b\\"}`:                               1767323045,
		`{__name__="all_seen_at", kind="a\"b\\"}`:                            1767319445.5,
		`{__name__="all_state", kind="a\"b\\"}`:                              1,
		`{__name__="all_seconds_bucket", kind="a\"b\\", le="0.1"}`:           1,
		`{__name__="all_seconds_bucket", kind="a\"b\\", le="10.0"}`:          4,
		`{__name__="all_seconds_bucket", kind="a\"b\\", le="+Inf"}`:          5,
		`{__name__="all_seconds_sum", kind="a\"b\\"}`:                        12.5,
		`{__name__="all_seconds_count", kind="a\"b\\"}`:                      5,
		`{__name__="orders_n", state="new"}`:                                 10,
		`{__name__="orders_n", state="paid"}`:                                10,
		`{__name__="orders_n"}`:                                              10,
		`{__name__="many_n", l="5"}`:                                         5,
		`{__name__="hearth_postgres_collector_truncated", collector="many"}`: 1,
		`{__name__="zz_is_fine_n"}`:                                          1,
	})
	for name, kind := range map[string]string{"all_seen": "counter", "all_level": "gauge", "all_seen_at": "unknown", "all_state": "gauge", "all_seconds": "histogram"} {
		if e.Types[name] != kind {
			t.Errorf("the type of %s is %s, want %s", name, e.Types[name], kind)
		}
	}
	for name := range queries {
		want := 1.
		switch name {
		case "writes", "steps", "ends", "commits", "nonsense", "text", "interval", "twice", "missing", "wide", "pg_locks":
			want = 0
		}
		if got := value(t, e, "pg_scrape_collector_success", fmt.Sprintf("collector=%q", name)); got != want {
			t.Errorf("the success of %s is %v, want %v", name, got, want)
		}
	}
	for _, series := range []string{`{__name__="many_n", l="6"}`, `{__name__="all_gone", kind="a\"b\\"}`, `{__name__="future_n"}`} {
		if _, there := e.Series[series]; there {
			t.Errorf("there is %s", series)
		}
	}
	if n := s.Text("postgres", "SELECT count(*) FROM orders"); n != "30" {
		t.Errorf("%s orders are left of 30", n)
	}
	if n := s.Text("postgres", "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"); n != "0" {
		t.Errorf("%s transactions are left open", n)
	}
}

func TestDatabasesAreDiscovered(t *testing.T) {
	s := start(t)
	names := []string{}
	for i := range 6 {
		name := fmt.Sprintf("d%d", i)
		names = append(names, name)
		s.Exec("postgres", "CREATE DATABASE "+name)
		s.Exec(name, "CREATE TABLE things AS SELECT generate_series(1, 10) AS id")
	}
	s.Exec("postgres", "CREATE DATABASE barred ALLOW_CONNECTIONS false")
	q := gaugeOf("SELECT count(*) AS n FROM pg_class WHERE relname = 'things'")
	q["each_database"] = true
	measured := func(set object) string {
		set["queries"] = object{"things": q}
		e := configured(t, set).scrape(t, s)
		if up := value(t, e, "pg_up"); up != 1 {
			t.Fatalf("pg_up is %v", up)
		}
		var got []string
		for _, name := range append([]string{"postgres", "template1", "barred"}, names...) {
			_, tables := find(e, "pg_stat_user_tables_seq_scan", `datname="`+name+`"`, `relname="things"`)
			_, own := find(e, "things_n", `datname="`+name+`"`)
			if tables != own && name != "postgres" {
				t.Errorf("%s: tables are measured: %v, the operator's query asked: %v", name, tables, own)
			}
			if own {
				got = append(got, name)
			}
		}
		left, _ := find(e, "hearth_postgres_databases_left_out")
		return fmt.Sprint(strings.Join(got, " "), "; left out ", left)
	}
	for _, tt := range []struct {
		name string
		set  object
		want string
	}{
		{"only the one connected to, without discovery", object{}, "postgres; left out 0"},
		{"all", object{"discover_databases": true}, "postgres d0 d1 d2 d3 d4 d5; left out 0"},
		{"all but some", object{"discover_databases": true, "exclude_databases": []string{"d1", "d3", "nothere"}}, "postgres d0 d2 d4 d5; left out 0"},
		{"some", object{"discover_databases": true, "include_databases": []string{"d1", "d3", "nothere"}}, "postgres d1 d3; left out 0"},
		{"some but one", object{"discover_databases": true, "include_databases": []string{"d1", "d3"}, "exclude_databases": []string{"d1"}}, "postgres d3; left out 0"},
		{"as many as allowed", object{"discover_databases": true, "max_databases": 2}, "postgres d0 d1; left out 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := measured(tt.set); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("as many as there is time for", func(t *testing.T) {
		slow := gaugeOf("SELECT 1 AS n, pg_sleep(0.4)")
		slow["each_database"] = true
		p := configured(t, object{"discover_databases": true, "queries": object{"slow": slow}, "collectors": []string{"static"}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		e, err := p.collect(ctx, s.Address, 2*time.Second)
		if err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
		_, first := find(e, "slow_n", `datname="postgres"`)
		if left := value(t, e, "hearth_postgres_databases_left_out"); left < 1 || left > 5 || !first || value(t, e, "pg_up") != 1 {
			t.Errorf("%v databases are left out; the first one is measured: %v", left, first)
		}
	})
	connections(t, s, " AND datname <> 'postgres'", 0)
}

func TestTablesAreBounded(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE t%s (id int)', i); END LOOP; END $$")
	s.Exec("postgres", "INSERT INTO t33 SELECT generate_series(1, 10000); ANALYZE t33")
	p := configured(t, object{"max_tables": 50})
	e := p.scrape(t, s)
	n := 0
	for _, name := range e.Names {
		if name == "pg_stat_user_tables_seq_scan" {
			n++
		}
	}
	if n != 50 || value(t, e, "hearth_postgres_collector_truncated", `collector="stat_user_tables"`) != 1 {
		t.Errorf("%d tables are measured, and it is not said that there are more", n)
	}
	value(t, e, "pg_stat_user_tables_seq_scan", `relname="t33"`)
	if value(t, configured(t, object{"max_tables": 60}).scrape(t, s), "hearth_postgres_collector_truncated", `collector="stat_user_tables"`) != 0 {
		t.Error("all 60 tables are measured, yet it is said that there are more")
	}
}

// More samples than the host takes are left out; what came before them counts.
func TestTheAnswerIsBounded(t *testing.T) {
	s := start(t)
	q := object{"sql": "SELECT g AS l, repeat('x', 1000) AS pad, g AS n FROM generate_series(1, 50000) g", "max_rows": 50000, "columns": gaugeOf("", "l", "pad")["columns"]}
	start := time.Now()
	e := configured(t, object{"queries": object{"flood": q, "later": gaugeOf("SELECT 1 AS n")}}).scrape(t, s)
	wants(t, e, map[string]float64{
		`{__name__="pg_up"}`: 1,
		`{__name__="pg_scrape_collector_success", collector="flood"}`: 0,
		`{__name__="pg_scrape_collector_success", collector="locks"}`: 1,
	})
	t.Logf("%d series, %v", len(e.Series), time.Since(start))
}
