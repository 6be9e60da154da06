package compact

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// merged implements storage.Columns over series that each occur in all of the sources.
type merged struct {
	sources []source // a later one counts more
	once    sync.Once
	ts      []int64
	overlap bool // of any two sources in time
}

// source is a selection that has a part of the samples.
type source struct {
	c      storage.Columns
	number int32
	series []int32 // by series of the result: which it is here

	// Where its rows are: from at on one after the other, or each where rows says.
	at    int
	rows  []int32 // nil if they are one after the other
	clean bool    // no other source has a row between its first and last
}

// lay computes the times and where the rows of the sources lie among them.
func (m *merged) lay() {
	order := make([]int, len(m.sources))
	n := 0
	for k := range m.sources {
		order[k] = k
		n += len(m.sources[k].c.Times())
	}
	first := func(k int) int64 { return m.sources[k].c.Times()[0] }
	last := func(k int) int64 { ts := m.sources[k].c.Times(); return ts[len(ts)-1] }
	order = slices.DeleteFunc(order, func(k int) bool { return len(m.sources[k].c.Times()) == 0 })
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case first(a) < first(b):
			return -1
		case first(a) > first(b):
			return 1
		}
		return 0
	})
	m.ts = make([]int64, 0, n)
	for i := 0; i < len(order); { // runs of sources that overlap
		end, until := i+1, last(order[i])
		for end < len(order) && first(order[end]) <= until {
			until = max(until, last(order[end]))
			end++
		}
		if end == i+1 {
			s := &m.sources[order[i]]
			s.at, s.clean = len(m.ts), true
			m.ts = append(m.ts, s.c.Times()...)
		} else {
			m.overlap = true
			m.weave(order[i:end])
		}
		i = end
	}
}

// weave adds the times of sources that overlap.
func (m *merged) weave(run []int) {
	base := len(m.ts)
	for _, k := range run {
		m.ts = append(m.ts, m.sources[k].c.Times()...)
	}
	slices.Sort(m.ts[base:])
	m.ts = m.ts[:base+len(slices.Compact(m.ts[base:]))]
	for _, k := range run {
		s := &m.sources[k]
		ts := s.c.Times()
		s.at = base + sort.Search(len(m.ts)-base, func(i int) bool { return m.ts[base+i] >= ts[0] })
		if end := s.at + len(ts); end <= len(m.ts) && m.ts[end-1] == ts[len(ts)-1] {
			continue // as many rows as there are between its first and its last
		}
		s.rows = make([]int32, len(ts))
		r := s.at
		for i, t := range ts {
			for m.ts[r] != t {
				r++
			}
			s.rows[i] = int32(r)
		}
	}
}

// row returns where row r of the source is.
func (s *source) row(r int) int {
	if s.rows == nil {
		return s.at + r
	}
	return int(s.rows[r])
}

// Common implements storage.Columns.
func (m *merged) Common() labels.Labels { return m.newest().c.Common() }

func (m *merged) newest() *source { return &m.sources[len(m.sources)-1] }

// Len implements storage.Columns.
func (m *merged) Len() int { return len(m.sources[0].series) }

// Labels implements storage.Columns.
func (m *merged) Labels(i int) labels.Labels { s := m.newest(); return s.c.Labels(int(s.series[i])) }

// MayHave tells whether a series may have a label of that name.
func (m *merged) MayHave(name string) bool {
	return slices.ContainsFunc(m.sources, func(s source) bool { return mayHave(s.c, name) })
}

// mayHave tells whether a series of the selection may have a label of that name.
func mayHave(c storage.Columns, name string) bool {
	l, ok := c.(interface{ MayHave(name string) bool })
	return !ok || l.MayHave(name)
}

// Times implements storage.Columns.
func (m *merged) Times() []int64 {
	m.once.Do(m.lay)
	return m.ts
}

// Rows implements storage.Columns.
func (m *merged) Rows(i int) (lo, hi int) {
	m.once.Do(m.lay)
	lo = len(m.ts)
	for k := range m.sources {
		s := &m.sources[k]
		if a, b := s.c.Rows(int(s.series[i])); a < b {
			lo, hi = min(lo, s.row(a)), max(hi, s.row(b-1)+1)
		}
	}
	return min(lo, hi), hi
}

