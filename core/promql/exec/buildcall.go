package exec

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

func (b builder) call(n *plan.Call) (operator, error) {
	if n.Out != nil {
		return b.callout(n)
	}
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
	case "start_timestamp":
		if s, ok := n.Args[0].(*plan.Selector); ok && b.startTimes && !s.Stamp {
			return b.startTimestamp(s)
		}
		return b.forRemarks(n.Args[0])
	case "histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar":
		return b.forRemarks(n.Args[0]) // of native histograms, which are not read
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

// startTimestamp is start_timestamp(s). Samples have no start times, which is 0.
func (b builder) startTimestamp(s *plan.Selector) (operator, error) {
	stamp := *s
	stamp.Stamp, stamp.Slides = true, false
	of, err := b.vector(&stamp)
	return &mapped{of: of, f: func(col []float64, _ [][]float64) {
		for k, x := range col {
			if !storage.IsAbsent(x) {
				col[k] = 0
			}
		}
	}}, err
}

// overRange makes the operator of a function whose argument i is the range vector r.
func (b builder) overRange(n *plan.Call, r *plan.Range, i int) (operator, error) {
	f, err := b.rangeFunc(n.Func, r)
	if err != nil {
		return nil, err
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
	ref, width := b.reach(r)
	scan := &windowScan{
		rows: rows, ref: ref, eval: b.grid, width: width, f: f, args: args, keep: fn.KeepsName(n.Func),
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
		ref, width := b.reach(r)
		first, last := ref.Bounds()
		return b.q.register(first-width+1, last, r.Of.Matchers), nil
	}
	g := r.Grid(b.grid, b.subqueryStep)
	of, err := b.on(g, weight).vectorOf(r.Sub.Expr)
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

// rangeFunc returns the function name for r.
func (b builder) rangeFunc(name string, r *plan.Range) (fn.RangeFunc, error) {
	if r.Of != nil && r.Of.Extend != plan.Plain {
		e := b.extended(r)
		f, ok := e.Range(name)
		if !ok {
			modifier := "anchored"
			if e.Smoothed {
				modifier = "smoothed"
			}
			return nil, fmt.Errorf("%s modifier can only be used with: %s - not with %s", modifier, e.Functions(), name)
		}
		return f, nil
	}
	f, ok := fn.Range(name, r.Seconds)
	if !ok {
		return nil, fmt.Errorf("unknown function %s", name)
	}
	return f, nil
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
