package scrape

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig() *config.Scrape {
	cfg := *config.Default().ScrapeConfigs[0]
	cfg.JobName = "j"
	cfg.StaticConfigs = nil
	cfg.ScrapeInterval = config.Duration(15 * time.Second)
	cfg.ScrapeTimeout = config.Duration(5 * time.Second)
	return &cfg
}

// exposed is a target behind a real HTTP server, the loop that scrapes it, and what has been stored.
type exposed struct {
	t       *testing.T
	store   *memory
	reg     *prometheus.Registry
	manager *Manager
	loop    *loop
	server  *httptest.Server

	mu       sync.Mutex
	handler  http.HandlerFunc
	requests []*http.Request
}

// expose starts a target; change, which may be nil, alters the job. The series carry job="j", instance="i".
func expose(t *testing.T, change func(*config.Scrape)) *exposed {
	t.Helper()
	e := &exposed{t: t, store: newMemory(), reg: prometheus.NewRegistry()}
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		h := e.handler
		e.requests = append(e.requests, r)
		e.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(e.server.Close)
	e.manager = NewManager(Options{Storage: e.store, UserAgent: "hearth/test", Registerer: e.reg})
	cfg := testConfig()
	if change != nil {
		change(cfg)
	}
	e.configure(cfg, nil)
	return e
}

// configure makes the loop anew, as a reload does.
func (e *exposed) configure(cfg *config.Scrape, before *loop) {
	e.t.Helper()
	j, err := e.manager.newJob(e.t.Context(), cfg, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = j.source.close() })
	b := labels.NewBuilder(labels.EmptyLabels())
	d := j.discoveredLabels(b, labels.FromStrings("__address__", strings.TrimPrefix(e.server.URL, "http://"), "instance", "i"), labels.EmptyLabels())
	target, err := j.newTarget(b, d)
	if err != nil {
		e.t.Fatal(err)
	}
	e.loop = e.manager.newLoop(j, target, 0, before)
	if before != nil {
		e.loop.inherited = before.leave()
	}
}

// answer makes the target answer so from now on.
func (e *exposed) answer(h http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.handler = h
}

const (
	contentText = "text/plain; version=0.0.4"
	contentOM   = "application/openmetrics-text; version=1.0.0"
)

// say makes the target answer with a body; one that ends with # EOF is OpenMetrics.
func (e *exposed) say(body string) {
	contentType := contentText
	if strings.HasSuffix(body, "# EOF\n") {
		contentType = contentOM
	}
	e.answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
	})
}

// scrape scrapes; the samples have the time t, in milliseconds. It returns the error shown to the user.
func (e *exposed) scrape(t int64) string {
	e.loop.scrape(context.Background(), time.UnixMilli(t))
	return e.loop.targetStatus().LastError
}

