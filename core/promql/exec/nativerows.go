package exec

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// histograms returns the native histograms of series i of g in rows lo..hi-1, nil if it has none.
func (b *scanBuffer) histograms(g storage.Columns, i, lo, hi int) ([]*histogram.FloatHistogram, error) {
	switch g := g.(type) {
	case *gridColumns:
		if h := g.m.cols[i].h; h != nil {
			return h[lo:hi], nil
		}
	case storage.HistogramColumns:
		if !g.HasHistograms(i) {
			return nil, nil
		}
		if err := g.Histograms(i, lo, hi, &b.hists); err != nil {
			return nil, ofStorage(err)
		}
		return histogramRows(&b.hists), nil
	}
	return nil, nil
}

// hasHistograms tells whether series i of g may have native histograms.
func hasHistograms(g storage.Columns, i int) bool {
	switch g := g.(type) {
	case *gridColumns:
		return g.m.cols[i].h != nil
	case storage.HistogramColumns:
		return g.HasHistograms(i)
	}
	return false
}

// histogramRows makes histograms of columns, nil where there is none.
func histogramRows(c *storage.Histograms) []*histogram.FloatHistogram {
	out := make([]*histogram.FloatHistogram, len(c.Schema))
	for row := range out {
		out[row] = c.At(row)
	}
	return out
}

// onlyStats replaces histograms by what is left of them without buckets, if nothing else is asked for. What buckets tell
// of resets goes into the hints, but for those in skipped.
func onlyStats(hs []*histogram.FloatHistogram, skipped []bool) {
	var last *histogram.FloatHistogram
	for i, h := range hs {
		if skipped != nil && skipped[i] {
			last = nil
		}
		if h == nil {
			continue
		}
		hint := h.CounterResetHint
		if hint == histogram.UnknownCounterReset && last != nil {
			hint = histogram.NotCounterReset
			if h.DetectReset(last) {
				hint = histogram.CounterReset
			}
		}
		last = h
		if hint != h.CounterResetHint {
			last = h.Copy()
			last.CounterResetHint = hint
		}
		hs[i] = &histogram.FloatHistogram{CounterResetHint: hint, Schema: h.Schema, Count: h.Count, Sum: h.Sum}
	}
}

// skips tells which of the rows with the values v upstream comes to with a leap: it does not know the one before then.
// It leaps where the next window, of the given width at first and later, begins after the row it has come to.
func skips(times []int64, v []float64, hs []*histogram.FloatHistogram, ref plan.Times, width, later int64) []bool {
	if hs == nil {
		return nil
	}
	next := func(row int, t int64) int {
		for row < len(v) && (times[row] < t || hs[row] == nil && storage.IsAbsent(v[row])) {
			row++
		}
		return row
	}
	out := make([]bool, len(v))
	row := next(0, math.MinInt64)
	last := int64(math.MinInt64)
	for k := 0; k < ref.N && row < len(v); k++ {
		t := ref.At(k)
		if from := t - width; from > last {
			if from > times[row] {
				row = next(row, from)
				if row == len(v) {
					break
				}
				out[row] = true
			}
			last = times[row]
		}
		if last < t {
			if row = next(row, t); row < len(v) {
				last = times[row]
			}
		}
		width = later
	}
	return out
}

// withoutHints returns hs without what they say of resets: since the sample before, which between the steps of a subquery
// is another one.
func withoutHints(hs []*histogram.FloatHistogram) []*histogram.FloatHistogram {
	out := slices.Clone(hs)
	for i, h := range hs {
		if h != nil && (h.CounterResetHint == histogram.CounterReset || h.CounterResetHint == histogram.NotCounterReset) {
			bare := *h
			bare.CounterResetHint = histogram.UnknownCounterReset
			out[i] = &bare
		}
	}
	return out
}

// starts returns the start timestamps of series i of g in rows lo..hi-1, nil if there are none.
func (b *scanBuffer) starts(g storage.Columns, i, lo, hi int) (_ []int64, err error) {
	if g, ok := g.(storage.StartColumns); ok {
		b.began, err = g.Starts(i, lo, hi, b.began)
		return b.began, ofStorage(err)
	}
	return nil, nil
}

// nativeRows is the samples of one series and what follows from them.
type nativeRows struct {
	fn.Samples
	cells int     // charged for histograms
	hists []int32 // how many of the samples before each are histograms
	sizes []int64 // for how many samples those before each count
}

// make makes rows of the columns of a series, which have the values v. hs and st may be nil.
func (n *nativeRows) make(q *query, times []int64, v []float64, hs []*histogram.FloatHistogram, st []int64) error {
	n.T, n.V, n.H, n.Resets = n.T[:0], n.V[:0], n.H[:0], n.Resets[:0]
	n.hists, n.sizes = append(n.hists[:0], 0), append(n.sizes[:0], 0)
	n.ST = nil
	if st != nil {
		n.ST = make([]int64, 0, len(v))
	}
	n.cells = 0
	for row, x := range v {
		var h *histogram.FloatHistogram
		if hs != nil {
			h = hs[row]
		}
		if h == nil && (storage.IsAbsent(x) || model.IsStale(x)) {
			continue
		}
		last := len(n.T)
		size, native := int64(1), int32(0)
		if h != nil {
			x, size, native = 0, int64(histSamples(h)), 1
			n.cells += histCells(h)
		}
		n.T, n.V, n.H, n.Resets = append(n.T, times[row]), append(n.V, x), append(n.H, h), append(n.Resets, fn.ResetUnknown)
		n.hists, n.sizes = append(n.hists, n.hists[last]+native), append(n.sizes, n.sizes[last]+size)
		if st != nil {
			n.ST = append(n.ST, st[row])
		}
	}
	return q.charge(n.cells)
}

// floats returns the floats among the samples.
func (n *nativeRows) floats(t []int64, v []float64) ([]int64, []float64) {
	for i, h := range n.H {
		if h == nil {
			t, v = append(t, n.T[i]), append(v, n.V[i])
		}
	}
	return t, v
}

// between returns the samples lo..hi-1.
func (n *nativeRows) between(lo, hi int32) (s fn.Samples) {
	s = fn.Samples{T: n.T[lo:hi], V: n.V[lo:hi], H: n.H[lo:hi], Resets: n.Resets[lo:hi]}
	if n.ST != nil {
		s.ST = n.ST[lo:hi]
	}
	return s
}
