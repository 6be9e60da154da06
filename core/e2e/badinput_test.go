package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBadTargetsCostOnlyThemselves(t *testing.T) {
	hang := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "good 1") })
	mux.HandleFunc("/malformed", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "fine 1\nthis is {not metrics") })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		line := []byte(strings.Repeat("huge{a=\"b\"} 1\n", 1<<12))
		for range 200 << 20 / len(line) {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/secret", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(hang) })

	config := `
[global]
scrape_interval = "1s"
scrape_timeout = "900ms"
`
	for _, path := range []string{"good", "malformed", "hang", "huge", "secret"} {
		config += fmt.Sprintf(`
[[scrape_configs]]
job_name = %q
metrics_path = "/%s"
body_size_limit = "10MB"
static_configs = [{ targets = [%q] }]
`, path, path, strings.TrimPrefix(srv.URL, "http://"))
	}
	h := serve(t, config)
	eventually(t, 20*time.Second, "every target scraped", func() error {
		if n, err := h.value(`count(up)`); err != nil || n != 5 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
	time.Sleep(3 * time.Second)
	if up, err := h.value(`sum by (job) (up) == 1`); err != nil || up != 1 {
		t.Errorf("only the good target is up: %v, %v", up, err)
	}
	targets, err := h.api.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ job, text string }{
		{"malformed", "line 2"}, {"hang", "deadline"}, {"huge", "10"}, {"secret", "401"}, {"good", ""},
	} {
		for _, target := range targets.Active {
			if target.ScrapePool != want.job {
				continue
			}
			if want.text == "" && target.LastError != "" || !strings.Contains(target.LastError, want.text) {
				t.Errorf("%s says %q, want something with %q", want.job, target.LastError, want.text)
			}
		}
	}
	if n, err := h.value(`count_over_time(good[30s])`); err != nil || n < 3 {
		t.Errorf("the good target was scraped %v times, %v", n, err)
	}
	if rss, err := h.value(`max_over_time(process_resident_memory_bytes[30s])`); err == nil && rss > 400<<20 {
		t.Errorf("resident memory rose to %.0f MiB", rss/(1<<20))
	}
}

func TestBadConfigurationLeavesTheOldOneRunning(t *testing.T) {
	h := serve(t, quietConfig)
	h.configure(t, quietConfig+"\n[query]\nlookbak_delta = \"5m\"\ntimeout = \"soon\"\n")
	code, body := h.post(t, "/-/reload")
	if code != http.StatusInternalServerError {
		t.Errorf("reload of a bad file: %d %s", code, body)
	}
	for _, want := range []string{"config.toml:11", "lookbak_delta", "lookback_delta", "config.toml:12", "soon"} {
		if !strings.Contains(body, want) {
			t.Errorf("the answer does not mention %q:\n%s", want, body)
		}
	}
	eventually(t, 10*time.Second, "scrapes to go on", func() error {
		if n, err := h.value(`count_over_time(up{job="hearth"}[3s])`); err != nil || n < 3 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
	if ok, err := h.value(`hearth_config_last_reload_successful`); err != nil || ok != 0 {
		t.Errorf("hearth_config_last_reload_successful = %v, %v", ok, err)
	}

	out, err := exec.Command(filepath.Join(root, "bin", "hearth"), "check", "config", h.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "config.toml:11") {
		t.Errorf("hearth check config: %v\n%s", err, out)
	}

	rules := filepath.Join(filepath.Dir(h.config), "bad-rules.yml")
	if err := os.WriteFile(rules, []byte("groups:\n- name: g\n  rules:\n  - {record: a, expr: sum(}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.configure(t, "rule_files = [\"bad-rules.yml\"]\n"+quietConfig)
	out, err = exec.Command(filepath.Join(root, "bin", "hearth"), "check", "config", h.config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "bad-rules.yml:4") {
		t.Errorf("hearth check config with a bad rule: %v\n%s", err, out)
	}
	if code, body := h.post(t, "/-/reload"); code != http.StatusInternalServerError || !strings.Contains(body, "bad-rules.yml:4") {
		t.Errorf("reload with a bad rule: %d %s", code, body)
	}

	h.configure(t, strings.Replace(quietConfig, `job_name = "hearth"`, `job_name = "renamed"`, 1))
	h.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, 10*time.Second, "the new job after SIGHUP", func() error {
		_, err := h.value(`up{job="renamed"}`)
		return err
	})
}

func TestBadQueriesAreAnsweredNotSuffered(t *testing.T) {
	h := serve(t, quietConfig)
	for _, tt := range []struct {
		name, path string
		code       int
		text       string
	}{
		{"a parse error has its position", "/api/v1/query?query=rate(up[5m)", 400, "1:"},
		{"a type error says what was expected", "/api/v1/query?query=rate(up)", 400, "range vector"},
		{"a step of nothing is refused", "/api/v1/query_range?query=up&start=0&end=10&step=0", 400, "step"},
		{"too many points are refused", "/api/v1/query_range?query=up&start=0&end=1000000&step=1", 400, "11,000"},
		{"an end before the start is refused", "/api/v1/query_range?query=up&start=10&end=0&step=1", 400, "end"},
		{"an unknown path is a plain 404", "/api/v1/nothing", 404, ""},
	} {
		code, body := h.get(t, tt.path)
		if code != tt.code || !strings.Contains(body, tt.text) {
			t.Errorf("%s: %d %s", tt.name, code, body)
		}
	}
	if n, err := h.value("1 + 1"); err != nil || n != 2 {
		t.Errorf("1 + 1 = %v, %v", n, err)
	}
}

// withBadPlugin returns a folder of plugins: those that were built, and the bad one.
func withBadPlugin(t *testing.T) string {
	t.Helper()
	plugins := filepath.Join(t.TempDir(), "plugins")
	if err := os.CopyFS(plugins, os.DirFS(filepath.Join(root, "bin", "plugins"))); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(plugins, "test", "bad")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", filepath.Join(dir, "bad.wasm"), "./testdata/badplugin")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifest, err := os.ReadFile("testdata/badplugin/hearth-plugin.toml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hearth-plugin.toml"), manifest, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "run", "../../sdk/manifest/cmd/seal", dir).CombinedOutput(); err != nil {
		t.Fatalf("seal: %v\n%s", err, out)
	}
	return plugins
}

func TestPluginsThatMisbehaveCostOnlyThemselves(t *testing.T) {
	plugins := withBadPlugin(t)
	config := fmt.Sprintf("[plugins]\ndir = %q\n", plugins) + quietConfig
	for _, how := range []string{"loop", "trap", "memory", "exit", "file", "fine"} {
		config += fmt.Sprintf(`
[[scrape_configs]]
job_name = %[1]q
scrape_interval = "2s"
scrape_timeout = "2s"
plugin = "test/bad"
static_configs = [{ targets = [%[1]q] }]
`, how)
	}
	h := serve(t, config)
	eventually(t, 30*time.Second, "the good target of the bad plugin", func() error {
		_, err := h.value(`fine_total{job="fine"}`)
		return err
	})
	time.Sleep(8 * time.Second)
	for _, tt := range []struct{ job, text string }{
		{"loop", "deadline"}, {"trap", "panic"}, {"memory", "memory"}, {"exit", "exit"}, {"file", "denied"},
	} {
		if up, err := h.value(fmt.Sprintf(`up{job=%q}`, tt.job)); err != nil || up != 0 {
			t.Errorf("%s: up is %v, %v", tt.job, up, err)
		}
		targets, err := h.api.Targets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets.Active {
			if target.ScrapePool == tt.job && !strings.Contains(target.LastError, tt.text) {
				t.Errorf("%s says %q, want something with %q", tt.job, target.LastError, tt.text)
			}
		}
	}
	if up, err := h.value(`min_over_time(up{job="fine"}[5s])`); err != nil || up != 1 {
		t.Errorf("the good target was down meanwhile: %v, %v", up, err)
	}
	if n, err := h.value(`count_over_time(up{job="hearth"}[5s])`); err != nil || n < 8 {
		t.Errorf("hearth scraped itself %v times in 5 s, %v; want 10", n, err)
	}
}

func TestAPluginThatIsMissingAtTheStartCostsOnlyItsJob(t *testing.T) {
	plugins := filepath.Join(t.TempDir(), "plugins")
	h := serve(t, fmt.Sprintf("[plugins]\ndir = %q\n", plugins)+quietConfig+`
[[scrape_configs]]
job_name = "node"
plugin = "hearth/node"
grant = { files = ["/proc", "/sys"] }
static_configs = [{ targets = ["this-host"] }]
`)
	eventually(t, 10*time.Second, "the rest to be scraped", func() error {
		if n, err := h.value(`up{job="hearth"}`); err != nil || n != 1 {
			return fmt.Errorf("%v, %v", n, err)
		}
		if n, err := h.value(`up{job="node"}`); err != nil || n != 0 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
	if _, body := h.get(t, "/api/v1/targets"); !strings.Contains(body, "opening failed: plugin hearth/node: ") {
		t.Errorf("the targets do not say why: %s", body)
	}
	if code, body := h.post(t, "/-/reload"); code != http.StatusOK { // nothing has changed: nothing to refuse
		t.Errorf("reload: %d %s", code, body)
	}
	if err := os.CopyFS(plugins, os.DirFS(filepath.Join(root, "bin", "plugins"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the plugin to be used once it is there", func() error {
		if n, err := h.value(`up{job="node"}`); err != nil || n != 1 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
}
