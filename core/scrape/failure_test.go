package scrape

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/hearth-project/hearth/core/config"
)

func failing(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// encoded answers with a body that is compressed already.
func encoded(encoding string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentText)
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write(body)
	}
}

func gzipped(t testing.TB, body string) []byte {
	t.Helper()
	return gzippedBody(body)
}

func gzippedBody(body string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(body)) // to memory
	_ = w.Close()
	return b.Bytes()
}

func zstded(t testing.TB, body string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(body), nil)
}

func TestFailures(t *testing.T) {
	long := strings.Repeat("x", 30)
	typed := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			_, _ = w.Write([]byte(body))
		}
	}
	big := strings.Repeat("big_metric_name{label=\"value\"} 1\n", 4000)
	for _, tt := range []struct {
		name   string
		change func(*config.Scrape)
		answer http.HandlerFunc
		reason string
		want   []string // in the message
	}{
		{name: "an answer that is not 200", answer: failing, reason: failStatus, want: []string{"500 Internal Server Error"}},
		{name: "a refusal points to the credentials", answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
			reason: failStatus, want: []string{"401", "basic_auth"}},
		{name: "a wrong path points to metrics_path", answer: http.NotFound, reason: failStatus, want: []string{"404", "metrics_path"}},
		{name: "a redirect that is not followed", change: func(c *config.Scrape) { c.FollowRedirects = false },
			answer: http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP, reason: failStatus, want: []string{"302", "follow_redirects"}},
		{name: "a target that does not answer in time",
			change: func(c *config.Scrape) { c.ScrapeTimeout = config.Duration(50 * time.Millisecond) },
			answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			reason: failTimeout, want: []string{"scrape_timeout of 50ms", "deadline"}},
		{name: "a body that stops in the middle",
			change: func(c *config.Scrape) { c.ScrapeTimeout = config.Duration(50 * time.Millisecond) },
			answer: func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", contentText)
				_, _ = w.Write([]byte("a 1\n"))
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			},
			reason: failTimeout, want: []string{"scrape_timeout of 50ms"}},
		{name: "a connection that breaks off", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("a 1\n"))
		}, reason: failConnect, want: []string{"EOF"}},
		{name: "no Content-Type", answer: typed("", "a 1\n"), reason: failContentType, want: []string{"Content-Type", "fallback_scrape_protocol"}},
		{name: "a web page", answer: typed("text/html", "<html>"), reason: failContentType, want: []string{"text/html", "fallback_scrape_protocol"}},
		{name: "not an exposition", answer: typed(contentText, "fine 1\nthis is {not metrics"), reason: failParse, want: []string{"Prometheus text", "line 2"}},
		{name: "OpenMetrics that was cut", answer: typed(contentOM, "a 1\n"), reason: failParse, want: []string{"OpenMetrics", "# EOF"}},
		{name: "gzip that is not", answer: encoded("gzip", []byte("a 1\n")), reason: failEncoding, want: []string{"gzip"}},
		{name: "gzip that was damaged", answer: encoded("gzip", gzipped(t, big)[:200]), reason: failEncoding, want: []string{"EOF"}},
		{name: "an encoding that was not asked for", answer: encoded("br", []byte("?")), reason: failEncoding, want: []string{`"br"`, "not asked for"}},
		{name: "a body beyond body_size_limit", change: func(c *config.Scrape) { c.BodySizeLimit = 1 << 10 },
			answer: typed(contentText, big), reason: failBodySize, want: []string{"body_size_limit", "1KiB"}},
		{name: "a body that is beyond it unpacked", change: func(c *config.Scrape) { c.BodySizeLimit = 10 << 10 },
			answer: encoded("gzip", gzipped(t, big)), reason: failBodySize, want: []string{"body_size_limit", "10KiB"}},
		{name: "zstd, too", change: func(c *config.Scrape) { c.BodySizeLimit = 10 << 10 },
			answer: encoded("zstd", zstded(t, big)), reason: failBodySize, want: []string{"body_size_limit", "10KiB"}},
		{name: "more samples than sample_limit", change: func(c *config.Scrape) { c.SampleLimit = 2 },
			answer: typed(contentText, "a 1\nb 1\nc 1\nd 1\n"), reason: failSampleLimit, want: []string{"sample_limit exceeded", "4 samples", "limit is 2"}},
		{name: "a sample with a timestamp counts for it", change: func(c *config.Scrape) { c.SampleLimit = 2 },
			answer: typed(contentText, "a 1 1\nb 1 1\nc 1 1\n"), reason: failSampleLimit, want: []string{"3 samples"}},
		{name: "more labels than label_limit", change: func(c *config.Scrape) { c.LabelLimit = 4 },
			answer: typed(contentText, "a{x=\"1\",y=\"2\"} 1\n"), reason: failLabelLimit, want: []string{"label_limit exceeded", "a has 5 labels", "limit is 4"}},
		{name: "a label name longer than its limit", change: func(c *config.Scrape) { c.LabelNameLengthLimit = 20 },
			answer: typed(contentText, "a{"+long+"=\"1\"} 1\n"), reason: failLabelLimit, want: []string{"label_name_length_limit exceeded", "30 bytes", "limit is 20"}},
		{name: "a label value longer than its limit", change: func(c *config.Scrape) { c.LabelValueLengthLimit = 20 },
			answer: typed(contentText, "a{x=\""+long+"\"} 1\n"), reason: failLabelLimit, want: []string{"label_value_length_limit exceeded", "30 bytes", "limit is 20", "x of a"}},
		{name: "a label twice", answer: typed(contentText, "a{x=\"1\",x=\"2\"} 1\n"), reason: failLabels, want: []string{"a has the label x twice"}},
		{name: "a value longer than labels can hold", answer: typed(contentText, "a{x=\""+strings.Repeat("x", 17<<20)+"\"} 1\n"),
			reason: failParse, want: []string{"line 1", "the name and the labels of a series"}},
		{name: "a value that relabelling makes so long", change: func(c *config.Scrape) {
			c.MetricRelabelConfigs = []*config.Relabel{{SourceLabels: []string{"x"}, Regex: new("(.*)"), TargetLabel: "y", Replacement: new("$1$1$1")}}
		}, answer: typed(contentText, "a{x=\""+strings.Repeat("x", 7<<20)+"\"} 1\n"), reason: failLabels, want: []string{"22020097 bytes after metric_relabel_configs", ": y"}},
		{name: "a series without a name", change: func(c *config.Scrape) {
			c.MetricRelabelConfigs = []*config.Relabel{{Regex: new("__name__"), Action: "labeldrop"}}
		}, answer: typed(contentText, "a 1\n"), reason: failLabels, want: []string{"no metric name", "metric_relabel_configs"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, tt.change)
			e.say("a 1\nb 1\n")
			cfgTimeout := e.loop.target.timeout
			e.loop.target.timeout = 5 * time.Second
			if err := e.scrape(1000); err != "" && tt.reason != failLabels {
				t.Fatal(err)
			}
			e.loop.target.timeout = cfgTimeout
			failedBefore := e.counted("hearth_scrape_failures_total", tt.reason)
			e.answer(tt.answer)
			got := e.scrape(2000)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q does not mention %q", got, want)
				}
			}
			if n := e.counted("hearth_scrape_failures_total", tt.reason) - failedBefore; n != 1 {
				t.Errorf("%v failures counted as %s", n, tt.reason)
			}
			if up := e.store.value(`{__name__="up", instance="i", job="j"}`, 2000); up != "0" {
				t.Errorf("up is %s", up)
			}
			if h := e.loop.targetStatus().Health; h != HealthDown {
				t.Errorf("health is %s", h)
			}
			for _, s := range e.store.at(2000, false) {
				if !strings.HasSuffix(s, " stale") {
					t.Errorf("stored %s", s)
				}
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	e := expose(t, nil)
	e.server.Close()
	if err := e.scrape(1000); !strings.Contains(err, "refused") {
		t.Errorf("error %q", err)
	}
	if got := e.counted("hearth_scrape_failures_total", failConnect); got != 1 {
		t.Errorf("%v counted", got)
	}
}

