package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
)

func TestPrometheusFileIsTakenAsItIs(t *testing.T) {
	node := nodeExporter(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	yml := fmt.Sprintf(`# a file as people have it
global:
  scrape_interval: 1s
  external_labels: {site: here}

rule_files: [rules.yml]

alerting:
  alertmanagers:
  - static_configs: [{targets: ["127.0.0.1:9093"]}]

scrape_configs:
- job_name: node
  relabel_configs:
  - source_labels: [__address__]
    regex: '(.*):\d+'
    target_label: host
    replacement: $1
  metric_relabel_configs:
  - {source_labels: [__name__], regex: 'go_.*', action: drop}
  static_configs:
  - targets: [%q]
    labels: {rack: r1}
- job_name: pods
  kubernetes_sd_configs: [{role: pod}]
`, node)
	rules := "groups:\n- name: g\n  interval: 1s\n  rules:\n  - record: job:up:sum\n    expr: sum by (job) (up)\n"
	for name, text := range map[string]string{"prometheus.yml": yml, "rules.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := serve(t, "")
	h.kill()
	h.config = file
	h.again(t)
	eventually(t, 20*time.Second, "the recording rule over the scraped target", func() error {
		if n, err := h.value(`job:up:sum{job="node"}`); err != nil || n != 1 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
	v, err := h.vector(`up`)
	if err != nil || len(v) != 1 {
		t.Fatalf("up: %v, %v", v, err)
	}
	want := model.Metric{"__name__": "up", "job": "node", "instance": model.LabelValue(node), "rack": "r1", "host": "127.0.0.1"}
	if !v[0].Metric.Equal(want) {
		t.Errorf("up has the labels %v, want %v", v[0].Metric, want)
	}
	if v, err := h.vector(`{__name__=~"go_.*"}`); err != nil || len(v) != 0 {
		t.Errorf("metric_relabel_configs left %d series, %v", len(v), err)
	}
	for _, want := range []string{"prometheus.yml:25", "kubernetes_sd_configs", "prometheus.yml:8", "alerting"} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("the log does not mention %q:\n%s", want, h.log.String())
		}
	}
}

func TestNoFileMonitorsItself(t *testing.T) {
	dir := t.TempDir()
	addr := freeAddr(t)
	cmd := start(t, "/bin/sh", "-c", fmt.Sprintf("cd %s && exec %s --listen %s --data %s", dir, filepath.Join(root, "bin", "hearth"), addr, filepath.Join(dir, "data")))
	_ = cmd
	eventually(t, 30*time.Second, "hearth without a file to answer", func() error {
		out, err := exec.Command(filepath.Join(root, "bin", "hearth"), "query", "instant", "--server", "http://"+addr, "up").CombinedOutput()
		if err != nil || !strings.Contains(string(out), `job="hearth"`) || !strings.Contains(string(out), "=> 1 @") {
			return fmt.Errorf("%v %s", err, out)
		}
		return nil
	})
}

func TestShippedConfigurationWorksOutOfTheBox(t *testing.T) {
	shipped, err := os.ReadFile(filepath.Join(root, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	// The port is the one thing changed: another hearth may be running here.
	h := serve(t, strings.ReplaceAll(string(shipped), "localhost:9090", "{self}"))
	eventually(t, 60*time.Second, "hearth itself and this host", func() error {
		if n, err := h.value(`count(up == 1)`); err != nil || n != 2 {
			return fmt.Errorf("%v up, %v", n, err)
		}
		_, err := h.value(`count(node_cpu_seconds_total)`)
		return err
	})
}

func TestCommandLine(t *testing.T) {
	bin := filepath.Join(root, "bin", "hearth")
	h := serve(t, quietConfig)
	eventually(t, 10*time.Second, "a sample", func() error { _, err := h.value("up"); return err })
	elsewhere, cache := t.TempDir(), t.TempDir()
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"version", []string{"version"}, "hearth, version"},
		{"instant query", []string{"query", "instant", "--server", h.url, "count(up)"}, "{} => 1 @"},
		{"instant query as JSON", []string{"query", "instant", "-o", "json", "--server", h.url, "count(up)"}, `"resultType":"vector"`},
		{"range query", []string{"query", "range", "--server", h.url, "--start", "10s", "--step", "1s", "up"}, `up{instance="` + h.listen},
		{"check config", []string{"check", "config", h.config}, `job_name = 'hearth'`},
		{"exporter plugin", []string{"plugin", "run", "hearth/node", "--grant-files", "/proc,/sys"}, "node_load1 "},
	} {
		cmd := exec.Command(bin, tt.args...)
		cmd.Dir = elsewhere
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(strings.ReplaceAll(string(out), `"hearth"`, `'hearth'`), tt.want) {
			t.Errorf("%s: %v, want %q in\n%s", tt.name, err, tt.want, tail(string(out), 1500))
		}
	}
	if left, err := os.ReadDir(elsewhere); err != nil || len(left) > 0 {
		t.Errorf("the commands left %v in the working directory, %v", left, err)
	}
	if code, body := h.get(t, "/metrics"); code != http.StatusOK || !strings.Contains(body, "hearth_") {
		t.Errorf("/metrics: %d", code)
	}
}
