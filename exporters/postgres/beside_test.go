package main

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/exporters/postgres/pgtest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

const postgresExporter = "/usr/bin/prometheus-postgres-exporter" // Debian's, 0.11

// allowed are the differences from postgres_exporter 0.11 that are meant.
var allowed = []struct {
	metric *regexp.Regexp
	only   string // who has it: ours, theirs, type, help
	why    string
}{
	{regexp.MustCompile(`^(go|process|promhttp)_`), "theirs", "the exporter's own process"},
	{regexp.MustCompile(`^postgres_exporter_build_info$`), "theirs", "hearth_postgres_build_info stands for it"},
	{regexp.MustCompile(`^pg_exporter_scrapes_total$`), "theirs", "instances come and go; hearth counts scrapes itself"},
	{regexp.MustCompile(`^pg_stat_database_checksum_(last_)?failures?$`), "theirs", "NULL is NaN there, no sample here"},
	{regexp.MustCompile(`^pg_stat_database_stats_reset$`), "theirs", "NULL is NaN there, no sample here"},
	{regexp.MustCompile(`^pg_stat_archiver_last_archive_age$`), "theirs", "NULL is NaN there, no sample here"},
	{regexp.MustCompile(`^pg_stat_replication_`), "theirs", "columns of the view nothing is known of there"},
	{regexp.MustCompile(`^pg_stat_replication_`), "ours", "its label slot_name has a number of a process there, and the name here"},
	{regexp.MustCompile(`^pg_replication_slots_`), "theirs", "columns of the view nothing is known of there"},
	{regexp.MustCompile(`^hearth_postgres_`), "ours", "hearth's own"},
	{regexp.MustCompile(`^pg_(scrape_collector|exporter)_`), "ours", "there are more collectors"},
	{regexp.MustCompile(`^pg_scrape_collector_`), "theirs", "two collectors had other names"},
	{regexp.MustCompile(`^pg_(database_connection_limit|stat_database_active_time_seconds_total|roles_.*|wal_.*|stat_user_tables_.*|statio_user_tables_.*)$`), "ours", "came with a later postgres_exporter"},
	{regexp.MustCompile(`^pg_replication_(lag_seconds|is_replica|last_replay_seconds|slots_(slot_.*|safe_wal_size_bytes|wal_status))$`), "ours", "came with a later postgres_exporter"},
}

// steady are values that must be equal.
var steady = regexp.MustCompile(`^pg_(settings_.*|static|up|database_size_bytes|replication_slots_active|stat_(archiver_.*_count|bgwriter_(stats_reset|checkpoints_timed|buffers_backend_fsync)_total|` +
	`database_(conflicts.*|deadlocks|temp_.*|stats_reset|tup_(inserted|updated|deleted))|activity_count))$`)

// Names, labels, types, help texts and values beside the real thing on one server, which has a replication slot, a standby
// that does nothing but receive, statements that wait for locks, and names that must be escaped.
func TestBesidePostgresExporter(t *testing.T) {
	if _, err := os.Stat(postgresExporter); err != nil {
		t.Skip("prometheus-postgres-exporter is not installed")
	}
	s := start(t)
	s.Exec("postgres", `CREATE DATABASE "a ""quoted"" \ name"`)
	s.Exec("postgres", "CREATE DATABASE shop")
	s.Exec("postgres", "CREATE TABLE orders (id int PRIMARY KEY, note text); SELECT pg_create_physical_replication_slot('spare', true)")
	s.Exec("shop", "CREATE TABLE items AS SELECT generate_series(1, 1000) AS id; ANALYZE; UPDATE items SET id = id")
	busy := s.Connect("shop")
	if _, err := busy.Exec(t.Context(), "BEGIN; LOCK TABLE items IN SHARE MODE").ReadAll(); err != nil {
		t.Fatal(err)
	}
	receive(t, s)

	p := configured(t, object{"server_label": true})
	p.scrape(t, s) // so that it is connected when theirs counts connections
	theirs := scrapePostgresExporter(t, s)
	ours := p.scrape(t, s)
	for _, d := range differences(ours, theirs) {
		if why := reason(d); why != "" {
			t.Logf("%s (%s)", d, why)
		} else {
			t.Error(d)
		}
	}
	compared := 0
	for series, want := range theirs.Series {
		got, ok := ours.Series[series]
		if name := theirs.Names[series]; !ok || !steady.MatchString(name) || strings.Contains(series, `datname="postgres"`) || name == "pg_settings_extra_float_digits" {
			continue // what both do in their database themselves; what their driver sets
		} else if compared++; got != want {
			t.Errorf("%s is %v, postgres_exporter says %v", series, got, want)
		}
	}
	if compared < 250 {
		t.Errorf("only %d values were compared", compared)
	}
	t.Logf("%d series of ours, %d of theirs, %d values compared", len(ours.Series), len(theirs.Series), compared)
}