// Complete tells whether series i has a sample in every row, as far as that is known without decoding.
func (m *merged) Complete(i int) bool {
	m.once.Do(m.lay)
	if m.overlap {
		return false
	}
	for k := range m.sources {
		s := &m.sources[k]
		if c, ok := s.c.(interface{ Complete(i int) bool }); !ok || !c.Complete(int(s.series[i])) {
			return false
		}
	}
	return true
}

// Values implements storage.Columns.
func (m *merged) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	m.once.Do(m.lay)
	if i < 0 || i >= m.Len() || lo < 0 || hi > len(m.ts) || lo > hi {
		return nil, fmt.Errorf("rows %d to %d of series %d: there are %d rows of %d series", lo, hi, i, len(m.ts), m.Len())
	}
	dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
	if m.overlap {
		for r := range dst {
			dst[r] = storage.Absent
		}
	}
	var buf []float64
	for k := range m.sources {
		s := &m.sources[k]
		n := len(s.c.Times())
		a := sort.Search(n, func(r int) bool { return s.row(r) >= lo })
		b := a + sort.Search(n-a, func(r int) bool { return s.row(a+r) >= hi })
		if a == b {
			continue
		}
		if s.clean {
			if err := s.into(i, a, b, dst[s.row(a)-lo:s.row(b-1)+1-lo]); err != nil {
				return nil, err
			}
			continue
		}
		vals, err := s.c.Values(int(s.series[i]), a, b, buf)
		if err != nil {
			return nil, err
		}
		for r, v := range vals {
			if !storage.IsAbsent(v) {
				dst[s.row(a+r)-lo] = v
			}
		}
		buf = vals
	}
	return dst, nil
}

// Stored implements block.Stored.
func (m *merged) Stored(i, r int) (storage.Columns, int, int) {
	m.once.Do(m.lay)
	for k := range m.sources {
		s := &m.sources[k]
		if from, ok := s.c.(block.Stored); ok && !m.overlap && s.at <= r && r < s.at+len(s.c.Times()) {
			return from.Stored(int(s.series[i]), r-s.at)
		}
	}
	return nil, 0, 0
}

// Runs implements storage.StatisticsColumns. Where sources overlap nothing is known.
func (m *merged) Runs(i, lo, hi int, dst []storage.Run) ([]storage.Run, error) {
	m.once.Do(m.lay)
	mark := len(dst)
	for k := range m.sources {
		s := &m.sources[k]
		n := len(s.c.Times())
		if m.overlap || n == 0 {
			continue
		}
		a, b := max(lo-s.at, 0), min(hi-s.at, n)
		if a >= b {
			continue
		}
		from := len(dst)
		var err error
		if dst, err = runs(s.c, int(s.series[i]), a, b, dst); err != nil {
			return nil, err
		}
		for r := from; r < len(dst); r++ {
			dst[r].Lo += s.at
			dst[r].Hi += s.at
		}
	}
	if m.overlap && lo < hi {
		return append(dst, storage.Run{Lo: lo, Hi: hi}), nil
	}
	slices.SortFunc(dst[mark:], func(a, b storage.Run) int { return a.Lo - b.Lo })
	return dst, nil
}

// runs returns what a selection knows of rows a..b-1 of series i, that they are there at least.
func runs(c storage.Columns, i, a, b int, dst []storage.Run) ([]storage.Run, error) {
	if s, ok := c.(storage.StatisticsColumns); ok {
		return s.Runs(i, a, b, dst)
	}
	return append(dst, storage.Run{Lo: a, Hi: b}), nil
}

// into decodes rows a..b-1 of a series into dst, which is as long.
func (s *source) into(i, a, b int, dst []float64) error {
	vals, err := s.c.Values(int(s.series[i]), a, b, dst[:0:len(dst)])
	if err == nil && &vals[0] != &dst[0] {
		copy(dst, vals)
	}
	return err
}
