package expose

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/plugin"
)

// collect is an exporter.
type collect func(ctx context.Context, target string) (string, error)

func (f collect) Collect(ctx context.Context, target string) ([]byte, string, error) {
	body, err := f(ctx, target)
	return []byte(body), "text/plain; version=0.0.4", err
}

func get(h http.Handler, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, url, nil)
	if len(header) > 0 {
		r.Header.Set(header[0], header[1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "hearth_plugin_memory_bytes"}))
	h := New(Options{ID: "acme/<room>", Target: "db:1", Gatherer: registry, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Collector: collect(func(_ context.Context, target string) (string, error) {
			switch target {
			case "bad:1":
				return "", errors.New("no such thing")
			case "later:1":
				return "", &plugin.CallError{Plugin: "acme/room", Operation: "collect", Message: "not now"}
			}
			return "target " + target, nil
		})})
	for _, tt := range []struct {
		name, url string
		status    int
		want      string
	}{
		{"the target", "/metrics", 200, "target db:1"},
		{"another target", "/metrics?target=x:2", 200, "target x:2"},
		{"a probe", "/probe?target=x:2", 200, "target x:2"},
		{"a probe of nothing", "/probe", 400, "/probe needs a target"},
		{"an error", "/probe?target=bad:1", 500, "no such thing"},
		{"an error of the plugin's", "/probe?target=later:1", 500, "plugin acme/room: collect: not now"},
		{"life", "/-/healthy", 200, "OK"},
		{"the plugin's cost", "/plugin/metrics", 200, "hearth_plugin_memory_bytes 0"},
		{"the page", "/", 200, "acme/&lt;room&gt;"},
		{"nothing", "/other", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := get(h, tt.url)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	if !strings.Contains(log.String(), `target=bad:1 err="no such thing"`) {
		t.Errorf("the log is %s", &log)
	}
}

func TestAScrapeHasTheTimeItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for header, want := range map[string]time.Duration{"": 3 * time.Second, "5": 4500 * time.Millisecond, "0.2": 100 * time.Millisecond, "NaN": 3 * time.Second, "-1": 3 * time.Second, "1e9": 3 * time.Second} {
			var got time.Duration
			h := New(Options{Timeout: 3 * time.Second, Logger: slog.New(slog.DiscardHandler), Gatherer: prometheus.NewRegistry(),
				Collector: collect(func(ctx context.Context, _ string) (string, error) {
					end, _ := ctx.Deadline()
					got = time.Until(end)
					return "", nil
				})})
			if get(h, "/metrics", "X-Prometheus-Scrape-Timeout-Seconds", header); got != want {
				t.Errorf("%q: %v, want %v", header, got, want)
			}
		}
	})
}

func TestAScraperThatGoesEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Gatherer: prometheus.NewRegistry(),
			Collector: collect(func(ctx context.Context, _ string) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			})})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Second)
			cancel()
		}()
		start := time.Now()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
		if d := time.Since(start); d != time.Second || log.Len() > 0 {
			t.Errorf("after %v, log %s", d, &log)
		}
	})
}
