package plugin

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hearth-project/hearth/exporters/postgres/pgtest"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

var builtPostgres sync.Once

func installPostgres(t testing.TB) string {
	return install(t, &builtPostgres, "../../exporters/postgres", "hearth/postgres", "postgres.wasm")
}

// secretsOf makes a grant of texts.
func secretsOf(texts map[string]string) map[string]func() (string, error) {
	m := map[string]func() (string, error){}
	for name, text := range texts {
		m[name] = func() (string, error) { return text, nil }
	}
	return m
}

// logs waits for a text in the log: what a program writes takes a moment.
func logs(w world, text string) bool {
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(w.log.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

func scrapePostgres(t *testing.T, c *Client, address string) *sdktest.Exposition {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	body, _, err := c.Collect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	e, err := sdktest.ParseExposition(body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestPostgresIsMeasured runs the exporter against a server that asks for TLS and a password.
func TestPostgresIsMeasured(t *testing.T) {
	s := pgtest.Start(t, "")
	s.Exec("postgres", "CREATE ROLE tls LOGIN PASSWORD 's3cret'; GRANT pg_monitor TO tls; CREATE TABLE orders (id int PRIMARY KEY)")
	_, port, _ := strings.Cut(s.Address, ":")
	address := "localhost:" + port
	inBothForms(t, installPostgres(t), "../../exporters/postgres", "hearth/postgres", func(t *testing.T, w world, of func(Use) Use) {
		use := of(Use{
			Config: map[string]any{"user": "tls", "sslmode": "verify-full"},
			Grant:  Grant{Net: []string{manifest.Target, "localhost:*"}, Secrets: secretsOf(map[string]string{"password": "s3cret\n", "ca": s.CA})},
		})
		c := w.open(use)
		for range 3 {
			e := scrapePostgres(t, c, address)
			for _, series := range []string{`{__name__="pg_up"}`, `{__name__="pg_stat_user_tables_table_size_bytes", datname="postgres", relname="orders", schemaname="public"}`} {
				if _, ok := e.Series[series]; !ok {
					t.Errorf("no %s", series)
				}
			}
			for series, v := range e.Series {
				if name := e.Names[series]; v != 1 && (name == "pg_up" || name == "pg_scrape_collector_success") {
					t.Errorf("%s is %v\n%s", series, v, w.log)
				}
			}
		}
		if n := s.Text("postgres", "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND usename = 'tls'"); n != "1" {
			t.Errorf("%s connections with TLS are kept, want 1", n)
		}

		use.Grant.Secrets = secretsOf(map[string]string{"password": "s3cret", "ca": s.OtherCA})
		e := scrapePostgres(t, w.open(use), address)
		if e.Series[`{__name__="pg_up"}`] != 0 || !logs(w, "x509: certificate signed by unknown authority") {
			t.Errorf("another authority: pg_up is %v, the log\n%s", e.Series[`{__name__="pg_up"}`], w.log)
		}
		use.Grant.Secrets = secretsOf(map[string]string{"password": "wr0ng", "ca": s.CA})
		e = scrapePostgres(t, w.open(use), address)
		if e.Series[`{__name__="pg_up"}`] != 0 || !logs(w, "password authentication failed") || strings.Contains(w.log.String(), "wr0ng") {
			t.Errorf("a wrong password: pg_up is %v, the log\n%s", e.Series[`{__name__="pg_up"}`], w.log)
		}

		if of(Use{}).Runtime == manifest.RuntimeNative {
			return // nothing holds a program to its grant
		}
		use.Grant.Net = []string{"example.org:5432"}
		_, _, err := w.open(use).Collect(t.Context(), address)
		var call *CallError
		if !errors.As(err, &call) || call.Code != abi.CodeDenied || !strings.Contains(call.Message, `add "`+address+`" to net of the plugin's grant`) {
			t.Errorf("an address that is not granted: %v", err)
		}
	})
}

// TestPostgresGoesAndComesBack has the server killed, started again, and a process of it stopped in the middle of all.
func TestPostgresGoesAndComesBack(t *testing.T) {
	s := pgtest.Start(t, "")
	inBothForms(t, installPostgres(t), "../../exporters/postgres", "hearth/postgres", func(t *testing.T, w world, of func(Use) Use) {
		c := w.open(of(Use{Grant: Grant{Net: []string{manifest.Target, "127.0.0.1:*"}}}))
		up := func(want float64) {
			t.Helper()
			if got := scrapePostgres(t, c, s.Address).Series[`{__name__="pg_up"}`]; got != want {
				t.Errorf("pg_up is %v, want %v; the log\n%s", got, want, w.log)
			}
		}
		up(1)
		s.Kill()
		up(0)
		up(0)
		s.Run()
		up(1)

		pid, err := strconv.Atoi(s.Text("postgres", "SELECT pid FROM pg_stat_activity WHERE application_name = 'hearth'"))
		if err != nil || pid < 2 {
			t.Fatal(pid, err)
		}
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		defer syscall.Kill(pid, syscall.SIGCONT)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		body, _, err := c.Collect(ctx, s.Address)
		if err != nil || !strings.Contains(string(body), "\npg_up 0\n") {
			t.Errorf("a server that hangs: %v\n%s", err, body)
		}
		up(1)

		// A server that takes connections and says nothing, more often than there are sockets.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for i := range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			body, _, err := c.Collect(ctx, l.Addr().String())
			cancel()
			if err != nil || !strings.Contains(string(body), "\npg_up 0\n") {
				t.Fatalf("a server that says nothing, scrape %d: %v\n%s", i, err, body)
			}
		}
		up(1)
	})
}
