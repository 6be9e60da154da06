package host

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/plugin"
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
	installed := filepath.Join(dir, "plugins", "test", "tiny")
	if err := os.CopyFS(installed, os.DirFS("../plugin/testdata/tiny")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("wat2wasm", "-o", filepath.Join(installed, "tiny.wasm"), filepath.Join(installed, "tiny.wat")).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm: %v; it is in the packages of .ci/packages, which make deps installs\n%s", err, out)
	}
	version := func(old, new string) {
		t.Helper()
		file := filepath.Join(installed, manifest.FileName)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := manifest.Seal(installed); err != nil {
			t.Fatal(err)
		}
	}
	version("1.0.0", "1.0.0")
	load := func() (*config.Config, error) {
		cfg := config.Default()
		cfg.Server.Listen, cfg.Storage.Path, cfg.Plugins.Dir = "127.0.0.1:0", filepath.Join(dir, "data"), filepath.Join(dir, "plugins")
		cfg.ScrapeConfigs, cfg.RuleFiles = nil, nil
		return cfg, nil
	}
	h, err := New(t.Context(), Options{Load: load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	c, err := h.plugins.Open(t.Context(), plugin.Use{ID: "test/tiny"})
	if err != nil {
		t.Fatal(err)
	}
	running := func() string { return h.plugins.List()[0].Running }
	if version("1.0.0", "1.1.0"); running() != "1.0.0" {
		t.Errorf("before the reload: %+v", h.plugins.List())
	}
	if err := h.Reload(t.Context()); err != nil || running() != "" {
		t.Errorf("after the reload: %v, %+v", err, h.plugins.List())
	}
	if body, _, err := c.Collect(t.Context(), ""); err != nil || len(body) == 0 {
		t.Errorf("it answers %q, %v", body, err)
	}
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