// counted returns the value of one of the manager's metrics, by its name and the value of its label if it has one.
func (e *exposed) counted(name, label string) float64 {
	e.t.Helper()
	all, err := e.reg.Gather()
	if err != nil {
		e.t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	e.t.Fatalf("there is no metric %s of %q", name, label)
	return 0
}

func TestTheRequestSaysWhatAndWho(t *testing.T) {
	e := expose(t, func(c *config.Scrape) {
		c.MetricsPath = "/probe"
		c.Params = map[string][]string{"module": {"http", "icmp"}}
	})
	e.say("a 1\n")
	if err := e.scrape(1000); err != "" {
		t.Fatal(err)
	}
	r := e.requests[0]
	for header, want := range map[string]string{
		"Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=0.0.1;q=0.6," +
			"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
		"Accept-Encoding":                     "zstd, gzip",
		"User-Agent":                          "hearth/test",
		"X-Prometheus-Scrape-Timeout-Seconds": "5",
	} {
		if got := r.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if got := r.URL.String(); r.Method != http.MethodGet || got != "/probe?module=http&module=icmp" {
		t.Errorf("%s %s", r.Method, got)
	}
}

func TestTargetLabels(t *testing.T) {
	for _, tt := range []struct {
		name       string
		own, group labels.Labels
		change     func(*config.Scrape)
		want       string // labels; empty if dropped
		url        string
		err        string
	}{
		{name: "job and instance are set", own: labels.FromStrings("__address__", "h:1"),
			want: `{instance="h:1", job="j"}`, url: "http://h:1/metrics"},
		{name: "the target's own labels win over the group's", own: labels.FromStrings("__address__", "h:1", "a", "own"),
			group: labels.FromStrings("a", "group", "b", "group"),
			want:  `{a="own", b="group", instance="h:1", job="j"}`, url: "http://h:1/metrics"},
		{name: "a label job of a target wins over the job's name", own: labels.FromStrings("__address__", "h:1", "job", "own"),
			want: `{instance="h:1", job="own"}`, url: "http://h:1/metrics"},
		{name: "no port is added", own: labels.FromStrings("__address__", "h"), want: `{instance="h", job="j"}`, url: "http://h/metrics"},
		{name: "relabelling may say what to ask", own: labels.FromStrings("__address__", "prober:9115", "__meta_x", "example.org"),
			change: func(c *config.Scrape) {
				c.Params = map[string][]string{"module": {"http", "second"}}
				c.RelabelConfigs = []*config.Relabel{
					{SourceLabels: []string{"__meta_x"}, TargetLabel: "__param_target"},
					{SourceLabels: []string{"__param_target"}, TargetLabel: "instance"},
					{TargetLabel: "__param_module", Replacement: new("icmp")},
					{TargetLabel: "__scheme__", Replacement: new("https")},
					{TargetLabel: "__metrics_path__", Replacement: new("/probe")},
				}
			},
			want: `{instance="example.org", job="j"}`, url: "https://prober:9115/probe?module=icmp&module=second&target=example.org"},
		{name: "labels with __ do not stay", own: labels.FromStrings("__address__", "h:1", "__meta_a", "1", "__tmp", "2"),
			want: `{instance="h:1", job="j"}`, url: "http://h:1/metrics"},
		{name: "relabelling drops", own: labels.FromStrings("__address__", "h:1"),
			change: func(c *config.Scrape) {
				c.RelabelConfigs = []*config.Relabel{{SourceLabels: []string{"__address__"}, Regex: new("h:.*"), Action: "drop"}}
			}},
		{name: "a target without an address is refused", own: labels.FromStrings("a", "b"), err: "no __address__"},
		{name: "a path in the address is refused", own: labels.FromStrings("__address__", "h:1/metrics"), err: "metrics_path"},
		{name: "a bad interval is refused", own: labels.FromStrings("__address__", "h:1", "__scrape_interval__", "soon"), err: "__scrape_interval__"},
		{name: "an interval of 0 is refused", own: labels.FromStrings("__address__", "h:1", "__scrape_interval__", "0s"), err: "must not be 0"},
		{name: "a timeout longer than the interval is refused", own: labels.FromStrings("__address__", "h:1", "__scrape_timeout__", "1m"), err: "longer than"},
		{name: "a value that is not UTF-8 is refused", own: labels.FromStrings("__address__", "h:1", "a", "\xff"), err: "UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig()
			if tt.change != nil {
				tt.change(cfg)
			}
			j, err := NewManager(Options{}).newJob(t.Context(), cfg, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := labels.NewBuilder(labels.EmptyLabels())
			got, err := j.newTarget(b, j.discoveredLabels(b, tt.own, tt.group))
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one with %q", err, tt.err)
				}
			case err != nil:
				t.Error(err)
			case tt.want == "":
				if got != nil {
					t.Errorf("kept as %s", got.public)
				}
			case got == nil:
				t.Error("dropped")
			case got.public.String() != tt.want || got.url != tt.url:
				t.Errorf("%s at %s, want %s at %s", got.public, got.url, tt.want, tt.url)
			}
		})
	}
}

func TestAnIntervalOfItsOwnComesFromLabels(t *testing.T) {
	j, err := NewManager(Options{}).newJob(t.Context(), testConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	d := j.discoveredLabels(b, labels.FromStrings("__address__", "h:1", "__scrape_interval__", "1m", "__scrape_timeout__", "30s"), labels.EmptyLabels())
	got, err := j.newTarget(b, d)
	if err != nil {
		t.Fatal(err)
	}
	if got.interval != time.Minute || got.timeout != 30*time.Second {
		t.Errorf("every %s for %s", got.interval, got.timeout)
	}
}
