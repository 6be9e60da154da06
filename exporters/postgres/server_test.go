package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearth-project/hearth/exporters/postgres/pgtest"
	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// value returns the one sample of a metric with these labels, and fails without.
func value(t *testing.T, e *sdktest.Exposition, name string, labels ...string) float64 {
	t.Helper()
	v, ok := find(e, name, labels...)
	if !ok {
		t.Fatalf("no %s%v", name, labels)
	}
	return v
}

// find looks for a sample. Labels are given as name="value".
func find(e *sdktest.Exposition, name string, labels ...string) (float64, bool) {
	for series, n := range e.Names {
		if n != name {
			continue
		}
		all := true
		for _, l := range labels {
			all = all && (strings.Contains(series, " "+l+",") || strings.Contains(series, " "+l+"}"))
		}
		if all {
			return e.Series[series], true
		}
	}
	return 0, false
}

// wants checks samples; "" is a sample that must not be there.
func wants(t *testing.T, e *sdktest.Exposition, list map[string]float64) {
	t.Helper()
	for series, want := range list {
		if got, ok := e.Series[series]; !ok || got != want {
			t.Errorf("%s is %v (there: %v), want %v", series, got, ok, want)
		}
	}
}

func TestTransactionsAreCountedExactly(t *testing.T) {
	program := pgtest.Binary("pgbench")
	if program == "" {
		t.Skip("pgbench is not installed")
	}
	s := start(t)
	s.Exec("postgres", "CREATE DATABASE bench")
	s.Exec("bench", "CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)")
	script := t.TempDir() + "/script"
	if err := os.WriteFile(script, []byte("BEGIN;\nUPDATE counter SET n = n + 1;\nEND;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := configured(t, object{})
	commits := func() float64 { return value(t, p.scrape(t, s), "pg_stat_database_xact_commit", `datname="bench"`) }
	bench := func(transactions int) float64 {
		before := commits()
		host, port, err := net.SplitHostPort(s.Address)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(program, "-h", host, "-p", port, "-U", "postgres", "-n", "-f", script, "-t", fmt.Sprint(transactions), "bench").CombinedOutput()
		if err != nil {
			t.Fatalf("pgbench: %v\n%s", err, out)
		}
		return commits() - before
	}
	// To connect is a transaction, too, and pgbench connects more than once: those are in one as in the other.
	few, many := bench(1), bench(138)
	if n := many - few; n != 137 {
		t.Errorf("pgbench made 137 transactions more, pg_stat_database_xact_commit has risen by %v more", n)
	}
	if few < 1 || few > 4 {
		t.Errorf("for one transaction pg_stat_database_xact_commit has risen by %v", few)
	}
	if got, want := commits(), s.Text("postgres", "SELECT xact_commit FROM pg_stat_database WHERE datname = 'bench'"); fmt.Sprint(got) != want {
		t.Errorf("pg_stat_database_xact_commit is %v, the server says %s", got, want)
	}
}

func TestTLSAndPasswords(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "CREATE ROLE tls LOGIN PASSWORD 'right'; CREATE ROLE scram LOGIN PASSWORD 'right'; CREATE ROLE clear LOGIN PASSWORD 'right'; GRANT pg_monitor TO tls, scram, clear")
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	named := "localhost:" + port
	for _, tt := range []struct {
		name, address, user, mode, ca, password string
		extra                                   object
		want                                    string // in the error; empty: it connects
	}{
		{"all is verified", named, "tls", "verify-full", s.CA, "right", nil, ""},
		{"another authority", named, "tls", "verify-full", s.OtherCA, "right", nil, "certificate signed by unknown authority"},
		{"another name", s.Address, "tls", "verify-full", s.CA, "right", nil, "certificate"},
		{"a name that is told", s.Address, "tls", "verify-full", s.CA, "right", object{"server_name": "localhost"}, ""},
		{"another name, if only the authority counts", s.Address, "tls", "verify-ca", s.CA, "right", nil, ""},
		{"another authority, if only that counts", s.Address, "tls", "verify-ca", s.OtherCA, "right", nil, "certificate signed by unknown authority"},
		{"TLS with anybody", s.Address, "tls", "require", "", "right", nil, ""},
		{"TLS with anybody the authority knows", s.Address, "tls", "require", s.OtherCA, "right", nil, "certificate signed by unknown authority"},
		{"TLS if there is any", s.Address, "tls", "prefer", "", "right", nil, ""},
		{"no TLS where it must be", s.Address, "tls", "disable", "", "right", nil, "pg_hba.conf rejects connection"},
		{"SCRAM without TLS", s.Address, "scram", "disable", "", "right", nil, ""},
		{"a wrong password", s.Address, "scram", "disable", "", "wr0ng", nil, `password authentication failed for user "scram"`},
		{"no password", s.Address, "scram", "disable", "", "", nil, "password"},
		{"a user who is not there", s.Address, "nobody", "require", "", "right", nil, `password authentication failed for user "nobody"`},
		{"a database that is not there", s.Address, "scram", "disable", "", "right", object{"database": "nowhere"}, `database "nowhere" does not exist`},
		{"a password in clear, which anybody might ask for", s.Address, "clear", "disable", "", "right", nil, "password"},
		{"a password in clear, through TLS", s.Address, "clear", "require", "", "right", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.password != "" {
				grant(t, "password", tt.password)
			}
			set := object{"user": tt.user, "sslmode": tt.mode}
			if tt.ca != "" {
				set["ca"] = tt.ca
			}
			for k, v := range tt.extra {
				set[k] = v
			}
			p := configured(t, set)
			e, err := p.collect(t.Context(), tt.address, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			said := p.exporter.told[tt.address]
			up := value(t, e, "pg_up")
			if (up == 1) != (tt.want == "") || !strings.Contains(said, tt.want) {
				t.Errorf("pg_up is %v, the error %q; want %q", up, said, tt.want)
			}
			if tt.want != "" && (len(said) > 400 || strings.ContainsAny(said, "\n\t")) {
				t.Errorf("the error is long: %q", said)
			}
			if tt.password == "wr0ng" && strings.Contains(said, tt.password) {
				t.Errorf("the error has the password: %s", said)
			}
		})
	}
}

func TestTheServerGoesAndComesBack(t *testing.T) {
	s := start(t)
	p := configured(t, object{})
	if up := value(t, p.scrape(t, s), "pg_up"); up != 1 {
		t.Fatalf("pg_up is %v", up)
	}
	s.Kill()
	e := p.scrape(t, s)
	if up, failed := value(t, e, "pg_up"), value(t, e, "pg_exporter_last_scrape_error"); up != 0 || failed != 1 {
		t.Errorf("without a server pg_up is %v and the error %v", up, failed)
	}
	if _, there := find(e, "pg_static"); there {
		t.Error("a server that is not there has a version")
	}
	s.Run()
	e = p.scrape(t, s)
	if up, failed := value(t, e, "pg_up"), value(t, e, "pg_exporter_last_scrape_error"); up != 1 || failed != 0 {
		t.Errorf("with the server back pg_up is %v and the error %v", up, failed)
	}
	s.Exec("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hearth'")
	if up := value(t, p.scrape(t, s), "pg_up"); up != 1 {
		t.Errorf("after the connection was ended pg_up is %v", up)
	}
}

// A query of the operator's ends its own connection: one time the scrape goes on with another.
func TestAConnectionThatEndsInTheMiddle(t *testing.T) {
	s := start(t)
	suicide := object{"sql": "SELECT pg_terminate_backend(pg_backend_pid())::int AS n", "columns": object{"n": object{"usage": "GAUGE", "help": "No matter."}}}
	p := configured(t, object{"queries": object{"a_suicide": suicide}})
	e := p.scrape(t, s)
	if up := value(t, e, "pg_up"); up != 1 {
		t.Errorf("pg_up is %v", up)
	}
	if ok := value(t, e, "pg_scrape_collector_success", `collector="a_suicide"`); ok != 0 {
		t.Error("the collector succeeds")
	}
	p = configured(t, object{"queries": object{"a_suicide": suicide, "b_suicide": suicide}})
	e = p.scrape(t, s)
	if ok, up := value(t, e, "pg_scrape_collector_success", `collector="settings"`), value(t, e, "pg_up"); ok != 1 || up != 0 {
		t.Errorf("a connection that ends twice: pg_up is %v, the collectors before are %v", up, ok)
	}
}

func TestServersThatHang(t *testing.T) {
	s := start(t)
	p := configured(t, object{})
	p.scrape(t, s)

	t.Run("with a connection that is open", func(t *testing.T) {
		pid := s.Text("postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = 'hearth'")
		var n int
		if _, err := fmt.Sscan(pid, &n); err != nil || n < 2 {
			t.Fatalf("the process of the connection is %q", pid)
		}
		if err := syscall.Kill(n, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer syscall.Kill(n, syscall.SIGCONT)
		inTime(t, p, s.Address)
	})
	t.Run("and answers again", func(t *testing.T) {
		if up := value(t, p.scrape(t, s), "pg_up"); up != 1 {
			t.Errorf("pg_up is %v", up)
		}
	})
	t.Run("when connecting", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		inTime(t, p, l.Addr().String())
	})
}

// inTime scrapes a server that does not answer.
func inTime(t *testing.T, p *plugin, address string) {
	t.Helper()
	const limit = time.Second
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	e, err := p.collect(ctx, address, limit)
	if ctx.Err() != nil {
		t.Fatalf("no answer within %v", limit)
	}
	if err != nil {
		t.Fatal(err)
	}
	if up := value(t, e, "pg_up"); up != 0 {
		t.Errorf("pg_up is %v", up)
	}
}

// One collector waits for a lock until its time is over; the others have enough left.
func TestACollectorThatWaitsCostsTheOthersNothing(t *testing.T) {
	s := start(t)
	p := configured(t, object{"queries": object{"sleepy": object{
		"sql": "SELECT 1 AS n, pg_sleep(100)", "columns": object{"n": object{"usage": "GAUGE", "help": "No matter."}}, "timeout": "100ms",
	}, "zzz_later": object{"sql": "SELECT 7 AS n", "columns": object{"n": object{"usage": "GAUGE", "help": "Seven."}}}}})
	e := p.scrape(t, s)
	wants(t, e, map[string]float64{
		`{__name__="pg_up"}`: 1, `{__name__="zzz_later_n"}`: 7,
		`{__name__="pg_scrape_collector_success", collector="sleepy"}`:    0,
		`{__name__="pg_scrape_collector_success", collector="zzz_later"}`: 1,
	})
	if n := s.Text("postgres", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' AND pid <> pg_backend_pid()"); n != "0" {
		t.Errorf("%s connections sleep on", n)
	}
}

func TestATableThatIsLockedHasNoSize(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "CREATE TABLE free (id int); CREATE TABLE taken (id int PRIMARY KEY)")
	c := s.Connect("postgres")
	if _, err := c.Exec(t.Context(), "BEGIN; LOCK TABLE taken IN ACCESS EXCLUSIVE MODE").ReadAll(); err != nil {
		t.Fatal(err)
	}
	e := configured(t, object{}).scrape(t, s)
	if _, there := find(e, "pg_stat_user_tables_table_size_bytes", `relname="free"`); !there {
		t.Error("a table that is not locked has no size")
	}
	if _, there := find(e, "pg_stat_user_tables_table_size_bytes", `relname="taken"`); there {
		t.Error("a table that is locked has a size")
	}
	value(t, e, "pg_stat_user_tables_seq_scan", `relname="taken"`)
	if ok := value(t, e, "pg_scrape_collector_success", `collector="stat_user_tables"`); ok != 1 {
		t.Error("the collector fails")
	}
}

