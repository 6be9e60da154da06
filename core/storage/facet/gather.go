package facet

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// labelled is what selections of the database know about their labels.
type labelled interface {
	MayHave(name string) bool // false: no series has a label of that name
}

// Has tells whether any series of the selection is a facet.
func Has(c storage.Columns) bool {
	if l, ok := c.(labelled); ok {
		return l.MayHave(Name)
	}
	for i := range c.Len() {
		if c.Labels(i).Has(Name) {
			return true
		}
	}
	return false
}

// place is a series of one of several selections.
type place struct{ of, series int32 }

var nowhere = place{of: -1}

// visible is a series with facets.
type visible struct {
	ls        labels.Labels
	plain     place // of the series itself
	kinds     []kindPlace
	buckets   []bucketPlace
	sum       place
	count     place
	zeros     place
	threshold place
	start     place
}

type kindPlace struct {
	place
	bounds []float64
}

type bucketPlace struct {
	place
	index    int32
	negative bool
}

// Gather returns what a selection of the database is to its readers: facets become the histograms and start
// timestamps of their series. A selection without facets is returned as it is. Nothing is decoded.
func Gather(cs []storage.Columns) []storage.Columns {
	with := -1
	for i, c := range cs {
		if Has(c) {
			with = i
			break
		}
	}
	if with < 0 {
		return cs
	}
	g := gatherer{cs: cs, byLabels: map[string]*visible{}, names: map[string]bool{}, taken: make([][]bool, len(cs))}
	for i := with; i < len(cs); i++ {
		if Has(cs[i]) {
			g.facets(i)
		}
	}
	if len(g.all) == 0 {
		return cs
	}
	for i := range cs {
		g.plain(i)
	}
	return g.arranged()
}

type gatherer struct {
	cs       []storage.Columns
	byLabels map[string]*visible
	all      []*visible
	names    map[string]bool // of metrics that have facets
	taken    [][]bool        // by selection and series: it is part of a visible one; nil for none
	buf      []byte
}

func (g *gatherer) take(of, series int) place {
	if g.taken[of] == nil {
		g.taken[of] = make([]bool, g.cs[of].Len())
	}
	g.taken[of][series] = true
	return place{int32(of), int32(series)}
}

// facets finds the facets of a selection.
func (g *gatherer) facets(of int) {
	c := g.cs[of]
	var last *visible
	var key []byte
	for i := range c.Len() {
		ls := c.Labels(i)
		name := ls.Get(Name)
		if name == "" {
			continue
		}
		g.buf = ls.BytesWithoutLabels(g.buf[:0], Name)
		if last == nil || string(key) != string(g.buf) {
			key = append(key[:0], g.buf...)
			v, ok := g.byLabels[string(key)]
			if !ok {
				v = &visible{ls: labels.NewBuilder(ls).Del(Name).Labels(), plain: nowhere, sum: nowhere, count: nowhere,
					zeros: nowhere, threshold: nowhere, start: nowhere}
				g.byLabels[string(key)] = v
				g.all = append(g.all, v)
				g.names[ls.Get(model.MetricNameLabel)] = true
			}
			last = v
		}
		last.add(name, g.take(of, i))
	}
}

func (v *visible) add(name string, at place) {
	switch name {
	case sum:
		v.sum = at
	case count:
		v.count = at
	case zeroCount:
		v.zeros = at
	case zeroThreshold:
		v.threshold = at
	case start:
		v.start = at
	default:
		if index, negative, ok := bucketOf(name); ok {
			v.buckets = append(v.buckets, bucketPlace{at, index, negative})
		} else if bounds, ok := boundsOf(name); ok {
			v.kinds = append(v.kinds, kindPlace{at, bounds})
		}
	}
}

// plain finds the series themselves.
func (g *gatherer) plain(of int) {
	c := g.cs[of]
	own, ok := c.(interface{ Own(i int) labels.Labels })
	name := c.Common().Get(model.MetricNameLabel)
	for i := range c.Len() {
		if ok { // a cheap no for most
			own := own.Own(i).Get(model.MetricNameLabel)
			if own == "" {
				own = name
			}
			if !g.names[own] {
				continue
			}
		}
		ls := c.Labels(i)
		if ls.Has(Name) {
			continue
		}
		g.buf = ls.BytesWithoutLabels(g.buf[:0], Name)
		if v, ok := g.byLabels[string(g.buf)]; ok {
			v.plain = g.take(of, i)
		}
	}
}

// places returns the selections that the series is in, ascending.
func (v *visible) selections() []int32 {
	var out []int32
	add := func(p place) {
		if p.of >= 0 && !slices.Contains(out, p.of) {
			out = append(out, p.of)
		}
	}
	v.each(func(p *place) { add(*p) })
	slices.Sort(out)
	return out
}

// each calls f for each place, nowhere included.
func (v *visible) each(f func(p *place)) {
	for _, p := range []*place{&v.plain, &v.sum, &v.count, &v.zeros, &v.threshold, &v.start} {
		f(p)
	}
	for i := range v.kinds {
		f(&v.kinds[i].place)
	}
	for i := range v.buckets {
		f(&v.buckets[i].place)
	}
}

// arranged returns the visible series arranged by the selections their facets are in, so that they share their times,
// and before them what is left of the selections.
func (g *gatherer) arranged() []storage.Columns {
	var out []storage.Columns
	for of, c := range g.cs {
		if g.taken[of] == nil {
			out = append(out, c)
			continue
		}
		rest := &subset{Columns: c}
		for i, taken := range g.taken[of] {
			if !taken {
				rest.series = append(rest.series, i)
			}
		}
		if len(rest.series) > 0 {
			out = append(out, rest)
		}
	}
	bySelections := map[string]*gathered{}
	var all []*gathered
	var key []byte
	for _, v := range g.all {
		if v.plain == nowhere && len(v.kinds) == 0 {
			continue
		}
		in := v.selections()
		key = key[:0]
		for _, of := range in {
			key = binary.AppendUvarint(key, uint64(of))
		}
		m := bySelections[string(key)]
		if m == nil {
			m = &gathered{}
			for _, of := range in {
				m.sources = append(m.sources, source{c: g.cs[of]})
			}
			bySelections[string(key)] = m
			all = append(all, m)
		}
		v.each(func(p *place) {
			if *p != nowhere {
				p.of = int32(slices.Index(in, p.of))
			}
		})
		slices.SortFunc(v.buckets, byBound)
		m.series = append(m.series, v)
	}
	for _, m := range all {
		slices.SortFunc(m.series, func(a, b *visible) int { return labels.Compare(a.ls, b.ls) })
		out = append(out, m.offered())
	}
	return out
}

// byBound is the order of storage.Histograms: negative buckets by falling index, then positive ones by rising index.
func byBound(a, b bucketPlace) int {
	switch {
	case a.negative && b.negative:
		return cmp.Compare(b.index, a.index)
	case a.negative:
		return -1
	case b.negative:
		return 1
	}
	return cmp.Compare(a.index, b.index)
}

// subset is some series of a selection.
type subset struct {
	storage.Columns
	series []int
}

// Len implements storage.Columns.
func (s *subset) Len() int { return len(s.series) }

// Labels implements storage.Columns.
func (s *subset) Labels(i int) labels.Labels { return s.Columns.Labels(s.series[i]) }

// Rows implements storage.Columns.
func (s *subset) Rows(i int) (lo, hi int) { return s.Columns.Rows(s.series[i]) }

// Values implements storage.Columns.
func (s *subset) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	return s.Columns.Values(s.series[i], lo, hi, dst)
}
