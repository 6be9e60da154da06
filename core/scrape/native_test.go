package scrape

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/hearth-project/hearth/core/config"
)

// instrumented is a target as client_golang makes it, with classic, native and both kinds of histograms.
func instrumented(e *exposed) (page http.Handler, native *prometheus.HistogramVec) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "requests_total"})
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "classic_seconds", Buckets: []float64{1, 2}})
	both := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "both_seconds", Buckets: []float64{1, 2}, NativeHistogramBucketFactor: 1.1})
	native = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "native_seconds", NativeHistogramBucketFactor: 1.1}, []string{"path"})
	reg.MustRegister(c, classic, both, native)
	c.Add(3)
	for i := range 30 {
		v := float64(i-5) / 7
		classic.Observe(v)
		both.Observe(v)
		native.WithLabelValues("/a").Observe(v)
		native.WithLabelValues("/b").Observe(v * v)
	}
	page = promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	e.answer(page.ServeHTTP)
	return page, native
}

func histogramJob(native, classic, convert bool, more func(*config.Scrape)) func(*config.Scrape) {
	return func(c *config.Scrape) {
		c.ScrapeProtocols = config.ProtobufFirst()
		c.ScrapeNativeHistograms, c.AlwaysScrapeClassicHistograms, c.ConvertClassicHistogramsToNHCB = &native, &classic, &convert
		if more != nil {
			more(c)
		}
	}
}

// TestHistogramsAreThoseOfUpstream scrapes a target over HTTP and compares with what upstream's parser makes of it.
func TestHistogramsAreThoseOfUpstream(t *testing.T) {
	for bits := range 16 {
		native, classic, convert := bits&1 != 0, bits&2 != 0, bits&4 != 0
		protocols := config.ProtobufFirst()
		if bits&8 != 0 {
			protocols = config.DefaultScrapeProtocols()
		}
		t.Run(fmt.Sprintf("native=%v, classic=%v, convert=%v, %s first", native, classic, convert, protocols[0]), func(t *testing.T) {
			e := expose(t, histogramJob(native, classic, convert, func(c *config.Scrape) { c.ScrapeProtocols = protocols }))
			page, _ := instrumented(e)
			db := e.intoDatabase()
			for _, ts := range []int64{1000, 2000} {
				if err := e.scrape(ts); err != "" {
					t.Fatal(err)
				}
			}
			e.store = contents(t, db)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept", e.requests[0].Header.Get("Accept"))
			w := httptest.NewRecorder()
			page.ServeHTTP(w, r)
			p, err := textparse.New(w.Body.Bytes(), w.Header().Get("Content-Type"), labels.NewSymbolTable(), textparse.ParserOptions{
				IgnoreNativeHistograms: !native, KeepClassicOnClassicAndNativeHistograms: classic, ConvertClassicHistogramsToNHCB: convert})
			if err != nil {
				t.Fatal(err)
			}
			samples := 0
			for {
				k, err := p.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if k != textparse.EntrySeries && k != textparse.EntryHistogram {
					continue
				}
				samples++
				var ls labels.Labels
				p.Labels(&ls)
				series := labels.NewBuilder(ls).Set("job", "j").Set("instance", "i").Labels().String()
				if k == textparse.EntrySeries {
					_, _, v := p.Series()
					if got := e.store.value(series, 2000); got != show(v) {
						t.Errorf("%s is %s, want %s", series, got, show(v))
					}
					continue
				}
				_, _, h, _ := p.Histogram()
				got := e.store.native[series]
				if len(got) != 2 || got[0].T != 1000 || got[1].T != 2000 || !got[0].H.Equals(h) || !got[1].H.Equals(h) {
					t.Errorf("%s is %+v, want twice %s", series, got, h)
				}
			}
			if got := e.store.value(`{__name__="scrape_samples_scraped", instance="i", job="j"}`, 2000); got != fmt.Sprint(samples) {
				t.Errorf("%s samples are scraped, want %d", got, samples)
			}
			if got := e.store.value(`{__name__="scrape_series_added", instance="i", job="j"}`, 2000); got != "0" {
				t.Errorf("%s series are added by the same again", got)
			}
		})
	}
}

