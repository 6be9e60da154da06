package facet

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// gathered implements storage.Columns over series whose facets are in the same selections.
type gathered struct {
	sources []source
	series  []*visible
	once    sync.Once
	ts      []int64
}

// source is a selection that facets are in.
type source struct {
	c    storage.Columns
	rows []int32 // where its rows are; nil if it has every row
}

// offered returns m with the methods for what its series have.
func (m *gathered) offered() storage.Columns {
	hists := slices.ContainsFunc(m.series, func(v *visible) bool { return len(v.kinds) > 0 })
	starts := slices.ContainsFunc(m.series, func(v *visible) bool { return v.start != nowhere })
	switch {
	case hists && starts:
		return startedHistograms{withHistograms{m}}
	case hists:
		return withHistograms{m}
	case starts:
		return withStarts{m}
	}
	return m
}

// lay computes the times and where the rows of the sources lie among them.
func (m *gathered) lay() {
	if len(m.sources) == 1 {
		m.ts = m.sources[0].c.Times()
		return
	}
	n := 0
	for _, s := range m.sources {
		n += len(s.c.Times())
	}
	ts := make([]int64, 0, n)
	for _, s := range m.sources {
		ts = append(ts, s.c.Times()...)
	}
	slices.Sort(ts)
	m.ts = slices.Compact(ts)
	for i := range m.sources {
		s := &m.sources[i]
		own := s.c.Times()
		if len(own) == len(m.ts) {
			continue
		}
		s.rows = make([]int32, len(own))
		r := 0
		for k, t := range own {
			for m.ts[r] != t {
				r++
			}
			s.rows[k] = int32(r)
		}
	}
}

// Common implements storage.Columns.
func (m *gathered) Common() labels.Labels { return m.sources[0].c.Common() }

// Len implements storage.Columns.
func (m *gathered) Len() int { return len(m.series) }

// Labels implements storage.Columns.
func (m *gathered) Labels(i int) labels.Labels { return m.series[i].ls }

// Times implements storage.Columns.
func (m *gathered) Times() []int64 {
	m.once.Do(m.lay)
	return m.ts
}

// Rows implements storage.Columns.
func (m *gathered) Rows(i int) (lo, hi int) {
	m.once.Do(m.lay)
	lo = len(m.ts)
	add := func(p place) {
		if a, b := m.rowsOf(p); a < b {
			lo, hi = min(lo, a), max(hi, b)
		}
	}
	add(m.series[i].plain)
	for _, k := range m.series[i].kinds {
		add(k.place)
	}
	return min(lo, hi), hi
}

// rowsOf returns the rows lo..hi-1 outside of which the facet has no cell.
func (m *gathered) rowsOf(p place) (lo, hi int) {
	if p == nowhere {
		return 0, 0
	}
	s := &m.sources[p.of]
	lo, hi = s.c.Rows(int(p.series))
	if lo >= hi {
		return 0, 0
	}
	if s.rows != nil {
		lo, hi = int(s.rows[lo]), int(s.rows[hi-1])+1
	}
	return lo, hi
}

// read decodes rows lo..hi-1 of a facet into dst as Values does.
func (m *gathered) read(p place, lo, hi int, dst []float64) ([]float64, error) {
	if a, b := m.rowsOf(p); max(a, lo) >= min(b, hi) {
		dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
		fill(dst, storage.Absent)
		return dst, nil
	}
	s := &m.sources[p.of]
	if s.rows == nil {
		return s.c.Values(int(p.series), lo, hi, dst)
	}
	dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
	a := sort.Search(len(s.rows), func(r int) bool { return int(s.rows[r]) >= lo })
	b := a + sort.Search(len(s.rows)-a, func(r int) bool { return int(s.rows[a+r]) >= hi })
	vals, err := s.c.Values(int(p.series), a, b, dst)
	if err != nil {
		return nil, err
	}
	at := hi - lo // vals may begin where dst does: from the end on, nothing is overwritten before it is moved
	for k := len(vals) - 1; k >= 0; k-- {
		r := int(s.rows[a+k]) - lo
		v := vals[k]
		fill(dst[r+1:at], storage.Absent)
		dst[r] = v
		at = r
	}
	fill(dst[:at], storage.Absent)
	return dst, nil
}

func fill[T any](s []T, v T) {
	for i := range s {
		s[i] = v
	}
}

func (m *gathered) check(i, lo, hi int) error {
	m.once.Do(m.lay)
	if i < 0 || i >= len(m.series) || lo < 0 || hi > len(m.ts) || lo > hi {
		return fmt.Errorf("rows %d to %d of series %d: there are %d rows of %d series", lo, hi, i, len(m.ts), len(m.series))
	}
	return nil
}

// Values implements storage.Columns.
func (m *gathered) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	if err := m.check(i, lo, hi); err != nil {
		return nil, err
	}
	v := m.series[i]
	dst, err := m.read(v.plain, lo, hi, dst)
	if err != nil {
		return nil, err
	}
	a, b := m.rowsOf(v.plain)
	var kinds []float64
	for _, k := range v.kinds { // what is in both is a histogram
		c, d := m.rowsOf(k.place)
		from, to := max(a, c, lo), min(b, d, hi)
		if from >= to {
			continue
		}
		if kinds, err = m.read(k.place, from, to, kinds); err != nil {
			return nil, err
		}
		for r, x := range kinds {
			if !storage.IsAbsent(x) {
				dst[from-lo+r] = storage.Absent
			}
		}
	}
	return dst, nil
}

