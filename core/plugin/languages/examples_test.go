package languages

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/plugin/check"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// The examples for other languages than Go, as their READMEs say: built by make, and run against what they measure.

var exampleExporters = []string{"exporter-c", "exporter-rust", "exporter-assemblyscript"}

// startRedis starts Debian's Redis with a password and a user, and returns its address.
func startRedis(t testing.TB, password string) string {
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
			plugins, id := installMade(t, "../../../examples/"+example)
			w := newWorld(t, plugins)
			use := plugin.Use{ID: id, Grant: plugin.Grant{Net: []string{"${target}"}, Secrets: secret("sesame\n")}}
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
				var call *plugin.CallError
				if !errors.As(err, &call) || call.Code != tt.code || !strings.Contains(call.Message, tt.text) {
					t.Errorf("%s: %v, want %s %q", tt.name, err, tt.code, tt.text)
				}
			}
			t.Run("hearth plugin check", func(t *testing.T) {
				use.Config, use.Grant.Secrets = nil, secret("sesame")
				from := filepath.Join(plugins, filepath.FromSlash(id))
				m, err := manifest.Load(from)
				if err != nil {
					t.Fatal(err)
				}
				r, err := check.Run(t.Context(), check.Options{Host: plugin.Options{Dir: plugins}, Use: use, Manifest: m, From: from, Target: address, Calls: 20})
				if err != nil || !r.Succeeded {
					t.Errorf("%v: %+v", err, r)
				}
			})
			t.Run("contract", func(t *testing.T) {
				contract(t, plugins, id, sdktest.Suite{Target: startRedis(t, "")})
			})
		})
	}
}

// zscores makes a batch of a function of range vectors: random walks, constants, gaps, NaN and infinities.
func zscores(function string, series, steps int) *abi.Batch {
	r := rand.New(rand.NewPCG(3, 4))
	b := &abi.Batch{Function: function, Start: 1_700_000_000_000, Step: 15_000, Steps: steps, Series: series, Range: 300_000, Offsets: []uint32{0}}
	for i := range series {
		v := 100.0
		for k := range int64(steps + 19) {
			if i%5 == 1 && r.IntN(3) > 0 {
				continue
			}
			switch {
			case i%5 != 2:
				v += r.NormFloat64()
			case r.IntN(40) == 0:
				v = []float64{math.NaN(), math.Inf(1), 7, 7, 7}[r.IntN(5)]
			}
			b.Times, b.Samples = append(b.Times, b.Start-b.Range+(k+1)*15_000), append(b.Samples, v)
		}
		b.Offsets = append(b.Offsets, uint32(len(b.Times)))
	}
	return b
}

func TestExampleFunctionEqualsTheOneInGo(t *testing.T) {
	plugins, id := installMade(t, "../../../examples/function-rust")
	installAnomaly(t)
	w := newWorld(t, plugins)
	rust, golang := w.open(plugin.Use{ID: id}), w.open(plugin.Use{ID: "hearth/anomaly"})
	for _, args := range [][]abi.Arg{nil, {{Numbers: []float64{1}}}, {{Numbers: []float64{19}}}, {{Numbers: []float64{math.NaN()}}}} {
		b := zscores("example_zscore", 30, 100)
		b.Args = args
		got, want := make([]float64, 3000), make([]float64, 3000)
		if err := rust.Eval(t.Context(), b, got); err != nil {
			t.Fatal(err)
		}
		b.Function = "anomaly_zscore"
		if err := golang.Eval(t.Context(), b, want); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if math.Float64bits(got[i]) != math.Float64bits(want[i]) && !(math.IsNaN(got[i]) && math.IsNaN(want[i]) && math.Float64bits(got[i]) != abi.MissingBits && math.Float64bits(want[i]) != abi.MissingBits) {
				t.Fatalf("arguments %v, cell %d: %v, in Go %v", args, i, got[i], want[i])
			}
		}
	}
	contract(t, plugins, id, sdktest.Suite{})
}

// BenchmarkExampleFunction has the numbers of core/plugin's BenchmarkFunction, and of anomaly's BenchmarkNative.
func BenchmarkExampleFunction(b *testing.B) {
	plugins, id := installMade(b, "../../../examples/function-rust")
	c := newWorld(b, plugins).open(plugin.Use{ID: id})
	batch := &abi.Batch{Function: "example_zscore", Start: 1_700_000_000_000, Step: 15_000, Steps: 241, Series: 1000, Range: 300_000, Offsets: []uint32{0}}
	for range batch.Series {
		for k := range int64(260) {
			batch.Times = append(batch.Times, batch.Start-batch.Range+(k+1)*15_000)
			batch.Samples = append(batch.Samples, rand.NormFloat64())
		}
		batch.Offsets = append(batch.Offsets, uint32(len(batch.Times)))
	}
	out := make([]float64, batch.Series*batch.Steps)
	for b.Loop() {
		if err := c.Eval(b.Context(), batch, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(out)), "ns/cell")
}

// BenchmarkExampleExporter is a scrape of a Redis on this machine, connection and login included.
func BenchmarkExampleExporter(b *testing.B) {
	address := startRedis(b, "sesame")
	for _, example := range exampleExporters {
		b.Run(example, func(b *testing.B) {
			plugins, id := installMade(b, "../../../examples/"+example)
			c := newWorld(b, plugins).open(plugin.Use{ID: id, Grant: plugin.Grant{
				Net: []string{"${target}"}, Secrets: map[string]func() (string, error){"password": func() (string, error) { return "sesame", nil }},
			}})
			for b.Loop() {
				if _, _, err := c.Collect(b.Context(), address); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
