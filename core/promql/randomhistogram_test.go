package promql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// TestRandomHistogramQueriesEqualUpstream is TestRandomQueriesEqualUpstream with native histograms in the data.
func TestRandomHistogramQueriesEqualUpstream(t *testing.T) {
	t.Logf("seed %d", *seed)
	const perData = 30
	count := manyQueries()
	failed, full := 0, 0
	for s := *seed; s < *seed+uint64(count/perData); s++ {
		r := rand.New(rand.NewPCG(s, 7))
		data := append(randomData(r), randomHistograms(r)...)
		both := newBoth(t, r.IntN(4) == 0)
		if s%2 == 0 {
			both = both.helped()
		}
		for range perData {
			c := randomCaseOf(r, true)
			diff, lines, want, got := both.compare(data, c)
			if lines > 0 {
				full++
			}
			if got == bothKinds && want == "" {
				continue
			}
			if diff != "" && (want == "" || got == "") {
				t.Errorf("seed %d (delayed names %v): %s\n%s", s, both.ours.opts.DelayedNames, c, diff)
				if failed++; failed == 20 {
					t.Fatal("enough")
				}
			}
		}
	}
	if full*3 < count {
		t.Errorf("only %d of %d queries have a result", full, count)
	}
}

// bothKinds is an error that upstream does not make where one series has a float and the other a histogram: it goes on
// with a series that has two samples at a time.
const bothKinds = "vector cannot contain metrics with the same labelset"

func (q *randomQuery) histogramName() string {
	if q.IntN(8) == 0 {
		return q.pick(`{__name__=~"hist|custom"}`, `{__name__=~"mixed|temp"}`, `{__name__=~"hist|mixed|custom"}`)
	}
	return q.pick("hist", "hist", "hist", "custom", "mixed") + q.pick("", "", "", `{job="j0"}`, `{mode="a"}`)
}

// ofHistogram writes a function of histograms.
func (q *randomQuery) ofHistogram(depth int, ordered bool) string {
	v := q.vector(depth, true)
	if q.IntN(2) == 0 {
		v = q.pick("sum", "avg") + q.grouping() + "(" + q.pick("rate", "increase") + "(" + q.rangeVector(0, false) + "))"
	}
	if ordered && !q.instant {
		return q.pick("-", "") + v
	}
	switch q.IntN(5) {
	case 0:
		return fmt.Sprintf("histogram_quantile(%s, %s)", q.scalar(depth), v)
	case 1:
		return fmt.Sprintf("histogram_fraction(%s, %s, %s)", q.scalar(0), q.scalar(0), v)
	case 2:
		return fmt.Sprintf(`histogram_quantiles(%s, "q", 0.5, %s)`, v, q.number())
	}
	return q.pick("histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev", "histogram_stdvar") + "(" + v + ")"
}

// randomHistograms makes groups with native histograms: hist has exponential buckets, custom has custom ones, mixed has
// floats as well.
func randomHistograms(r *rand.Rand) (m memory) {
	for g := range 1 + r.IntN(3) {
		times := randomTimes(r)
		var ss []storedSeries
		for _, name := range []string{"custom", "hist", "mixed"} {
			for i := range 1 + r.IntN(3) {
				ls := labels.FromStrings("__name__", name, "instance", fmt.Sprint("native-", g), "job", "j"+strconv.Itoa(g%2), "mode", string(rune('a'+i)))
				s := histogramSeries(r, ls, times, name)
				if len(s.samples) > 0 {
					ss = append(ss, s)
				}
			}
		}
		if len(ss) > 0 {
			m = append(m, newColumns(ss))
		}
	}
	return m
}

func histogramSeries(r *rand.Rand, ls labels.Labels, times []int64, name string) storedSeries {
	s := storedSeries{labels: ls}
	gen := newHistograms(r, name == "custom")
	odd := r.IntN(4) == 0
	for _, t := range times[:len(times)-r.IntN(len(times)/2+1)] {
		switch n := r.IntN(60); {
		case gen.calm && name != "mixed":
		case n == 0 || odd && n < 8:
			continue
		case n == 9:
			s.samples = append(s.samples, storedSample{t: t, v: model.Stale})
			continue
		case name == "mixed" && n < 30 && n%3 != 0:
			s.samples = append(s.samples, storedSample{t: t, v: float64(r.IntN(50))})
			continue
		}
		if odd && r.IntN(12) == 0 {
			other := newHistograms(r, (name == "custom") != (r.IntN(4) == 0))
			gen.schema, gen.bounds, gen.threshold = other.schema, other.bounds, other.threshold
		}
		s.samples = append(s.samples, storedSample{t: t, v: storage.Absent, h: gen.next(r), integer: gen.whole})
	}
	return s
}

