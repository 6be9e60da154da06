package exec

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/storage"
)

// uniform is a column of gauge histograms that all have the same layout, bucket by bucket: what rates of a series whose
// layout does not change are kept as, so that no histogram is made for each of its steps.
type uniform struct {
	layout
	there            []bool // by step: there is a histogram
	count, sum, zero []float64
	buckets          []bucket // by side and rising index
}

// layout is what histograms have in common that can be added bucket by bucket.
type layout struct {
	schema    int32
	threshold float64
	bounds    []float64
}

func (l layout) same(m layout) bool {
	return l.schema == m.schema && l.threshold == m.threshold && slices.Equal(l.bounds, m.bounds)
}

// bucket is the counts of one bucket; 0 where a histogram does not have it.
type bucket struct {
	key    bucketKey
	counts []float64
}

type bucketKey struct {
	negative bool
	index    int32
}

// before orders the buckets of a histogram's two sides.
func (k bucketKey) before(o bucketKey) bool {
	if k.negative != o.negative {
		return k.negative
	}
	return k.index < o.index
}

// moderate tells whether sums of no matter how many like u are finite. The mean of larger ones is not computed from a sum.
func (u *uniform) moderate() bool {
	const limit = 1e290
	for _, b := range u.buckets {
		if !within(b.counts, limit) {
			return false
		}
	}
	return within(u.count, limit) && within(u.sum, limit) && within(u.zero, limit)
}

func within(v []float64, limit float64) bool {
	for _, x := range v {
		if !(math.Abs(x) <= limit) {
			return false
		}
	}
	return true
}

// cells returns how much memory u takes.
func (u *uniform) cells() int { return (3 + len(u.buckets)) * len(u.there) }

// rows makes histograms of u, nil where there is none. They lie together in memory, and share their spans where these
// are the same as at the step before.
func (u *uniform) rows() []*histogram.FloatHistogram {
	out := make([]*histogram.FloatHistogram, len(u.there))
	some, filled := 0, 0
	for k, there := range u.there {
		if there {
			some++
			filled += u.filled(k)
		}
	}
	all, counts := make([]histogram.FloatHistogram, some), make([]float64, filled)
	var last *histogram.FloatHistogram
	var spans [2][]histogram.Span
	for k, there := range u.there {
		if !there {
			continue
		}
		n := u.filled(k)
		h := &all[0]
		u.fill(h, k, counts[:n:n], &spans)
		all, counts = all[1:], counts[n:]
		if last != nil && slices.Equal(last.PositiveSpans, spans[1]) {
			h.PositiveSpans = last.PositiveSpans
		} else {
			h.PositiveSpans = slices.Clone(spans[1])
		}
		if last != nil && slices.Equal(last.NegativeSpans, spans[0]) {
			h.NegativeSpans = last.NegativeSpans
		} else {
			h.NegativeSpans = slices.Clone(spans[0])
		}
		out[k], last = h, h
	}
	return out
}

// at makes the histogram at step k.
func (u *uniform) at(k int) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{}
	var spans [2][]histogram.Span
	u.fill(h, k, make([]float64, u.filled(k)), &spans)
	h.NegativeSpans, h.PositiveSpans = spans[0], spans[1]
	return h
}

// filled returns how many buckets have a count at step k.
func (u *uniform) filled(k int) (n int) {
	for i := range u.buckets {
		if u.buckets[i].counts[k] != 0 {
			n++
		}
	}
	return n
}

// fill makes h the histogram at step k, without empty buckets and for now without spans: those of the negative and the
// positive side go to spans, whose memory is used again. counts has a place for each bucket.
func (u *uniform) fill(h *histogram.FloatHistogram, k int, counts []float64, spans *[2][]histogram.Span) {
	*h = histogram.FloatHistogram{
		CounterResetHint: histogram.GaugeType, Schema: u.schema, ZeroThreshold: u.threshold, CustomValues: u.bounds,
		ZeroCount: u.zero[k], Count: u.count[k], Sum: u.sum[k],
	}
	var next [2]int32
	spans[0], spans[1] = spans[0][:0], spans[1][:0]
	n, split := 0, 0
	for i := range u.buckets {
		b := &u.buckets[i]
		x := b.counts[k]
		if x == 0 {
			continue
		}
		counts[n] = x
		n++
		side := 1
		if b.key.negative {
			side, split = 0, n
		}
		spans[side] = storage.AppendBucket(spans[side], b.key.index, next[side])
		next[side] = b.key.index + 1
	}
	h.NegativeBuckets, h.PositiveBuckets = counts[:split:split], counts[split:]
}

