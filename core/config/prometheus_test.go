package config

import (
	"strings"
	"testing"
	"time"
)

func TestPrometheusFileIsTakenAsItIs(t *testing.T) {
	t.Setenv("SITE", "home")
	c, err := Parse([]byte(`# my global config
global:
  scrape_interval: 15s
  external_labels: {site: $SITE, gone: "${HEARTH_NOT_SET}", number: 5, money: $$1}
runtime:
  log_level: warn
alerting:
  alertmanagers:
    - static_configs: [{targets: ["am:9093"]}]
rule_files:
  - "first_rules.yml"
storage:
  tsdb:
    out_of_order_time_window: 30m
    retention: {time: 30d, size: 10GB}
remote_write:
  - url: http://x/write
scrape_configs:
  - job_name: prometheus
    scrape_timeout: 5s
    honor_timestamps: no
    static_configs:
      - targets: ["localhost:9090"]
        labels: {rack: 4, up: yes}
    basic_auth: {username: u, password: "${NOT_EXPANDED}"}
    relabel_configs:
      - {source_labels: [__address__], target_label: x, regex: "(.*)"}
  - job_name: pods
    bearer_token: abc
    scrape_native_histograms: true
    convert_classic_histograms_to_nhcb: false
    kubernetes_sd_configs: [{role: pod}]
    tls_config: {}
`), "dir/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Global.ScrapeInterval.Std() != 15*time.Second || c.Log.Level != "warn" || c.Storage.Retention.Time.Std() != 30*24*time.Hour ||
		c.Storage.Retention.Size != 10<<30 || c.Storage.OutOfOrderTimeWindow.Std() != 30*time.Minute {
		t.Errorf("not carried over: %s", c)
	}
	if got := c.Global.ExternalLabels; got["site"] != "home" || got["gone"] != "" || got["number"] != "5" || got["money"] != "$1" {
		t.Errorf("external labels are %v", got)
	}
	a, b := c.ScrapeConfigs[0], c.ScrapeConfigs[1]
	if a.HonorTimestamps || a.StaticConfigs[0].Labels["rack"] != "4" || a.StaticConfigs[0].Labels["up"] != "yes" || a.ScrapeTimeout.Std() != 5*time.Second {
		t.Errorf("job a: %+v", a)
	}
	if p, _ := a.BasicAuth.Password.Reveal(); p != "${NOT_EXPANDED}" {
		t.Errorf("Prometheus does not expand passwords, got %q", p)
	}
	if p, _ := b.Authorization.Credentials.Reveal(); p != "abc" || b.Authorization.Type != "Bearer" {
		t.Errorf("bearer_token became %+v", b.Authorization)
	}
	if !*b.ScrapeNativeHistograms || *b.ConvertClassicHistogramsToNHCB || *a.ScrapeNativeHistograms ||
		b.ScrapeProtocols[0] != "PrometheusProto" || a.ScrapeProtocols[0] != "OpenMetricsText1.0.0" {
		t.Errorf("histograms: %+v, %+v", a, b)
	}
	want := `dir/prometheus.yml:4:40: global.external_labels.gone: environment variable HEARTH_NOT_SET is not set, taken as empty
dir/prometheus.yml:7:1: alerting: hearth sends alerts to its own receivers; sending to other Alertmanagers is not possible yet
dir/prometheus.yml:16:1: remote_write: hearth does not send samples to other servers yet
dir/prometheus.yml:32:5: job "pods": kubernetes_sd_configs: this way of discovery is not built in; its targets are missing`
	if got := strings.Join(c.Warnings, "\n"); got != want {
		t.Errorf("warnings are\n%s\nwant\n%s", got, want)
	}
}

func TestPrometheusFileThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no YAML", "global: {", "1: did not find expected node content"},
		{"an unknown key", "global:\n  scrape_intervall: 15s\n", `2:3: unknown key "global.scrape_intervall"; did you mean "scrape_interval"?`},
		{"an unknown top-level key", "scrapes: []\n", `1:1: unknown key "scrapes"`},
		{"a key of hearth's own", "server: {}\n", `1:1: unknown key "server"`},
		{"a key twice", "rule_files: []\nrule_files: []\n", `2:1: key "rule_files" is already set in this table`},
		{"a list where a table belongs", "global: []\n", `1:9: global: want a table, got a list`},
		{"an empty job", "scrape_configs:\n  -\n", `2:4: scrape_configs[0]: is empty`},
		{"a job without a name", "scrape_configs: [{scheme: http}]\n", `1:18: scrape_configs[0]: needs a job_name`},
		{"a bad duration", "global: {scrape_interval: 15}\n", `1:27: global.scrape_interval: not a valid duration string: "15"`},
		{"text alone", "hello", `1:1: want a table of settings, got text`},
		{"an unknown key deep inside", "scrape_configs: [{job_name: a, tls_config: {ca_fil: x}}]\n", `1:45: unknown key "scrape_configs[0].tls_config.ca_fil"; did you mean "ca_file"?`},
		{"two ways to say who we are", "scrape_configs: [{job_name: a, bearer_token: x, basic_auth: {username: u}}]\n", `1:32: scrape_configs[0]: only one of basic_auth, authorization may be set`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.in), "p.yml")
			if err == nil || err.Error() != "p.yml:"+tt.want {
				t.Errorf("got\n%v\nwant\np.yml:%s", err, tt.want)
			}
		})
	}
}

func TestYAMLIsToldByItsContent(t *testing.T) {
	for in, want := range map[string]bool{
		"# c\nglobal:\n  x: y\n":        true,
		"---\n":                         true,
		"rule_files: [a]\n":             true,
		"[server]\nlisten = \"a: b\"\n": false,
		"rule_files = [\"a: b\"]\n":     false,
		"":                              false,
	} {
		if got := isYAML([]byte(in), "conf"); got != want {
			t.Errorf("isYAML(%q) = %v", in, got)
		}
	}
}

func TestAliasesDoNotBlowUp(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 10; i++ {
		p := string(rune('0' + i - 1))
		b.WriteString("a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat("*a"+p+", ", 9) + "*a" + p + "]\n")
	}
	_, err := Parse([]byte(b.String()), "p.yml")
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
}
