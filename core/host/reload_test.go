package host

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func TestSubqueriesTakeTheEvaluationIntervalInForce(t *testing.T) {
	interval, dir := time.Minute, t.TempDir()
	load := func() (*config.Config, error) {
		cfg := config.Default()
		cfg.Server.Listen, cfg.Storage.Path = "127.0.0.1:0", dir
		cfg.ScrapeConfigs, cfg.RuleFiles = nil, nil
		cfg.Global.EvaluationInterval = config.Duration(interval)
		return cfg, nil
	}
	h, err := New(t.Context(), Options{Load: load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, tt := range []struct {
		interval time.Duration
		steps    float64
	}{{time.Minute, 60}, {5 * time.Minute, 12}, {30 * time.Second, 120}} {
		interval = tt.interval
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		res, err := h.engine.Instant(t.Context(), h.db, "count_over_time(vector(1)[1h:])", time.Unix(1_700_000_000, 0), promql.QueryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Value.(model.Vector)[0].V; got != tt.steps {
			t.Errorf("evaluation_interval %s: a subquery has %v steps, want %v", tt.interval, got, tt.steps)
		}
	}
}

func TestAReloadOpensTheQueryLogAnew(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "queries.log")
	load := func() (*config.Config, error) {
		cfg := config.Default()
		cfg.Server.Listen, cfg.Storage.Path = "127.0.0.1:0", filepath.Join(dir, "data")
		cfg.ScrapeConfigs, cfg.RuleFiles = nil, nil
		cfg.Global.QueryLogFile = file
		return cfg, nil
	}
	h, err := New(t.Context(), Options{Load: load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ask := func() {
		if _, err := h.ruleQuery(t.Context(), "vector(1)", time.Unix(1_700_000_000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	holds := func(name string, want int) {
		t.Helper()
		text, err := os.ReadFile(name)
		if got := strings.Count(string(text), `"query":"vector(1)"`); err != nil || got != want {
			t.Errorf("%s has %d queries, want %d: %v", name, got, want, err)
		}
	}
	ask()
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	ask()
	if err := h.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask()
	holds(file+".1", 2)
	holds(file, 1)
	good := file
	file = filepath.Join(dir, "none", "queries.log")
	if err := h.Reload(t.Context()); err == nil {
		t.Error("a folder that is not there is taken")
	}
	ask()
	holds(good, 2)
}

func TestAReloadTakesNewVersionsOfPlugins(t *testing.T) {
	dir := t.TempDir()
	installed := filepath.Join(dir, "plugins", "test", "zero")
	if err := os.CopyFS(installed, os.DirFS("testdata/zero")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("wat2wasm", "-o", filepath.Join(installed, "zero.wasm"), filepath.Join(installed, "zero.wat")).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm: %v; it is in the packages of .ci/packages, which make deps installs\n%s", err, out)
	}
	install := func(version, functions string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("testdata/zero", manifest.FileName))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.Replace(string(text), "1.0.0", version, 1) + functions)
		if err := os.WriteFile(filepath.Join(installed, manifest.FileName), text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := manifest.Seal(installed); err != nil {
			t.Fatal(err)
		}
	}
	install("1.0.0", "")
	load := func() (*config.Config, error) {
		cfg := config.Default()
		cfg.Server.Listen, cfg.Storage.Path, cfg.Plugins.Dir = "127.0.0.1:0", filepath.Join(dir, "data"), filepath.Join(dir, "plugins")
		cfg.ScrapeConfigs, cfg.RuleFiles = nil, nil
		cfg.Functions = []*config.PluginUse{{Plugin: "test/zero"}}
		return cfg, nil
	}
	h, err := New(t.Context(), Options{Load: load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ask := func(function string) error {
		v, err := h.ruleQuery(t.Context(), function+"(vector(1))", time.Unix(1_700_000_000, 0))
		if err == nil && (len(v) != 1 || v[0].V != 0) {
			err = fmt.Errorf("%s is %v", function, v)
		}
		return err
	}
	running := func() string { return h.plugins.List()[0].Running }

	// All the time somebody asks, and never in vain.
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := ask("zero_one"); err != nil {
				t.Errorf("query %d: %v", n, err)
				return
			}
		}
	}()
	if err := ask("zero_two"); err == nil || !strings.Contains(err.Error(), "unknown function") {
		t.Errorf("a function of the next version: %v", err)
	}
	if install("1.1.0", "\n[[function]]\nname = \"zero_two\"\nargs = [\"vector\"]\n"); running() != "1.0.0" {
		t.Errorf("before the reload: %+v", h.plugins.List())
	}
	if err := h.Reload(t.Context()); err != nil || running() != "" {
		t.Errorf("after the reload: %v, %+v", err, h.plugins.List())
	}
	if err := ask("zero_two"); err != nil {
		t.Error(err)
	}
	install("1.2.0", "\n[[function]]\nname = \"zero_three\"\nargs = [\"vector\"]\n") // which it does not have
	if err := h.Reload(t.Context()); err != nil || running() != "1.1.0" {
		t.Errorf("after a reload with a version that is no good: %v, %+v", err, h.plugins.List())
	}
	if err := ask("zero_two"); err != nil {
		t.Error(err)
	}
	close(stop)
	<-done
}

func TestAReloadSaysWhatItLeaves(t *testing.T) {
	dir, timeout, memory := t.TempDir(), time.Minute, config.Size(1<<30)
	load := func() (*config.Config, error) {
		cfg := config.Default()
		cfg.Server.Listen, cfg.Storage.Path = "127.0.0.1:0", dir
		cfg.ScrapeConfigs, cfg.RuleFiles = nil, nil
		cfg.Query.Timeout, cfg.Query.MaxMemory = config.Duration(timeout), memory
		return cfg, nil
	}
	var said strings.Builder
	h, err := New(t.Context(), Options{Load: load, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, tt := range []struct {
		name   string
		change func()
		says   bool
	}{
		{"nothing changes", func() {}, false},
		{"the memory of queries changes", func() { memory = 1 << 29 }, false},
		{"their timeout does not", func() { timeout = time.Hour }, true},
	} {
		tt.change()
		said.Reset()
		if err := h.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if says := strings.Contains(said.String(), "setting=[query]"); says != tt.says {
			t.Errorf("%s: %s", tt.name, said.String())
		}
	}
}
