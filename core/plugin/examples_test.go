package plugin

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// The examples for other languages than Go, as their READMEs say: built by make, and run against what they measure.

var exampleExporters = []string{"exporter-c"}

// startRedis starts Debian's Redis with a password and a user, and returns its address.
func startRedis(t *testing.T, password string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir(), "--daemonize", "no",
		"--requirepass", password, "--user", "monitor", "on", ">watching", "+info")
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: make deps installs it", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if say, err := askRedis(address, "AUTH "+password, "SET a 1", "GET a", "GET b"); err == nil && strings.Contains(say, "+OK\r\n$1\r\n1\r\n$-1") {
			return address
		} else if time.Now().After(deadline) {
			t.Fatalf("redis-server does not answer: %q, %v", say, err)
		}
	}
}

func askRedis(address string, commands ...string) (string, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(c, "%s\r\nQUIT\r\n", strings.Join(commands, "\r\n"))
	var b strings.Builder
	for p := make([]byte, 4096); ; {
		n, err := c.Read(p)
		b.Write(p[:n])
		if err != nil {
			return b.String(), nil
		}
	}
}

func TestExampleExportersMeasureRedis(t *testing.T) {
	address := startRedis(t, "sesame")
	secret := func(s string) map[string]func() (string, error) {
		return map[string]func() (string, error){"password": func() (string, error) { return s, nil }}
	}
	var first *sdktest.Exposition
	for _, example := range exampleExporters {
		t.Run(example, func(t *testing.T) {
			plugins, id := installMade(t, "../../examples/"+example)
			w := newWorld(t, plugins)
			use := Use{ID: id, Grant: Grant{Net: []string{"${target}"}, Secrets: secret("sesame\n")}}
			c := w.open(use)
			e := collectFrom(t, c, address)
			wantSeries(t, e, `{__name__="redis_db_keys", db="db0"}`, 1)
			wantSeries(t, e, `{__name__="redis_keyspace_misses_total"}`, 1)
			wantSeries(t, e, `{__name__="redis_connected_clients"}`, 1)
			if first == nil {
				first = e
			}
			if got, want := slices.Sorted(maps.Keys(e.Series)), slices.Sorted(maps.Keys(first.Series)); !slices.Equal(got, want) || len(got) < 15 || !maps.Equal(e.Types, first.Types) || !maps.Equal(e.Help, first.Help) {
				t.Errorf("it has the series %q, the first example %q", got, want)
			}
			for range 50 { // nothing is left open
				collectFrom(t, c, address)
			}

			use.Config, use.Grant.Secrets = map[string]any{"user": "monitor"}, secret("watching")
			wantSeries(t, collectFrom(t, w.open(use), address), `{__name__="redis_connected_clients"}`, 1)

			for _, tt := range []struct {
				name, address, code, text string
				secrets                   map[string]func() (string, error)
			}{
				{"a wrong password", address, abi.CodeUnauthenticated, "redis: WRONGPASS", secret("guess")},
				{"no password", address, abi.CodeUnauthenticated, "redis: NOAUTH", nil},
				{"nobody listens", "127.0.0.1:1", abi.CodeUnavailable, "dial 127.0.0.1:1: connection refused", nil},
			} {
				use.Grant.Secrets = tt.secrets
				_, _, err := w.open(use).Collect(t.Context(), tt.address)
				var call *CallError
				if !errors.As(err, &call) || call.Code != tt.code || !strings.Contains(call.Message, tt.text) {
					t.Errorf("%s: %v, want %s %q", tt.name, err, tt.code, tt.text)
				}
			}
			t.Run("contract", func(t *testing.T) {
				contract(t, plugins, id, sdktest.Suite{Target: startRedis(t, "")})
			})
		})
	}
}