func TestANativeHistogramThatIsGoneEnds(t *testing.T) {
	e := expose(t, histogramJob(true, false, false, nil))
	_, native := instrumented(e)
	db := e.intoDatabase()
	e.scrape(1000)
	native.DeleteLabelValues("/a")
	e.scrape(2000)
	e.store = contents(t, db)
	series := func(path string) string {
		return `{__name__="native_seconds", instance="i", job="j", path="` + path + `"}`
	}
	if a, b := e.store.value(series("/a"), 2000), e.store.value(series("/b"), 2000); a != "stale" || b != "none" {
		t.Errorf("the one that is gone has %s, the other %s", a, b)
	}
	e.answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	e.scrape(3000)
	e.store = contents(t, db)
	if b := e.store.value(series("/b"), 3000); b != "stale" {
		t.Errorf("after a failure there is %s", b)
	}
}

func TestTheResolutionOfHistogramsIsLimited(t *testing.T) {
	buckets := func(h *histogram.Histogram) int { return len(h.PositiveBuckets) + len(h.NegativeBuckets) }
	for _, tt := range []struct {
		name    string
		change  func(*config.Scrape)
		convert bool
		want    string // of the error
		check   func(*histogram.Histogram) bool
	}{
		{name: "no limit", check: func(h *histogram.Histogram) bool { return h.Schema == 3 }},
		{name: "a limit of buckets", change: func(c *config.Scrape) { c.NativeHistogramBucketLimit = 8 },
			check: func(h *histogram.Histogram) bool { return buckets(h) <= 8 && h.Schema < 3 }},
		{name: "a factor between them", change: func(c *config.Scrape) { c.NativeHistogramMinBucketFactor = 2 },
			check: func(h *histogram.Histogram) bool { return h.Schema == 0 }},
		{name: "custom buckets cannot be fewer", convert: true, change: func(c *config.Scrape) { c.NativeHistogramBucketLimit = 2 },
			want: "native_histogram_bucket_limit exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := expose(t, histogramJob(true, false, tt.convert, tt.change))
			instrumented(e)
			db := e.intoDatabase()
			err := e.scrape(1000)
			e.store = contents(t, db)
			if tt.want != "" {
				if !strings.Contains(err, tt.want) || e.counted("hearth_scrape_failures_total", failBucketLimit) != 1 {
					t.Errorf("the error is %s", err)
				}
				return
			}
			h := e.store.native[`{__name__="native_seconds", instance="i", job="j", path="/a"}`]
			if err != "" || len(h) != 1 || !tt.check(h[0].H) {
				t.Errorf("%v, %s", h, err)
			}
		})
	}
}

func TestExtraScrapeMetrics(t *testing.T) {
	e := expose(t, func(c *config.Scrape) { c.ExtraScrapeMetrics, c.SampleLimit, c.BodySizeLimit = new(true), 7, 30 })
	for i, tt := range []struct{ body, timeout, limit, bytes string }{
		{"a 1\nb 1\n", "5", "7", "8"},
		{"a 1\n?\n", "5", "7", "6"},
		{strings.Repeat("a 1\n", 20), "5", "7", "-1"},
	} {
		e.say(tt.body)
		ts := int64(1000 * (i + 1))
		e.scrape(ts)
		for name, want := range map[string]string{"scrape_timeout_seconds": tt.timeout, "scrape_sample_limit": tt.limit, "scrape_body_size_bytes": tt.bytes} {
			if got := e.store.value(`{__name__="`+name+`", instance="i", job="j"}`, ts); got != want {
				t.Errorf("%q: %s is %s, want %s", tt.body, name, got, want)
			}
		}
	}
}