// uniformRate computes rate or increase of the histograms c, at the steps of w, if they have one layout, are counters
// and are never reset. With stats their buckets are left out.
func uniformRate(q *query, c *storage.Histograms, w *fn.Window, unit float64, width int64, stats bool) (*uniform, error) {
	l, ok := uniformLayout(c)
	if !ok {
		return nil, nil
	}
	columns := c.Buckets
	if stats {
		l, columns = layout{schema: l.schema}, nil
	}
	n := len(w.Lo)
	u := &uniform{layout: l, there: make([]bool, n), buckets: make([]bucket, len(columns))}
	if err := q.charge(u.cells()); err != nil {
		return nil, err
	}
	cells := make([]float64, u.cells())
	take := func() []float64 {
		col := cells[:n:n]
		cells = cells[n:]
		return col
	}
	u.count, u.sum, u.zero = take(), take(), take()
	factors := make([]float64, n)
	for k := range u.there {
		lo, hi := w.Lo[k], w.Hi[k]-1
		if hi <= lo {
			continue
		}
		u.there[k] = true
		rise := c.Count[hi] - c.Count[lo]
		end := w.Ref.At(k)
		factors[k] = fn.Extrapolated(w.T[lo], w.T[hi], int(hi-lo), end-width, end, c.Count[lo], rise) / unit
		u.count[k] = rise * factors[k]
		u.sum[k] = (c.Sum[hi] - c.Sum[lo]) * factors[k]
		if !stats {
			u.zero[k] = (c.ZeroCount[hi] - c.ZeroCount[lo]) * factors[k]
		}
	}
	for i, from := range columns {
		b := &u.buckets[i]
		b.key, b.counts = bucketKey{from.Negative, from.Index}, take()
		for k, there := range u.there {
			if there {
				b.counts[k] = (orZero(from.Counts[w.Hi[k]-1]) - orZero(from.Counts[w.Lo[k]])) * factors[k]
			}
		}
	}
	slices.SortFunc(u.buckets, func(a, b bucket) int {
		if a.key.before(b.key) {
			return -1
		}
		return 1
	})
	return u, nil
}

func orZero(v float64) float64 {
	if storage.IsAbsent(v) {
		return 0
	}
	return v
}

// uniformLayout returns the layout of the histograms c, if there is one in each row and all have it, are counters and
// none is reset.
func uniformLayout(c *storage.Histograms) (l layout, ok bool) {
	if len(c.Schema) == 0 {
		return l, false
	}
	l = layout{schema: c.Schema[0], threshold: c.ZeroThreshold[0]}
	custom := l.schema == histogram.CustomBucketsSchema
	if custom {
		if len(c.Bounds) == 0 {
			return l, false
		}
		l.bounds = c.Bounds[0]
	}
	for row, schema := range c.Schema {
		hint := c.Hint[row]
		if schema != l.schema || schema == storage.AbsentSchema || hint == histogram.GaugeType || hint == histogram.CounterReset ||
			c.ZeroThreshold[row] != l.threshold || custom && !slices.Equal(c.Bounds[row], l.bounds) {
			return l, false
		}
	}
	if !rises(c.Count) || !rises(c.ZeroCount) {
		return l, false
	}
	for _, b := range c.Buckets {
		if !rises(b.Counts) || !custom && l.covers(b.Index) {
			return l, false
		}
	}
	return l, true
}

// covers tells whether the zero bucket covers the bucket of an index, about: then it is not added to.
func (l layout) covers(index int32) bool {
	bound := math.Exp2(float64(index) * math.Exp2(-float64(l.schema)))
	return bound*(1-1e-9) <= l.threshold
}

// rises tells whether counts never fall, a bucket that is not there being empty.
func rises(counts []float64) bool {
	last := 0.0
	for i, x := range counts {
		x = orZero(x)
		if x != x || x < last && i > 0 {
			return false
		}
		last = x
	}
	return true
}

// histogramSizes returns for how many samples each of the histograms c counts.
func histogramSizes(c *storage.Histograms, stats bool, dst []int64) []int64 {
	fixed := (&histogram.FloatHistogram{}).Size()
	for row := range c.Schema {
		if stats {
			dst = append(dst, int64((fixed+8)/16))
			continue
		}
		size, custom := fixed, 0
		if c.Schema[row] == histogram.CustomBucketsSchema {
			custom = len(c.Bounds[row])
		}
		var last *storage.BucketColumn
		for i := range c.Buckets {
			b := &c.Buckets[i]
			if storage.IsAbsent(b.Counts[row]) {
				continue
			}
			size += 8
			if last == nil || last.Negative != b.Negative || b.Index-last.Index != 1 && last.Index-b.Index != 1 {
				size += 8 // a span begins
			}
			last = b
		}
		dst = append(dst, int64((size+8*custom+8)/16))
	}
	return dst
}