// withHistograms implements storage.HistogramColumns.
type withHistograms struct{ *gathered }

// HasHistograms implements storage.HistogramColumns.
func (m withHistograms) HasHistograms(i int) bool { return len(m.series[i].kinds) > 0 }

// Histograms implements storage.HistogramColumns.
func (m withHistograms) Histograms(i, lo, hi int, dst *storage.Histograms) error {
	if err := m.check(i, lo, hi); err != nil {
		return err
	}
	v, n := m.series[i], hi-lo
	cells, err := m.kinds(i, lo, hi, dst)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		at  place
		dst *[]float64
	}{{v.sum, &dst.Sum}, {v.threshold, &dst.ZeroThreshold}, {v.zeros, &dst.ZeroCount}, {v.count, &dst.Count}} {
		if *f.dst, err = m.read(f.at, lo, hi, *f.dst); err != nil {
			return err
		}
	}
	present(cells, dst.Count)
	for _, col := range [][]float64{dst.Sum, dst.ZeroThreshold, dst.ZeroCount} {
		present(cells, col)
		for r, x := range col {
			if storage.IsAbsent(x) {
				col[r] = 0
			}
		}
	}
	dst.Buckets = slices.Grow(dst.Buckets[:0], len(v.buckets))[:len(v.buckets)]
	for k, b := range v.buckets {
		to := &dst.Buckets[k]
		to.Index, to.Negative = b.index, b.negative
		if to.Counts, err = m.read(b.place, lo, hi, to.Counts); err != nil {
			return err
		}
		present(cells, to.Counts)
	}
	for r, n := range cells {
		if n != 0 { // some of it is in a file that is damaged and was set aside
			dst.Schema[r] = storage.AbsentSchema
			for k := range dst.Buckets {
				dst.Buckets[k].Counts[r] = storage.Absent
			}
		}
	}
	for r := range n {
		if storage.IsAbsent(dst.Count[r]) {
			total := dst.ZeroCount[r]
			for k := range dst.Buckets {
				if x := dst.Buckets[k].Counts[r]; !storage.IsAbsent(x) {
					total += x
				}
			}
			dst.Count[r] = total
		}
	}
	confirm(dst)
	return nil
}

// present takes the cells that are there off what is expected in each row.
func present(expected []int32, col []float64) {
	for r, x := range col {
		if !storage.IsAbsent(x) {
			expected[r]--
		}
	}
}

// kinds decodes which rows have a histogram, and of what kind. It returns how many more cells each row should have.
func (m *gathered) kinds(i, lo, hi int, dst *storage.Histograms) (cells []int32, err error) {
	n := hi - lo
	cells = make([]int32, n)
	dst.Schema = slices.Grow(dst.Schema[:0], n)[:n]
	dst.Integer = slices.Grow(dst.Integer[:0], n)[:n]
	dst.Hint = slices.Grow(dst.Hint[:0], n)[:n]
	dst.Bounds = slices.Grow(dst.Bounds[:0], n)[:n]
	fill(dst.Schema, storage.AbsentSchema)
	fill(dst.Integer, false)
	fill(dst.Hint, histogram.UnknownCounterReset)
	fill(dst.Bounds, nil)
	var vals []float64
	for _, k := range m.series[i].kinds {
		if vals, err = m.read(k.place, lo, hi, vals); err != nil {
			return nil, err
		}
		for r, x := range vals {
			if storage.IsAbsent(x) {
				continue
			}
			schema, hint, floats, more, ok := kinds(x)
			if !ok {
				return nil, fmt.Errorf("histogram of series %s at %d is of kind %v", m.series[i].ls, m.ts[lo+r], x)
			}
			dst.Schema[r], dst.Hint[r], dst.Integer[r], dst.Bounds[r] = schema, hint, !floats, k.bounds
			cells[r] = int32(more)
		}
	}
	return cells, nil
}

// withStarts implements storage.StartColumns.
type withStarts struct{ *gathered }

// Starts implements storage.StartColumns.
func (m withStarts) Starts(i, lo, hi int, dst []int64) ([]int64, error) {
	if err := m.check(i, lo, hi); err != nil {
		return nil, err
	}
	dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
	vals, err := m.read(m.series[i].start, lo, hi, nil)
	if err != nil {
		return nil, err
	}
	for r, v := range vals {
		dst[r] = 0
		if !storage.IsAbsent(v) {
			dst[r] = int64(v)
		}
	}
	return dst, nil
}

// startedHistograms implements storage.HistogramColumns and storage.StartColumns.
type startedHistograms struct{ withHistograms }

// Starts implements storage.StartColumns.
func (m startedHistograms) Starts(i, lo, hi int, dst []int64) ([]int64, error) {
	return withStarts{m.gathered}.Starts(i, lo, hi, dst)
}
