package scrape

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/hearth-project/hearth/core/tsdb"
)

// histogramPages returns an exposition in protobuf of benchSeries native histograms of latencies, with about 25 buckets
// each, at k times: each has 20 observations more from one to the next.
func histogramPages(b *testing.B, k int) [][]byte {
	b.Helper()
	reg := prometheus.NewRegistry()
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "request_duration_seconds", Help: "How long requests took.", NativeHistogramBucketFactor: 1.1,
	}, []string{"handler", "code", "pod"})
	reg.MustRegister(vec)
	rng := rand.New(rand.NewPCG(1, 2))
	pages := make([][]byte, k)
	for at := range pages {
		for i := range benchSeries {
			h := vec.WithLabelValues(fmt.Sprintf("/api/v1/query_range/%d", i/10), fmt.Sprint(200+i%10), "app-07-5d8f")
			for range 20 {
				h.Observe(0.02 * math.Exp(rng.NormFloat64()/2))
			}
		}
		families, err := reg.Gather()
		if err != nil {
			b.Fatal(err)
		}
		var body bytes.Buffer
		enc := expfmt.NewEncoder(&body, expfmt.NewFormat(expfmt.TypeProtoDelim))
		for _, f := range families {
			if err := enc.Encode(f); err != nil {
				b.Fatal(err)
			}
		}
		pages[at] = body.Bytes()
	}
	return pages
}

// BenchmarkNativeHistograms counts a histogram as a sample. Nearly all buckets of the last pages are there in the first.
func BenchmarkNativeHistograms(b *testing.B) {
	pages := histogramPages(b, 48)[32:]
	b.Run("body to row", func(b *testing.B) {
		l := benchLoop(b, sink{}, "h:1", histogramJob(true, false, false, nil))
		l.job.source = &replay{pages: pages, contentType: contentProto}
		run(b, l)
	})
	b.Run("body to database", func(b *testing.B) {
		db, err := tsdb.Open(tsdb.Options{Dir: b.TempDir(), Clock: func() time.Time { return time.Now().Add(240 * time.Hour) }})
		if err != nil {
			b.Fatal(err)
		}
		l := benchLoop(b, db, "h:1", histogramJob(true, false, false, nil))
		l.job.source = &replay{pages: pages, contentType: contentProto}
		run(b, l)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	})
}