// A user without rights sees what everybody may see; what asks for more fails alone.
func TestAUserWithoutRights(t *testing.T) {
	s := start(t)
	s.Exec("postgres", "CREATE ROLE scram LOGIN PASSWORD 'right'")
	s.Exec("postgres", "CREATE DATABASE closed")
	s.Exec("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
	grant(t, "password", "right")
	e := configured(t, object{"user": "scram"}).scrape(t, s)
	wants(t, e, map[string]float64{
		`{__name__="pg_up"}`: 1,
		`{__name__="pg_scrape_collector_success", collector="wal"}`:      0,
		`{__name__="pg_scrape_collector_success", collector="database"}`: 1,
		`{__name__="pg_scrape_collector_success", collector="settings"}`: 1,
	})
	if _, there := find(e, "pg_database_size_bytes", `datname="closed"`); there {
		t.Error("the size of a database that is closed is known")
	}
	value(t, e, "pg_database_size_bytes", `datname="postgres"`)
}

func TestKeptConnectionsAreBounded(t *testing.T) {
	s := start(t)
	p := configured(t, object{})
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxKept + 3 { // one server under many names
		if e, err := p.collect(t.Context(), "127.0.0.1:"+port, 20*time.Second); err != nil || value(t, e, "pg_up") != 1 {
			t.Fatal(i, err)
		}
		for a, kept := range p.exporter.sessions.kept {
			if a.host == "127.0.0.1" {
				delete(p.exporter.sessions.kept, a)
				kept.address.host = fmt.Sprintf("name%d", i)
				p.exporter.sessions.put(kept, time.Now())
			}
		}
	}
	if n := len(p.exporter.sessions.kept); n != maxKept {
		t.Errorf("%d connections are kept, want %d", n, maxKept)
	}
	connections(t, s, "", maxKept)
	p = configured(t, object{"keep_connection": false})
	p.scrape(t, s)
	if len(p.exporter.sessions.kept) != 0 {
		t.Error("a connection is kept although the settings say no")
	}
}

// connections waits until the server has so many of the exporter's; it needs a moment to end some.
func connections(t *testing.T, s *pgtest.Server, condition string, want int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		n := s.Text("postgres", "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hearth'"+condition)
		if n == fmt.Sprint(want) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("the server has %s connections, want %d", n, want)
		}
	}
}

func TestACallThatHasEndedIsRetried(t *testing.T) {
	p := configured(t, object{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.collect(ctx, "localhost:1", time.Second)
	if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeTimeout || !e.Retryable {
		t.Errorf("got %v", err)
	}
	_, err = p.collect(t.Context(), "postgres://localhost", time.Second)
	if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest || !strings.Contains(e.Message, "must be host:port") {
		t.Errorf("got %v", err)
	}
}
