package e2e

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// TestNativeHistogramsFromTheirSendersToAnswers scrapes a program that has a native histogram, gets another one and an
// exemplar by remote write 2.0, is killed, and answers questions about both.
func TestNativeHistogramsFromTheirSendersToAnswers(t *testing.T) {
	reg := prometheus.NewRegistry()
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "app_seconds", NativeHistogramBucketFactor: 1.1})
	reg.MustRegister(seconds)
	for i := range 1000 {
		seconds.Observe(float64(i+1) / 1000)
	}
	app := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	defer app.Close()
	h := serve(t, quietConfig+fmt.Sprintf(`
[[scrape_configs]]
job_name = "app"
scrape_interval = "1s"
scrape_timeout = "1s"
scrape_native_histograms = true
scrape_protocols = ["PrometheusProto", "OpenMetricsText1.0.0"]
[[scrape_configs.static_configs]]
targets = [%q]
`, strings.TrimPrefix(app.URL, "http://")))

	now := time.Now().UnixMilli()
	st := writev2.NewSymbolTable()
	pushed := &histogram.Histogram{Schema: 0, Count: 4, Sum: 10, PositiveSpans: []histogram.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []int64{2, 0}}
	req := writev2.Request{Timeseries: []writev2.TimeSeries{{
		LabelsRefs: st.SymbolizeLabels(labels.FromStrings("__name__", "pushed_seconds", "job", "batch"), nil),
		Histograms: []writev2.Histogram{writev2.FromIntHistogram(now-60_000, now, pushed)},
		Exemplars:  []writev2.Exemplar{{LabelsRefs: st.SymbolizeLabels(labels.FromStrings("trace_id", "abc"), nil), Value: 3, Timestamp: now}},
	}}}
	req.Symbols = st.Symbols()
	raw, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, h.url+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, raw)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Encoding", "snappy")
	r.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("X-Prometheus-Remote-Write-Histograms-Written"); resp.StatusCode != http.StatusNoContent || got != "1" {
		t.Fatalf("remote write: %s, %s histograms written", resp.Status, got)
	}

	ask := func() {
		t.Helper()
		for expr, want := range map[string]float64{
			`histogram_count(app_seconds)`:                                     1000,
			`histogram_sum(app_seconds)`:                                       500.5,
			`histogram_quantile(0.5, app_seconds)`:                             0.5, // within a bucket
			`histogram_count(pushed_seconds)`:                                  4,
			`histogram_fraction(0, 2, pushed_seconds)`:                         0.5,
			`count({__name__=~"(app|pushed)_seconds"})`:                        2,
			`count_over_time(pushed_seconds[5m])`:                              1,
			`histogram_sum(sum by (job) (last_over_time(pushed_seconds[5m])))`: 10,
		} {
			eventually(t, 20*time.Second, expr, func() error {
				if got, err := h.value(expr); err != nil || math.Abs(got-want) > want*0.05 {
					return fmt.Errorf("%v, %v; want %v", got, err, want)
				}
				return nil
			})
		}
		_, body := h.get(t, "/api/v1/query?query="+url.QueryEscape("pushed_seconds"))
		if want := `"histogram":[`; !strings.Contains(body, want) || !strings.Contains(body, `"buckets":[[0,"1","2","2"],[0,"2","4","2"]]`) {
			t.Errorf("the histogram itself: %s", body)
		}
		_, body = h.get(t, "/api/v1/query_exemplars?query=pushed_seconds")
		if want := `"exemplars":[{"labels":{"trace_id":"abc"},"value":"3","timestamp":` + fmt.Sprintf("%d.%03d", now/1000, now%1000); !strings.Contains(body, want[:len(want)-4]) {
			t.Errorf("exemplars: %s", body)
		}
		for _, path := range []string{"/api/v1/labels", "/api/v1/series?match[]=pushed_seconds", "/api/v1/status/tsdb"} {
			if _, body := h.get(t, path); strings.Contains(body, `\ufffd`) || strings.Contains(body, "\xff") {
				t.Errorf("%s shows what is hidden: %s", path, body)
			}
		}
	}
	ask()
	time.Sleep(1100 * time.Millisecond) // exemplars are written once a second
	h.kill()
	h.again(t)
	ask()
}
