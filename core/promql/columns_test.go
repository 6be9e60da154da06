package promql

import (
	"cmp"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// storedSeries is a series as the tests make and keep it.
type storedSeries struct {
	labels  labels.Labels
	samples []storedSample
}

// storedSample is a float, or a histogram if h is not nil; v is Absent then.
type storedSample struct {
	t, st   int64
	v       float64
	h       *histogram.FloatHistogram
	integer bool
}

// columns is a group held in memory.
type columns struct {
	labels []labels.Labels
	times  []int64
	values [][]float64
	hists  [][]storedSample // by series and row; nil if no series has a histogram or a start timestamp
}

// newColumns makes a group of series in order of labels; its rows are all times any of them has.
func newColumns(ss []storedSeries) *columns {
	c := &columns{}
	for _, s := range ss {
		for _, p := range s.samples {
			c.times = append(c.times, p.t)
		}
	}
	slices.Sort(c.times)
	c.times = slices.Compact(c.times)
	for _, s := range ss {
		col, hists := make([]float64, len(c.times)), make([]storedSample, len(c.times))
		for i := range col {
			col[i] = storage.Absent
		}
		for _, p := range s.samples {
			i, _ := slices.BinarySearch(c.times, p.t)
			col[i], hists[i] = p.v, p
		}
		c.labels = append(c.labels, s.labels)
		c.values = append(c.values, col)
		c.hists = append(c.hists, hists)
	}
	return c
}

// selected returns c as what a selection is: with what it has, and no more.
func (c *columns) selected() storage.Columns {
	some := func(f func(storedSample) bool) bool {
		return slices.ContainsFunc(c.hists, func(rows []storedSample) bool { return slices.ContainsFunc(rows, f) })
	}
	hists := some(func(s storedSample) bool { return s.h != nil })
	starts := some(func(s storedSample) bool { return s.st != 0 })
	switch {
	case hists && starts:
		return bothColumns{histColumns{c}, startColumns{c}}
	case hists:
		return histColumns{c}
	case starts:
		return startColumns{c}
	}
	return c
}

func (c *columns) Common() labels.Labels      { return labels.EmptyLabels() }
func (c *columns) Len() int                   { return len(c.labels) }
func (c *columns) Labels(i int) labels.Labels { return c.labels[i] }
func (c *columns) Times() []int64             { return c.times }

func (c *columns) Rows(i int) (lo, hi int) {
	hi = len(c.times)
	none := func(row int) bool {
		return storage.IsAbsent(c.values[i][row]) && (c.hists == nil || c.hists[i][row].h == nil)
	}
	for lo < hi && none(lo) {
		lo++
	}
	for hi > lo && none(hi-1) {
		hi--
	}
	return lo, hi
}

func (c *columns) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	return append(dst[:0], c.values[i][lo:hi]...), nil
}

type histColumns struct{ *columns }

type startColumns struct{ *columns }

type bothColumns struct {
	histColumns
	s startColumns
}

func (c bothColumns) Starts(i, lo, hi int, dst []int64) ([]int64, error) {
	return c.s.Starts(i, lo, hi, dst)
}

func (c startColumns) Starts(i, lo, hi int, dst []int64) ([]int64, error) {
	dst = dst[:0]
	for _, s := range c.hists[i][lo:hi] {
		dst = append(dst, s.st)
	}
	return dst, nil
}

func (c histColumns) HasHistograms(i int) bool {
	return slices.ContainsFunc(c.hists[i], func(s storedSample) bool { return s.h != nil })
}

func (c histColumns) Histograms(i, lo, hi int, dst *storage.Histograms) error {
	*dst = storage.Histograms{}
	type bucket struct {
		index    int32
		negative bool
	}
	n := hi - lo
	at := map[bucket][]float64{}
	for row, s := range c.hists[i][lo:hi] {
		h := s.h
		if h == nil {
			h = &histogram.FloatHistogram{Schema: storage.AbsentSchema}
		}
		dst.Schema, dst.Integer, dst.Hint = append(dst.Schema, h.Schema), append(dst.Integer, s.integer), append(dst.Hint, h.CounterResetHint)
		dst.ZeroThreshold, dst.ZeroCount = append(dst.ZeroThreshold, h.ZeroThreshold), append(dst.ZeroCount, h.ZeroCount)
		dst.Count, dst.Sum, dst.Bounds = append(dst.Count, h.Count), append(dst.Sum, h.Sum), append(dst.Bounds, h.CustomValues)
		add := func(spans []histogram.Span, counts []float64, negative bool) {
			index := int32(0)
			for _, s := range spans {
				index += s.Offset
				for range s.Length {
					b := bucket{index, negative}
					if at[b] == nil {
						at[b] = slices.Repeat([]float64{storage.Absent}, n)
					}
					at[b][row] = counts[0]
					counts = counts[1:]
					index++
				}
			}
		}
		add(h.PositiveSpans, h.PositiveBuckets, false)
		add(h.NegativeSpans, h.NegativeBuckets, true)
	}
	for b, counts := range at {
		dst.Buckets = append(dst.Buckets, storage.BucketColumn{Index: b.index, Negative: b.negative, Counts: counts})
	}
	slices.SortFunc(dst.Buckets, func(a, b storage.BucketColumn) int {
		switch {
		case a.Negative != b.Negative && a.Negative:
			return -1
		case a.Negative != b.Negative:
			return 1
		case a.Negative:
			return cmp.Compare(b.Index, a.Index)
		}
		return cmp.Compare(a.Index, b.Index)
	})
	return nil
}

// floatColumns makes a group of series of floats.
func floatColumns(ss []model.Series) *columns {
	out := make([]storedSeries, len(ss))
	for i, s := range ss {
		out[i].labels = s.Labels
		for _, p := range s.Samples {
			out[i].samples = append(out[i].samples, storedSample{t: p.T, v: p.V})
		}
	}
	return newColumns(out)
}
