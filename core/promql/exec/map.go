package exec

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// mapped changes each column of its input by itself.
type mapped struct {
	of     operator
	args   []scalar
	f      func(col *column, args [][]float64)
	rename bool // the result is another quantity
}

func (op *mapped) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	if err != nil || !op.rename {
		return ss, err
	}
	return unnamed(q, ss), q.ctx.Err() // there may be very many calls in each other
}

func (op *mapped) run(q *query, out sink) error {
	args, err := scalars(q, op.args)
	if err != nil {
		return err
	}
	return op.of.run(q, func(i int, col column) error {
		op.f(&col, args)
		return out(i, col)
	})
}

// renamed is mapped whose results lose their name.
func renamed(of operator, args []scalar, f func(col *column, args [][]float64)) operator {
	return &merge{of: &mapped{of: of, args: args, f: f, rename: true}}
}

// ofFloats makes what mapped needs of a function of floats. Histograms are passed over.
func ofFloats(f func(col []float64, args [][]float64)) func(col *column, args [][]float64) {
	return func(col *column, args [][]float64) {
		col.h = nil
		f(col.v, args)
	}
}

// mapCall makes the operator of a function of single values, with scalar arguments after the vector.
func mapCall(name string, of operator, args []scalar, n int) (operator, bool) {
	switch name {
	case "clamp":
	case "clamp_min":
		args = append(args, number{math.Inf(+1), n})
	case "clamp_max":
		args = append([]scalar{number{math.Inf(-1), n}}, args...)
	case "round":
		if len(args) == 0 {
			args = []scalar{number{1, n}}
		}
		return renamed(of, args, ofFloats(func(col []float64, args [][]float64) { fn.Round(col, args[0]) })), true
	default:
		f, ok := fn.Map(name)
		return renamed(of, nil, ofFloats(func(col []float64, _ [][]float64) { fn.Apply(col, f) })), ok
	}
	return renamed(of, args, ofFloats(func(col []float64, args [][]float64) { fn.Clamp(col, args[0], args[1]) })), true
}

// stamped is timestamp(v) of something that is not a selector: the time of the step.
func stamped(of operator, g plan.Grid) operator {
	return renamed(of, nil, func(col *column, _ [][]float64) {
		for k := range col.v {
			if col.has(k) {
				col.v[k] = float64(g.At(k)) / 1000
			}
		}
		col.h = nil
	})
}

// negate is unary minus.
func negate(col *column, _ [][]float64) {
	fn.Negate(col.v)
	for k, h := range col.h {
		if h != nil {
			col.h[k] = h.Copy().Mul(-1)
		}
	}
}

// elementwise computes col[k] op s[k], or with swapped s[k] op col[k], into col.
func elementwise(op parser.ItemType, truth, swapped bool, col, s []float64) {
	switch {
	case op == parser.MUL:
		for k, x := range col {
			if !storage.IsAbsent(x) {
				col[k] = x * s[k]
			}
		}
		return
	case op == parser.DIV && !swapped:
		for k, x := range col {
			if !storage.IsAbsent(x) {
				col[k] = x / s[k]
			}
		}
		return
	}
	for k, x := range col {
		if storage.IsAbsent(x) {
			continue
		}
		l, r := x, s[k]
		if swapped {
			l, r = r, l
		}
		v, keep := fn.Binary(op, l, r)
		switch {
		case truth:
			v = fn.Truth(keep)
		case !keep:
			v = storage.Absent
		case op.IsComparisonOperator():
			v = x
		}
		col[k] = v
	}
}

// invariantVector is a vector evaluated at the first step only.
type invariantVector struct {
	of operator
	n  int
}

func (op *invariantVector) open(q *query) ([]series, error) { return op.of.open(q) }

func (op *invariantVector) run(q *query, out sink) error {
	wide, err := q.column(op.n)
	if err != nil {
		return err
	}
	defer q.release(op.n)
	return op.of.run(q, func(i int, col column) error {
		fill(wide, col.v[0])
		c := column{v: wide}
		if h := col.hist(0); h != nil {
			c.h = slices.Repeat([]*histogram.FloatHistogram{h}, op.n)
		}
		return out(i, c)
	})
}
