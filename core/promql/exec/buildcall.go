package exec

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

func (b builder) call(n *plan.Call) (operator, error) {
	if n.Out != nil {
		return b.callout(n)
	}
	uniform := b.uniform
	b.uniform = false
	for i, arg := range n.Args {
		if r, ok := arg.(*plan.Range); ok {
			return b.overRange(n, r, i, uniform)
		}
	}
	switch n.Func {
	case "vector":
		s, err := b.scalar(n.Args[0])
		return vector{s}, err
	case "histogram_quantile", "histogram_quantiles", "histogram_fraction":
		return b.histogram(n)
	case "start_timestamp":
		if s, ok := n.Args[0].(*plan.Selector); ok && b.startTimes && !s.Stamp {
			stamp := *s
			stamp.Stamp, stamp.Start, stamp.Slides = true, true, false
			return b.vector(&stamp)
		}
		return b.forRemarks(n.Args[0])
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
	if f, ok := fn.OfHistogram(n.Func); ok {
		return renamed(of, nil, histogramsOnly(f)), nil
	}
	op, ok := mapCall(n.Func, of, args, b.grid.N)
	if !ok {
		return nil, fmt.Errorf("unknown function %s", n.Func)
	}
	return op, nil
}

// forRemarks evaluates n for what it may remark on. There is no result.
func (b builder) forRemarks(n plan.Node) (operator, error) {
	of, err := b.vector(n)
	return &held{compute: func(q *query) (*matrix, error) {
		m, err := collect(q, of)
		if err == nil {
			m.release(q)
		}
		return &matrix{}, err
	}}, err
}

// overRange makes the operator of a function whose argument i is the range vector r.
func (b builder) overRange(n *plan.Call, r *plan.Range, i int, uniform bool) (operator, error) {
	f, native, err := b.rangeFunc(n.Func, r)
	if err != nil {
		return nil, err
	}
	others := append(n.Args[:i:i], n.Args[i+1:]...)
	args, err := b.scalars(others)
	if err != nil {
		return nil, err
	}
	rows, err := b.rows(r)
	if err != nil {
		return nil, err
	}
	ref, width := b.reach(r)
	scan := &windowScan{
		rows: rows, ref: ref, eval: b.grid, width: width, f: f, need: needOf(n.Func), args: args, keep: fn.KeepsName(n.Func),
		counter: fn.OfCounters(n.Func), pos: r.Pos(), count: b.count, derived: r.Sub != nil,
		nativeFunc: native, argPos: n.Args[0].Pos(), span: r.Width, starts: b.startTimes && fn.UsesStarts(n.Func),
		checks: n.Func == "double_exponential_smoothing",
	}
	if r.Sub != nil {
		scan.pos = posrange.PositionRange{} // upstream has lost the place of a subquery by then
		if i == 0 {
			scan.argPos = scan.pos
		}
	}
	if r.Of != nil {
		scan.stats = r.Of.Stats
		if scan.takesUniform = uniform; r.Of.Extend == plan.Plain {
			switch n.Func {
			case "rate":
				scan.uniform = r.Seconds
			case "increase":
				scan.uniform = 1
			}
		}
		if r.Of.Extend != plan.Plain {
			scan.ahead = b.extended(r).Ahead
		}
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

// rows returns where the samples of r come from, which is the argument of a function.
func (b builder) rows(r *plan.Range) (rows, error) {
	if r.Sub != nil {
		return b.subquery(r, 0, ofWindows(r.Offset, r.Width))
	}
	ref, width := b.reach(r)
	first, last := ref.Bounds()
	return b.q.register(first-width+1, last, r.Of.Matchers), nil
}

// subquery returns the result of the subquery r, whose samples the query's count has weight times.
func (b builder) subquery(r *plan.Range, weight int64, merge func(outer, of *tally)) (rows, error) {
	g := r.Grid(b.grid, b.subqueryStep)
	inner, err := b.on(g, weight, b.grid.N > 1, merge)
	if err != nil {
		return nil, err
	}
	of, err := inner.vectorOf(r.Sub.Expr)
	return &subquery{of: of, grid: g}, err
}

// reach returns where the windows of r end and how wide they are: extended ranges see a lookback further.
func (b builder) reach(r *plan.Range) (ref plan.Times, width int64) {
	ref, width = r.Times(b.grid), r.Width
	if r.Of != nil && r.Of.Extend != plan.Plain {
		ahead := b.extended(r).Ahead
		ref.Base += ahead
		width += ahead + b.lookback
	}
	return ref, width
}

// extended returns what functions need to know of r, which is extended.
func (b builder) extended(r *plan.Range) fn.Extended {
	e := fn.Extended{Width: r.Width, Seconds: r.Seconds, Smoothed: r.Of.Extend == plan.Smoothed}
	if e.Smoothed {
		e.Ahead = b.lookback
	}
	return e
}

// rangeFunc returns the function name for r, of floats and of native histograms.
func (b builder) rangeFunc(name string, r *plan.Range) (fn.RangeFunc, fn.NativeFunc, error) {
	if r.Of != nil && r.Of.Extend != plan.Plain {
		e := b.extended(r)
		f, ok := e.Range(name)
		if !ok {
			return nil, nil, fmt.Errorf("%s modifier can only be used with: %s - not with %s", modifier(r.Of.Extend), e.Functions(), name)
		}
		native, _ := e.Native(name)
		return f, native, nil
	}
	f, ok := fn.Range(name, r.Seconds)
	if !ok {
		return nil, nil, fmt.Errorf("unknown function %s", name)
	}
	native, _ := fn.Native(name, r.Seconds)
	return f, native, nil
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