func TestBodiesWithinTheirLimits(t *testing.T) {
	body := strings.Repeat("# a comment to make it longer\n", 3000) + "a 1\n"
	for _, tt := range []struct {
		name   string
		change func(*config.Scrape)
		answer http.HandlerFunc
	}{
		{"plain", nil, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentText)
			_, _ = w.Write([]byte(body))
		}},
		{"gzip", nil, encoded("gzip", gzipped(t, body))},
		{"gzip in two members", nil, encoded("gzip", append(gzipped(t, body), gzipped(t, "b 1\n")...))},
		{"zstd", nil, encoded("zstd", zstded(t, body))},
		{"exactly body_size_limit", func(c *config.Scrape) { c.BodySizeLimit = config.Size(len(body)) }, encoded("gzip", gzipped(t, body))},
		{"exactly sample_limit", func(c *config.Scrape) { c.SampleLimit = 2 }, encoded("gzip", gzipped(t, "a 1\nb 1\n"))},
		{"the fallback protocol", func(c *config.Scrape) { c.FallbackScrapeProtocol = "PrometheusText0.0.4" }, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = w.Write([]byte("a 1\n"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, tt.change)
			e.answer(tt.answer)
			for i := range int64(3) { // readers are used again
				if err := e.scrape(1000 * (i + 1)); err != "" {
					t.Fatal(err)
				}
				if got := e.store.value(`{__name__="a", instance="i", job="j"}`, 1000*(i+1)); got != "1" {
					t.Errorf("a is %s", got)
				}
			}
		})
	}
}

func TestAHugeBodyIsGivenUpAtTheDefaultLimit(t *testing.T) {
	e := expose(t, nil)
	var zeros bytes.Buffer // 200 MB that are some kilobytes on the wire
	w := gzip.NewWriter(&zeros)
	chunk := []byte(strings.Repeat("# nothing at all\n", 1<<12))
	for range 200 << 20 / len(chunk) {
		_, _ = w.Write(chunk)
	}
	_ = w.Close()
	e.answer(encoded("gzip", zeros.Bytes()))
	if err := e.scrape(1000); !strings.Contains(err, "64MiB") || !strings.Contains(err, "body_size_limit") {
		t.Error(err)
	}
	s := e.manager.scratch.Get().(*scratch)
	if cap(s.body) > defaultBodyLimit+1024 {
		t.Errorf("it took %d bytes of memory", cap(s.body))
	}
}