// receive streams the server's log away, as a standby does.
func receive(t *testing.T, s *pgtest.Server) {
	t.Helper()
	program := pgtest.Binary("pg_receivewal")
	if program == "" {
		t.Skip("pg_receivewal is not installed")
	}
	s.Exec("postgres", "CREATE ROLE standby REPLICATION LOGIN PASSWORD 'x'")
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-h", host, "-p", port, "-U", "standby", "-S", "spare", "-D", t.TempDir(), "-s", "1")
	cmd.Env = append(os.Environ(), "PGPASSWORD=x")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(20 * time.Second); s.Text("postgres", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") != "1"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the log is not received")
		}
	}
}

// difference is one thing that only one of both has.
type difference struct {
	what, metric, only string
}

func (d difference) String() string { return d.only + " only: " + d.what }

func reason(d difference) string {
	for _, a := range allowed {
		if a.only == d.only && a.metric.MatchString(d.metric) {
			return a.why
		}
	}
	return ""
}

// differences compares names with types and help, and label sets where both know the name.
func differences(ours, theirs *sdktest.Exposition) []difference {
	var ds []difference
	names := func(e *sdktest.Exposition) []string { return slices.Compact(slices.Sorted(maps.Values(e.Names))) }
	our, their := names(ours), names(theirs)
	for _, n := range our {
		switch {
		case !slices.Contains(their, n):
			ds = append(ds, difference{n, n, "ours"})
		case ours.Types[n] != theirs.Types[n]:
			ds = append(ds, difference{fmt.Sprintf("type %s of %s, theirs is %s", ours.Types[n], n, theirs.Types[n]), n, "type"})
		case ours.Help[n] != theirs.Help[n]:
			ds = append(ds, difference{fmt.Sprintf("help of %s, %q, theirs is %q", n, ours.Help[n], theirs.Help[n]), n, "help"})
		}
	}
	for _, n := range their {
		if !slices.Contains(our, n) {
			ds = append(ds, difference{n, n, "theirs"})
		}
	}
	series := func(from, other *sdktest.Exposition, otherNames []string, who string) {
		for _, s := range slices.Sorted(maps.Keys(from.Series)) {
			if _, there := other.Series[s]; !there && slices.Contains(otherNames, from.Names[s]) {
				ds = append(ds, difference{s, from.Names[s], who})
			}
		}
	}
	series(ours, theirs, their, "ours")
	series(theirs, ours, our, "theirs")
	return ds
}

// scrapePostgresExporter runs the real exporter on a free port and reads it twice, so that its connection is counted.
func scrapePostgresExporter(t *testing.T, s *pgtest.Server) *sdktest.Exposition {
	t.Helper()
	url := startPostgresExporter(t, s)
	var body []byte
	for range 2 {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		if body, err = io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	e, err := sdktest.ParseExposition(body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// startPostgresExporter returns the address of its metrics once it answers.
func startPostgresExporter(t testing.TB, s *pgtest.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(postgresExporter, "--web.listen-address="+address)
	cmd.Env = append(os.Environ(), "DATA_SOURCE_NAME=postgresql://postgres@"+s.Address+"/postgres?sslmode=disable")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return "http://" + address + "/metrics"
		}
		if time.Now().After(deadline) {
			t.Fatalf("postgres_exporter does not answer: %v", err)
		}
	}
}