// histograms makes the histograms of a series, one after the other.
type histograms struct {
	schema           int32
	bounds           []float64
	threshold, zeros float64
	whole, gauge     bool
	hints            bool
	calm             bool // there are no resets, holes or NaN
	counts           map[int32]float64
	sum              float64
}

func newHistograms(r *rand.Rand, custom bool) *histograms {
	g := &histograms{schema: int32(r.IntN(4) - 1), whole: r.IntN(2) == 0, gauge: r.IntN(4) == 0, hints: r.IntN(3) == 0, counts: map[int32]float64{}}
	g.threshold = []float64{0, 0.001, 0.5}[r.IntN(3)]
	if r.IntN(2) == 0 {
		g.threshold = 0.001
	}
	g.calm = r.IntN(2) == 0
	if custom {
		g.schema, g.threshold = histogram.CustomBucketsSchema, 0
		g.bounds = [][]float64{{1, 2, 5, 10}, {1, 5, 10}, {1, 2, 5, 10}, {-1, 0.5, 3}}[r.IntN(4)]
	}
	return g
}

func (g *histograms) next(r *rand.Rand) *histogram.FloatHistogram {
	if !g.calm && r.IntN(15) == 0 { // a reset
		clear(g.counts)
		g.zeros, g.sum = 0, 0
	}
	custom := g.schema == histogram.CustomBucketsSchema
	for range r.IntN(4) {
		n := r.Float64() * 5
		if g.whole {
			n = math.Ceil(n)
		}
		if g.gauge && r.IntN(3) == 0 {
			n = -n / 2
		}
		at := int32(r.IntN(7) - 2)
		if custom {
			at = int32(r.IntN(len(g.bounds) + 1))
		}
		if r.IntN(8) == 0 && !custom {
			g.zeros += n
		} else {
			if r.IntN(4) == 0 && !custom {
				at += 1000 // a negative bucket
			}
			g.counts[at] += n
		}
		g.sum += n * r.Float64()
	}
	h := &histogram.FloatHistogram{Schema: g.schema, ZeroThreshold: g.threshold, CustomValues: g.bounds, Sum: g.sum}
	if !custom {
		h.ZeroCount, h.Count = g.zeros, g.zeros
	}
	var keys []int32
	for at := range g.counts {
		if !custom || at >= 0 && int(at) <= len(g.bounds) {
			keys = append(keys, at)
		}
	}
	slices.Sort(keys)
	var positive, negative int32
	for _, at := range keys {
		n := g.counts[at]
		h.Count += n
		if at > 500 && !custom {
			h.NegativeSpans, negative = spanned(h.NegativeSpans, at-1000, negative)
			h.NegativeBuckets = append(h.NegativeBuckets, n)
			continue
		}
		if custom && at > 500 {
			continue
		}
		h.PositiveSpans, positive = spanned(h.PositiveSpans, at, positive)
		h.PositiveBuckets = append(h.PositiveBuckets, n)
	}
	if !g.calm && r.IntN(40) == 0 {
		h.Sum, h.Count = math.NaN(), h.Count+1
	}
	switch {
	case g.gauge:
		h.CounterResetHint = histogram.GaugeType
	case g.hints && r.IntN(3) == 0:
		h.CounterResetHint = []histogram.CounterResetHint{histogram.CounterReset, histogram.NotCounterReset}[r.IntN(2)]
	}
	return h
}

func spanned(spans []histogram.Span, at, next int32) ([]histogram.Span, int32) {
	if len(spans) > 0 && at == next {
		spans[len(spans)-1].Length++
		return spans, at + 1
	}
	return append(spans, histogram.Span{Offset: at - next, Length: 1}), at + 1
}
