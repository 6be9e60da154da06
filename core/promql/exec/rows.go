package exec

import "github.com/hearth-project/hearth/core/promql/plan"

// rows is where the samples of a range vector come from: the storage or a subquery.
type rows interface {
	source(q *query) (*source, error)
}

func (s *selection) source(*query) (*source, error) { return s.src, nil }

// opened is rows that have been opened.
type opened struct{ src *source }

func (o opened) source(*query) (*source, error) { return o.src, nil }

// subquery is rows that are the result of an expression evaluated on a grid of its own.
type subquery struct {
	of   operator
	grid plan.Grid
}

func (s *subquery) source(q *query) (*source, error) {
	if s.grid.N == 0 {
		return &source{}, nil
	}
	if err := q.charge(s.grid.N); err != nil { // for the times of the steps
		return nil, err
	}
	m, err := collect(q, s.of)
	if err != nil {
		return nil, err
	}
	return subquerySource(m, s.grid), nil
}
