package exec

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// source is where a scan reads: series in groups that share a timestamp column each, and the order they are read in.
type source struct {
	groups []storage.Columns
	refs   []ref    // in order of labels
	series []series // of refs
}

// lasts returns the last series of each group.
func (s *source) lasts() []int32 {
	last := make([]int32, len(s.groups))
	for n, r := range s.refs {
		last[r.group] = int32(n)
	}
	return last
}

// ref is series i of a group.
type ref struct{ group, i int32 }

// newSource brings the selected series into the order of their labels. Within a group they have it already. Where they are
// only counted they stay in any order, and without labels.
func newSource(q *query, groups []storage.Columns, counted bool) (*source, error) {
	n := 0
	for _, g := range groups {
		n += g.Len()
	}
	if err := q.charge(n * seriesCells); err != nil {
		return nil, err
	}
	s := &source{groups: groups, refs: make([]ref, 0, n), series: make([]series, 0, n)}
	starts := make([]int, 0, len(groups)+1)
	for gi, g := range groups {
		starts = append(starts, len(s.refs))
		bytes := 0
		for i := range g.Len() {
			s.refs = append(s.refs, ref{int32(gi), int32(i)})
			if counted {
				s.series = append(s.series, series{})
				continue
			}
			ls := g.Labels(i)
			bytes += int(ls.ByteSize()) + 16
			s.series = append(s.series, series{labels: ls})
		}
		if err := q.hold(bytes); err != nil {
			return nil, err
		}
	}
	if len(groups) < 2 || counted {
		return s, nil
	}
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	mergeRuns(order, append(starts, n), func(a, b int32) bool {
		return labels.Compare(s.series[a].labels, s.series[b].labels) <= 0
	})
	refs, ss := make([]ref, n), make([]series, n)
	for to, from := range order {
		refs[to], ss[to] = s.refs[from], s.series[from]
	}
	s.refs, s.series = refs, ss
	return s, nil
}

// mergeRuns sorts v, which consists of sorted runs v[starts[r]:starts[r+1]], by merging neighbours.
func mergeRuns(v []int32, starts []int, notAfter func(a, b int32) bool) {
	buf := make([]int32, len(v))
	for len(starts) > 2 {
		next := []int{0}
		for r := 0; r+1 < len(starts); r += 2 {
			a, m := starts[r], starts[r+1]
			if r+2 == len(starts) { // no neighbour
				copy(buf[a:m], v[a:m])
				next = append(next, m)
				break
			}
			b := starts[r+2]
			i, j := a, m
			for k := a; k < b; k++ {
				if j == b || i < m && notAfter(v[i], v[j]) {
					buf[k] = v[i]
					i++
				} else {
					buf[k] = v[j]
					j++
				}
			}
			next = append(next, b)
		}
		copy(v, buf)
		starts = next
	}
}

// gridColumns presents the result of a subquery as stored series: one group whose rows are the steps of its grid.
type gridColumns struct {
	m     *matrix
	times []int64
}

// subquerySource makes a source of the result m of an expression on g.
func subquerySource(m *matrix, g plan.Grid) *source {
	times := make([]int64, g.N)
	for k := range times {
		times[k] = g.At(k)
	}
	s := &source{groups: []storage.Columns{&gridColumns{m, times}}, series: slices.Clone(m.series)}
	for i := range m.series {
		s.refs = append(s.refs, ref{0, int32(i)})
	}
	return s
}

func (c *gridColumns) Common() labels.Labels      { return labels.EmptyLabels() }
func (c *gridColumns) Len() int                   { return len(c.m.cols) }
func (c *gridColumns) Labels(i int) labels.Labels { return c.m.series[i].metric() }
func (c *gridColumns) Times() []int64             { return c.times }
func (c *gridColumns) Rows(int) (lo, hi int)      { return 0, len(c.times) }

// Values copies the rows: a scan may change what it is given.
func (c *gridColumns) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	return append(dst[:0], c.m.cols[i].v[lo:hi]...), nil
}
