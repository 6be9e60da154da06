package exec

import (
	"slices"
	"sort"

	"github.com/facette/natsort"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// sorted orders the series of an instant query; the results of a range query are ordered by labels at the end, whatever
// happens here.
func sorted(of operator, order func(m *matrix)) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		m, err := collect(q, of)
		if err == nil {
			order(m)
		}
		return m, err
	}}
}

// sortCall makes the operator of a sort function.
func sortCall(name string, of operator, args []plan.Node, n int) (operator, bool) {
	var order func(m *matrix)
	switch name {
	case "sort":
		order = func(m *matrix) { m.floats(); sort.Sort(sort.Reverse(byValue{m, false})) }
	case "sort_desc":
		order = func(m *matrix) { m.floats(); sort.Sort(sort.Reverse(byValue{m, true})) }
	case "sort_by_label":
		order = func(m *matrix) { sortByLabel(m, args[1:], 1) }
	case "sort_by_label_desc":
		order = func(m *matrix) { sortByLabel(m, args[1:], -1) }
	default:
		return nil, false
	}
	if n != 1 {
		return of, true
	}
	return sorted(of, order), true
}

// floats leaves the series that have a float at the only step.
func (m *matrix) floats() {
	n := 0
	for i, col := range m.cols {
		if !storage.IsAbsent(col.v[0]) {
			m.series[n], m.cols[n] = m.series[i], col
			n++
		}
	}
	m.series, m.cols = m.series[:n], m.cols[:n]
}

// byValue orders by the value of the only step, NaN first, so that reversed it comes last.
type byValue struct {
	*matrix
	ascending bool
}

func (b byValue) Len() int { return len(b.cols) }

func (b byValue) Swap(i, j int) {
	b.series[i], b.series[j] = b.series[j], b.series[i]
	b.cols[i], b.cols[j] = b.cols[j], b.cols[i]
}

func (b byValue) Less(i, j int) bool {
	x, y := b.cols[i].v[0], b.cols[j].v[0]
	if x != x {
		return true
	}
	if b.ascending {
		return x < y
	}
	return x > y
}

// sortByLabel orders naturally by the values of the labels names, then by all labels.
func sortByLabel(m *matrix, names []plan.Node, sign int) {
	order := make([]int, len(m.series))
	for i := range order {
		order[i] = i
		m.series[i].metric()
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := m.series[i].labels, m.series[j].labels
		for _, name := range names {
			x, y := a.Get(text(name)), b.Get(text(name))
			switch {
			case x == y:
				continue
			case natsort.Compare(x, y):
				return -sign
			}
			return sign
		}
		return sign * labels.Compare(a, b)
	})
	out := matrix{}
	for _, i := range order {
		out.series = append(out.series, m.series[i])
		out.cols = append(out.cols, m.cols[i])
	}
	*m = out
}
