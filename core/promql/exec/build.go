package exec

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// builder makes operators of a plan, for the steps of one grid.
type builder struct {
	q                      *query
	grid                   plan.Grid
	lookback, subqueryStep int64
	startTimes             bool   // start_timestamp has a result
	uniform                bool   // who asks for a vector takes histograms bucket by bucket, too
	trace                  *Trace // of what is being built; nil if nothing is traced
	count                  *tally // of the samples of this grid
}

// on returns a builder for an expression on another grid, whose samples the query's count has weight times, and the way
// its tally is settled.
func (b builder) on(g plan.Grid, weight int64, stepwise bool, merge func(outer, of *tally)) (builder, error) {
	count, err := newTally(b.q, g, weight, stepwise)
	if err != nil {
		return b, err
	}
	b.count.within = append(b.count.within, inner{count, merge})
	b.grid, b.count = g, count
	return b, nil
}

// once returns a builder for an expression that has the same value at every step.
func (b builder) once() (builder, error) {
	return b.on(b.grid.First(), b.count.weight*int64(b.grid.N), false, once)
}

// nothing is an operator without series.
type nothing struct{}

func (nothing) open(*query) ([]series, error) { return nil, nil }
func (nothing) run(*query, sink) error        { return nil }

// vector makes the operator of an expression of type vector.
func (b builder) vector(n plan.Node) (operator, error) {
	if plus, ok := n.(*plan.Plus); ok {
		return b.vector(plus.Of)
	}
	if b.trace == nil {
		return b.untraced(n)
	}
	b, t := b.traceOf(n)
	op, err := b.untraced(n)
	if err != nil {
		return nil, err
	}
	return t.trace(op), nil
}

func (b builder) untraced(n plan.Node) (operator, error) {
	uniform := b.uniform
	b.uniform = false
	if b.grid.N == 0 {
		return nothing{}, nil
	}
	switch n := n.(type) {
	case *plan.Selector:
		if n.Extend == plan.Smoothed && !n.Stamp {
			return b.smoothed(n), nil
		}
		op := newInstantScan(b.q, n, b.grid, b.lookback, b.count)
		if n.Stamp {
			op = &merge{of: op}
		}
		return op, nil
	case *plan.Invariant:
		inner, err := b.once()
		if err != nil {
			return nil, err
		}
		of, err := inner.vector(n.Of)
		if err != nil || b.grid.N == 1 {
			return of, err
		}
		return &invariantVector{of, b.grid.N}, nil
	case *plan.Info:
		of, err := b.vector(n.Of)
		if err != nil {
			return nil, err
		}
		return newInfo(b, n, of), nil
	case *plan.Negate:
		of, err := b.vector(n.Of)
		if err != nil {
			return nil, err
		}
		return renamed(of, nil, negate), nil
	case *plan.Binary:
		return b.binary(n)
	case *plan.Aggregate:
		return b.aggregate(n)
	case *plan.Call:
		b.uniform = uniform && n.Out == nil
		return b.call(n)
	}
	return nil, fmt.Errorf("unhandled expression of type: %T", n)
}

func (b builder) binary(n *plan.Binary) (operator, error) {
	lt, rt := n.LHS.Type(), n.RHS.Type()
	if lt == parser.ValueTypeScalar || rt == parser.ValueTypeScalar {
		vec, num := n.LHS, n.RHS
		if lt == parser.ValueTypeScalar {
			vec, num = num, vec
		}
		of, err := b.vector(vec)
		if err != nil {
			return nil, err
		}
		s, err := b.scalar(num)
		if err != nil {
			return nil, err
		}
		return withScalar(n, of, s, lt == parser.ValueTypeScalar), nil
	}
	l, err := b.vector(n.LHS)
	if err != nil {
		return nil, err
	}
	r, err := b.vector(n.RHS)
	if err != nil {
		return nil, err
	}
	if n.Op.IsSetOperator() {
		return newSet(n, l, r), nil
	}
	return newJoin(n, l, r, b.grid.N), nil
}

func (b builder) aggregate(n *plan.Aggregate) (operator, error) {
	input := b
	input.uniform = isFold(n.Op)
	of, err := input.vector(n.Of)
	if err != nil {
		return nil, err
	}
	if scan, ok := of.(*instantScan); ok && (n.Op == parser.COUNT || n.Op == parser.GROUP) && !n.Without && len(n.Grouping) == 0 {
		scan.sel.counted++
	}
	switch {
	case isFold(n.Op):
		return fold(n, of, b.grid.N), nil
	case n.Op == parser.COUNT_VALUES:
		return countValues(n, of, b.grid.N), nil
	}
	param, err := b.scalar(n.Param)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case parser.QUANTILE:
		return quantile(n, of, param), nil
	case parser.LIMIT_RATIO:
		return &limitRatio{Aggregate: n, of: of, param: param}, nil
	}
	return rank(n, of, param, b.grid.N), nil
}
