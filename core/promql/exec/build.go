package exec

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// builder makes operators of a plan, for the steps of one grid.
type builder struct {
	q                      *query
	grid                   plan.Grid
	lookback, subqueryStep int64
	weight                 int64 // how many steps of the query each step here stands for, in the count of samples
}

// on returns a builder for another grid.
func (b builder) on(g plan.Grid, weight int64) builder {
	b.grid, b.weight = g, weight
	return b
}

// nothing is an operator without series.
type nothing struct{}

func (nothing) open(*query) ([]series, error) { return nil, nil }
func (nothing) run(*query, sink) error        { return nil }

// vector makes the operator of an expression of type vector.
func (b builder) vector(n plan.Node) (operator, error) {
	if b.grid.N == 0 {
		return nothing{}, nil
	}
	switch n := n.(type) {
	case *plan.Selector:
		op := newInstantScan(b.q, n, b.grid, b.lookback, b.weight)
		if n.Stamp {
			op = &merge{of: op}
		}
		return op, nil
	case *plan.Invariant:
		of, err := b.on(b.grid.First(), b.weight*int64(b.grid.N)).vector(n.Of)
		if err != nil || b.grid.N == 1 {
			return of, err
		}
		return &invariantVector{of, b.grid.N}, nil
	case *plan.Negate:
		of, err := b.vector(n.Of)
		if err != nil {
			return nil, err
		}
		return renamed(of, nil, func(col []float64, _ [][]float64) { fn.Negate(col) }), nil
	case *plan.Binary:
		return b.binary(n)
	case *plan.Aggregate:
		return b.aggregate(n)
	case *plan.Call:
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
		return withScalar(b.q, n, of, s, lt == parser.ValueTypeScalar), nil
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
	of, err := b.vector(n.Of)
	if err != nil {
		return nil, err
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

func (b builder) call(n *plan.Call) (operator, error) {
	for i, arg := range n.Args {
		if r, ok := arg.(*plan.Range); ok {
			return b.overRange(n, r, i)
		}
	}
	switch n.Func {
	case "vector":
		s, err := b.scalar(n.Args[0])
		return vector{s}, err
	case "histogram_quantile", "histogram_quantiles", "histogram_fraction":
		return b.histogram(n)
	case "start_timestamp", "histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar":
		// These are about native histograms and start times, which samples that are floats do not have. The argument
		// is evaluated for what it may remark on.
		of, err := b.vector(n.Args[0])
		return &held{compute: func(q *query) (*matrix, error) {
			m, err := collect(q, of)
			if err == nil {
				m.release(q)
			}
			return &matrix{}, err
		}}, err
	}
	if len(n.Args) == 0 { // of dates, at the time of the step
		of, ok := mapCall(n.Func, vector{clock{b.grid}}, nil, b.grid.N)
		if !ok {
			return nil, fmt.Errorf("unknown function %s", n.Func)
		}
		return of, nil
	}
	of, err := b.vector(n.Args[0])
	if err != nil {
		return nil, err
	}
	switch n.Func {
	case "absent":
		return absent(of, n.Absent, b.grid.N), nil
	case "timestamp":
		return stamped(of, b.grid), nil
	case "label_replace":
		return labelReplace(of, n.Args)
	case "label_join":
		return labelJoin(of, n.Args)
	}
	if op, ok := sortCall(n.Func, of, n.Args, b.grid.N); ok {
		if b.grid.Ranged {
			b.q.annotate(annotations.NewSortInRangeQueryWarning(n.Pos()))
		}
		return op, nil
	}
	args, err := b.scalars(n.Args[1:])
	if err != nil {
		return nil, err
	}
	op, ok := mapCall(n.Func, of, args, b.grid.N)
	if !ok {
		return nil, fmt.Errorf("unknown function %s", n.Func)
	}
	return op, nil
}

// overRange makes the operator of a function whose argument i is the range vector r.
func (b builder) overRange(n *plan.Call, r *plan.Range, i int) (operator, error) {
	f, ok := fn.Range(n.Func, r.Seconds)
	if !ok {
		return nil, fmt.Errorf("unknown function %s", n.Func)
	}
	others := append(n.Args[:i:i], n.Args[i+1:]...)
	args, err := b.scalars(others)
	if err != nil {
		return nil, err
	}
	rows, err := b.rows(r, 0)
	if err != nil {
		return nil, err
	}
	scan := &windowScan{
		rows: rows, ref: r.Times(b.grid), eval: b.grid, width: r.Width, f: f, args: args, keep: fn.KeepsName(n.Func),
		counter: fn.OfCounters(n.Func), pos: r.Pos(), weight: b.weight,
	}
	if r.Sub != nil {
		scan.pos = posrange.PositionRange{} // upstream has lost the place of a subquery by then
	}
	if n.Func == "quantile_over_time" {
		scan.valid = func(x float64) error { return invalidQuantile(x, n.Args[0]) }
	}
	op := operator(&merge{of: scan, apart: true})
	if n.Func == "absent_over_time" {
		op = absent(scan, n.Absent, b.grid.N)
	}
	return op, nil
}

// rows returns where the samples of r come from. What a subquery reads is counted weight times.
func (b builder) rows(r *plan.Range, weight int64) (rows, error) {
	if r.Of != nil {
		first, last := r.Times(b.grid).Bounds()
		return b.q.register(first-r.Width+1, last, r.Of.Matchers), nil
	}
	g := r.Grid(b.grid, b.subqueryStep)
	of, err := b.on(g, weight).vectorOf(r.Sub.Expr)
	return &subquery{of: of, grid: g}, err
}

// vectorOf makes the operator of a vector or, as one series without labels, of a scalar.
func (b builder) vectorOf(n plan.Node) (operator, error) {
	if n.Type() != parser.ValueTypeScalar {
		return b.vector(n)
	}
	s, err := b.scalar(n)
	return vector{s}, err
}

func (b builder) histogram(n *plan.Call) (operator, error) {
	arg, label, params := n.Args[len(n.Args)-1], "", n.Args[:len(n.Args)-1]
	if n.Func == "histogram_quantiles" {
		arg, label, params = n.Args[0], text(n.Args[1]), n.Args[2:]
	}
	of, err := b.vector(arg)
	if err != nil {
		return nil, err
	}
	ss, err := b.scalars(params)
	if err != nil {
		return nil, err
	}
	if n.Func == "histogram_fraction" {
		return histogramFraction(of, arg, ss[0], ss[1], b.grid.N), nil
	}
	return histogramQuantiles(of, arg, label, ss, params, b.grid), nil
}

func (b builder) scalars(ns []plan.Node) ([]scalar, error) {
	out := make([]scalar, len(ns))
	for i, n := range ns {
		if n.Type() == parser.ValueTypeString {
			continue
		}
		var err error
		if out[i], err = b.scalar(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scalar makes the evaluation of an expression of type scalar.
func (b builder) scalar(n plan.Node) (scalar, error) {
	switch n := n.(type) {
	case *plan.Number:
		return number{n.Val, b.grid.N}, nil
	case *plan.Invariant:
		s, err := b.on(b.grid.First(), b.weight*int64(b.grid.N)).scalar(n.Of)
		return scalarInvariant{s, b.grid.N}, err
	case *plan.Negate:
		s, err := b.scalar(n.Of)
		return scalarMap{[]scalar{s}, func(args [][]float64, k int) float64 { return -args[0][k] }}, err
	case *plan.Binary:
		args, err := b.scalars([]plan.Node{n.LHS, n.RHS})
		if err != nil {
			return nil, err
		}
		return scalarBinary{n.Op, args[0], args[1]}, nil
	case *plan.Call:
		return b.scalarCall(n)
	}
	return nil, fmt.Errorf("unhandled expression of type: %T", n)
}

func (b builder) scalarCall(n *plan.Call) (scalar, error) {
	switch n.Func {
	case "time":
		return clock{b.grid}, nil
	case "pi":
		return number{math.Pi, b.grid.N}, nil
	case "scalar":
		of, err := b.vector(n.Args[0])
		return only{of, b.grid.N}, err
	}
	args, err := b.scalars(n.Args)
	if err != nil {
		return nil, err
	}
	switch n.Func {
	case "max_of":
		return scalarMap{args, func(a [][]float64, k int) float64 { return math.Max(a[0][k], a[1][k]) }}, nil
	case "min_of":
		return scalarMap{args, func(a [][]float64, k int) float64 { return math.Min(a[0][k], a[1][k]) }}, nil
	}
	return nil, fmt.Errorf("unknown function %s", n.Func)
}
