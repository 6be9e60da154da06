// Package compact puts together what was stored apart: the same series in several parts and in the head, for a
// query or to make one part of many.
//
// Series are matched by their labels. To build and compare the full label sets of every series in every part
// would cost more than decoding their samples, so groups are first told apart by their common labels alone:
// two targets share no series. What is left is matched by the labels that a series has besides.
package compact

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// factored is what selections of the database know about their labels. Others are merged all the same.
type factored interface {
	storage.Columns
	Own(i int) labels.Labels // of series i, what Common does not have, as index.Own
	OwnNames() []string      // sorted: all names that Own of any series of the group may have
}

// MergeColumns merges selections that may overlap, oldest data first: each label set comes once, and of two
// samples of one series at one time that of the later list counts. Within a list a label set must be unique.
// Nothing is decoded before it is asked for; what the result needs of the lists it keeps.
func MergeColumns(lists ...[]storage.Columns) []storage.Columns {
	all := slices.Concat(lists...)
	shapes := make([]Shape, len(all))
	for i, c := range all {
		shapes[i] = shapeOf(c)
	}
	var out []storage.Columns
	for _, set := range Components(shapes) {
		if len(set) == 1 {
			out = append(out, all[set[0]])
			continue
		}
		var cs []storage.Columns
		for _, i := range set {
			cs = append(cs, all[i])
		}
		out = append(out, match(cs)...)
	}
	return out
}

func shapeOf(c storage.Columns) Shape {
	s := Shape{Common: c.Common()}
	if f, ok := c.(factored); ok {
		s.Own = f.OwnNames()
		return s
	}
	names := map[string]struct{}{}
	for i := range c.Len() {
		full := c.Labels(i)
		full.Range(func(l labels.Label) {
			if s.Common.Get(l.Name) != l.Value {
				names[l.Name] = struct{}{}
			}
		})
		s.Common.Range(func(l labels.Label) {
			if !full.Has(l.Name) {
				names[l.Name] = struct{}{}
			}
		})
	}
	for n := range names {
		s.Own = append(s.Own, n)
	}
	slices.Sort(s.Own)
	return s
}

// series is a series under way: the path says in which of the selections it occurs.
type series struct {
	key  labels.Labels
	path int32
	rank int32 // among those with its path
}

// path is a set of selections: those of its parent, and one more.
type path struct {
	parent, last int32
	depth        int
	n            int32 // series
}

// match matches the series of selections and returns them arranged by the selections they occur in: those that
// occur in the same ones share their times.
func match(cs []storage.Columns) []storage.Columns {
	key := keys(cs)
	var (
		all    []series
		paths  = []path{{parent: -1, last: -1}}
		step   = map[[2]int32]int32{}
		found  = make([][]int32, len(cs)) // by selection and its series: place in all
		byHash = map[uint64][]int32{}
		hashed = 0 // of all, how many are in byHash
	)
	for ci, c := range cs {
		found[ci] = make([]int32, c.Len())
		known, next := len(all), 0
		for i := range c.Len() {
			k := key(c, i)
			at := -1
			if next < known && labels.Equal(all[next].key, k) { // in the same order as before, mostly
				at = next
			} else if known > 0 {
				for ; hashed < known; hashed++ {
					h := all[hashed].key.Hash()
					byHash[h] = append(byHash[h], int32(hashed))
				}
				for _, s := range byHash[k.Hash()] {
					if labels.Equal(all[s].key, k) {
						at = int(s)
					}
				}
			}
			if at < 0 {
				at = len(all)
				all = append(all, series{key: k})
			} else {
				next = at + 1
			}
			found[ci][i] = int32(at)
			s := &all[at]
			to, ok := step[[2]int32{s.path, int32(ci)}]
			if !ok {
				to = int32(len(paths))
				step[[2]int32{s.path, int32(ci)}] = to
				paths = append(paths, path{parent: s.path, last: int32(ci), depth: paths[s.path].depth + 1})
			}
			s.path = to
		}
	}
	for i := range all {
		p := &paths[all[i].path]
		all[i].rank = p.n
		p.n++
	}
	return arrange(cs, all, paths, found)
}

// keys returns the function that identifies a series among the selections.
func keys(cs []storage.Columns) func(c storage.Columns, i int) labels.Labels {
	for _, c := range cs {
		if _, ok := c.(factored); !ok || !labels.Equal(c.Common(), cs[0].Common()) {
			return func(c storage.Columns, i int) labels.Labels { return c.Labels(i) }
		}
	}
	return func(c storage.Columns, i int) labels.Labels { return c.(factored).Own(i) }
}

// arrange makes one result of each path that series end in. A path's series came in the order of its first
// selection, so they are in order of labels.
func arrange(cs []storage.Columns, all []series, paths []path, found [][]int32) []storage.Columns {
	results := make([]*merged, len(paths))
	for p := range paths {
		if paths[p].n == 0 {
			continue
		}
		m := &merged{sources: make([]source, paths[p].depth)}
		for q := int32(p); paths[q].parent >= 0; q = paths[q].parent {
			m.sources[paths[q].depth-1] = source{c: cs[paths[q].last], number: paths[q].last, series: make([]int32, paths[p].n)}
		}
		results[p] = m
	}
	for ci := range cs {
		for i, at := range found[ci] {
			m := results[all[at].path]
			for k := range m.sources {
				if m.sources[k].number == int32(ci) {
					m.sources[k].series[all[at].rank] = int32(i)
				}
			}
		}
	}
	var out []storage.Columns
	for _, m := range results {
		switch {
		case m == nil:
		case len(m.sources) == 1 && m.Len() == m.sources[0].c.Len():
			out = append(out, m.sources[0].c)
		default:
			out = append(out, m)
		}
	}
	return out
}
