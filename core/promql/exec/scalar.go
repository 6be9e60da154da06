package exec

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// scalar is an expression of type scalar. eval returns its value at each step; the caller must not change it.
type scalar interface {
	eval(q *query) ([]float64, error)
}

func scalars(q *query, ss []scalar) ([][]float64, error) {
	cols := make([][]float64, len(ss))
	for i, s := range ss {
		var err error
		if cols[i], err = s.eval(q); err != nil {
			return nil, err
		}
	}
	return cols, nil
}

// number is a known scalar.
type number struct {
	v float64
	n int // steps
}

func (s number) eval(q *query) ([]float64, error) {
	col, err := q.column(s.n)
	fill(col, s.v)
	return col, err
}

// clock is time().
type clock struct{ grid plan.Grid }

func (s clock) eval(q *query) ([]float64, error) {
	col, err := q.column(s.grid.N)
	for k := range col {
		col[k] = float64(s.grid.At(k)) / 1000
	}
	return col, err
}

// scalarBinary is an operator on two scalars. Comparisons give 0 or 1.
type scalarBinary struct {
	op   parser.ItemType
	l, r scalar
}

func (s scalarBinary) eval(q *query) ([]float64, error) {
	args, err := scalars(q, []scalar{s.l, s.r})
	if err != nil {
		return nil, err
	}
	col, err := q.column(len(args[0]))
	for k := range col {
		v, keep := fn.Binary(s.op, args[0][k], args[1][k])
		if s.op.IsComparisonOperator() {
			v = fn.Truth(keep)
		}
		col[k] = v
	}
	return col, err
}

// scalarMap is a function of scalars.
type scalarMap struct {
	args []scalar
	f    func(args [][]float64, k int) float64
}

func (s scalarMap) eval(q *query) ([]float64, error) {
	args, err := scalars(q, s.args)
	if err != nil {
		return nil, err
	}
	col, err := q.column(len(args[0]))
	for k := range col {
		col[k] = s.f(args, k)
	}
	return col, err
}

// only is scalar(v): the value of the only series that has one, else NaN.
type only struct {
	of operator
	n  int
}

func (s only) eval(q *query) ([]float64, error) {
	col, err := q.holes(s.n)
	if err != nil {
		return nil, err
	}
	if _, err := s.of.open(q); err != nil {
		return nil, err
	}
	err = s.of.run(q, func(_ int, in column) error {
		for k, x := range in.v {
			switch {
			case storage.IsAbsent(x):
			case storage.IsAbsent(col[k]):
				col[k] = x
			default:
				col[k] = math.NaN()
			}
		}
		return nil
	})
	for k, x := range col {
		if storage.IsAbsent(x) {
			col[k] = math.NaN()
		}
	}
	return col, err
}

// scalarInvariant is a scalar evaluated at the first step only.
type scalarInvariant struct {
	of scalar
	n  int
}

func (s scalarInvariant) eval(q *query) ([]float64, error) {
	one, err := s.of.eval(q)
	if err != nil {
		return nil, err
	}
	col, err := q.column(s.n)
	fill(col, one[0])
	return col, err
}

// vector is vector(s): one series without labels.
type vector struct{ of scalar }

func (v vector) open(*query) ([]series, error) { return make([]series, 1), nil }

func (v vector) run(q *query, out sink) error {
	col, err := v.of.eval(q)
	if err != nil {
		return err
	}
	return out(0, column{v: col})
}
