package promql

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// nativeData is 100 series of two hours of native histograms with 24 buckets, every 15 seconds.
func nativeData() memory {
	r := rand.New(rand.NewPCG(1, 1))
	var m memory
	for instance := range 10 {
		var ss []storedSeries
		for code := range 10 {
			s := storedSeries{labels: labels.FromStrings("__name__", "h", "code", fmt.Sprint(code), "instance", fmt.Sprint(instance), "job", "j")}
			h := &histogram.FloatHistogram{Schema: 3, ZeroThreshold: 0x1p-128, PositiveSpans: []histogram.Span{{Offset: -10, Length: 24}}, PositiveBuckets: make([]float64, 24)}
			for row := range 480 {
				for i := range h.PositiveBuckets {
					n := math.Floor(r.ExpFloat64() * 5)
					h.PositiveBuckets[i] += n
					h.Count += n
					h.Sum += n * r.Float64()
				}
				s.samples = append(s.samples, storedSample{t: dataStart + int64(row)*15_000, v: storage.Absent, h: h.Copy(), integer: true})
			}
			ss = append(ss, s)
		}
		m = append(m, newColumns(ss))
	}
	return m
}

// decoded is columns whose histograms have been made columns of already, as a storage has them.
type decoded struct {
	histColumns
	all []storage.Histograms
}

func (d decoded) Histograms(i, lo, hi int, dst *storage.Histograms) error {
	from := &d.all[i]
	dst.Schema, dst.Integer, dst.Hint = append(dst.Schema[:0], from.Schema[lo:hi]...), append(dst.Integer[:0], from.Integer[lo:hi]...), append(dst.Hint[:0], from.Hint[lo:hi]...)
	dst.ZeroThreshold, dst.ZeroCount = append(dst.ZeroThreshold[:0], from.ZeroThreshold[lo:hi]...), append(dst.ZeroCount[:0], from.ZeroCount[lo:hi]...)
	dst.Count, dst.Sum, dst.Bounds = append(dst.Count[:0], from.Count[lo:hi]...), append(dst.Sum[:0], from.Sum[lo:hi]...), append(dst.Bounds[:0], from.Bounds[lo:hi]...)
	if len(dst.Buckets) != len(from.Buckets) {
		dst.Buckets = make([]storage.BucketColumn, len(from.Buckets))
	}
	for b, c := range from.Buckets {
		to := &dst.Buckets[b]
		to.Index, to.Negative, to.Counts = c.Index, c.Negative, append(to.Counts[:0], c.Counts[lo:hi]...)
	}
	return nil
}

type decodedMemory []decoded

func (m decodedMemory) Querier(int64, int64) (storage.Querier, error) {
	return decodedQuerier{memoryQuerier{}, m}, nil
}

type decodedQuerier struct {
	memoryQuerier
	m decodedMemory
}

func (q decodedQuerier) Select(context.Context, int64, int64, ...*labels.Matcher) ([]storage.Columns, error) {
	out := make([]storage.Columns, len(q.m))
	for i, d := range q.m {
		out[i] = d
	}
	return out, nil
}

func decode(b *testing.B, m memory) (out decodedMemory) {
	for _, c := range m {
		d := decoded{histColumns{c}, make([]storage.Histograms, c.Len())}
		for i := range d.all {
			if err := d.histColumns.Histograms(i, 0, len(c.times), &d.all[i]); err != nil {
				b.Fatal(err)
			}
		}
		out = append(out, d)
	}
	return out
}

// BenchmarkNativeHistograms runs queries of native histograms by both engines on what is in memory: columns for ours,
// histograms for upstream's.
func BenchmarkNativeHistograms(b *testing.B) {
	data := nativeData()
	ours := decode(b, data)
	both := newBoth(b, false)
	for _, q := range []struct{ name, expr string }{
		{"quantile_sum_rate", `histogram_quantile(0.9, sum by (job) (rate(h[5m])))`},
		{"quantile_by_instance", `histogram_quantile(0.9, sum by (instance) (rate(h[5m])))`},
		{"quantile_rate", `histogram_quantile(0.9, rate(h[5m]))`},
		{"count_sum_rate", `histogram_count(sum(rate(h[5m])))`},
		{"avg_rate", `avg by (code) (rate(h[5m]))`},
		{"sum_over_time", `sum_over_time(h[5m])`},
		{"avg_over_time", `avg_over_time(h[5m])`},
	} {
		c := queryCase{expr: q.expr, start: time.UnixMilli(dataStart + 3_600_000), end: time.UnixMilli(dataStart + 7_200_000), step: 30 * time.Second}
		if diff, lines, _, _ := both.compare(data, c); diff != "" || lines == 0 {
			b.Fatalf("%d lines: %s", lines, diff)
		}
		b.Run(q.name+"/upstream", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, done := both.runSamples(b, samplesOf{data}, c)
				done()
			}
		})
		b.Run(q.name+"/hearth", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := both.runColumns(ours, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
