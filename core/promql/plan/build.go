package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/callout"
)

// stepDependent names the functions whose result may change from step to step although their arguments do not: they
// use the time of evaluation, or the times of the samples they are given.
var stepDependent = map[string]bool{
	"days_in_month": true, "day_of_month": true, "day_of_week": true, "day_of_year": true,
	"hour": true, "minute": true, "month": true, "year": true,
	"predict_linear": true, "time": true, "timestamp": true,
}

// builder makes a plan for one query.
type builder struct {
	start, end time.Time
	step       time.Duration
	outs       callout.Table
	stats      bool // within a function that wants only count and sum of histograms
	whole      bool // within one that needs buckets, whatever stats says
	plain      bool // within the parameter of an aggregation, where upstream resolves no @ start() and marks nothing invariant
}

// part is a built subtree and what its parent must know: whether its value is the same at every step, and whether it
// must then be wrapped by the parent that is not (selectors of ranges and literals need not).
type part struct {
	node            Node
	invariant, wrap bool
}

// Build makes the plan of e for a query from start to end; step is 0 for an instant query. Functions in outs are called
// out to. The errors are about the query's text: a duration that is out of bounds, a modifier the engine does not have.
func Build(e parser.Expr, start, end time.Time, step time.Duration, outs callout.Table) (Node, error) {
	b := &builder{start: start, end: end, step: step, outs: outs}
	p, err := b.build(e)
	if err != nil {
		return nil, err
	}
	return p.wrapped(), nil
}

func (p part) wrapped() Node {
	if p.wrap {
		return invariant(p.node)
	}
	return p.node
}

func invariant(n Node) Node { return &Invariant{expr: expr{n.Type(), n.Pos()}, Of: n} }

func constant(n Node) part { return part{node: n, invariant: true} }

func (b *builder) build(e parser.Expr) (part, error) {
	x := expr{typ: e.Type(), pos: e.PositionRange()}
	switch n := e.(type) {
	case *parser.NumberLiteral:
		return constant(&Number{x, n.Val}), nil
	case *parser.StringLiteral:
		return constant(&Text{x, n.Val}), nil
	case *parser.ParenExpr:
		return b.build(n.Expr)
	case *parser.UnaryExpr:
		p, err := b.build(n.Expr)
		switch {
		case err != nil:
		case n.Op == parser.SUB:
			p.node = &Negate{x, p.node}
		default:
			p.node = &Plus{x, p.node}
		}
		return p, err
	case *parser.VectorSelector:
		s, err := b.selector(n)
		if err != nil {
			return part{}, err
		}
		fixed := s.At != nil && !b.plain
		return part{s, fixed, fixed}, nil
	case *parser.MatrixSelector:
		return b.matrix(x, n)
	case *parser.SubqueryExpr:
		return b.subquery(x, n)
	case *parser.BinaryExpr:
		return b.binary(x, n)
	case *parser.AggregateExpr:
		return b.aggregate(x, n)
	case *parser.Call:
		return b.call(x, n)
	}
	return part{}, fmt.Errorf("unhandled expression of type: %T", e)
}

// at resolves the @ modifier.
func (b *builder) at(ts *int64, startOrEnd parser.ItemType) *int64 {
	var t int64
	switch {
	case b.plain || startOrEnd != parser.START && startOrEnd != parser.END:
		return ts
	case startOrEnd == parser.START:
		t = timestamp.FromTime(b.start)
	default:
		t = timestamp.FromTime(b.end)
	}
	return &t
}

func (b *builder) selector(n *parser.VectorSelector) (*Selector, error) {
	off, err := b.duration(n.OriginalOffsetExpr, n.OriginalOffset, true)
	if err != nil {
		return nil, err
	}
	s := &Selector{
		expr:      expr{parser.ValueTypeVector, n.PositionRange()},
		Reference: Reference{Offset: off.Milliseconds(), At: b.at(n.Timestamp, n.StartOrEnd), Slides: b.plain},
		Matchers:  n.LabelMatchers,
		Stats:     b.stats && !b.whole,
	}
	switch {
	case n.Anchored:
		s.Extend = Anchored
	case n.Smoothed:
		s.Extend = Smoothed
	}
	for _, m := range n.LabelMatchers {
		if m.Name == NameLabel && m.Type == labels.MatchEqual {
			s.Name = m.Value
		}
	}
	return s, nil
}

func (b *builder) matrix(x expr, n *parser.MatrixSelector) (part, error) {
	s, err := b.selector(n.VectorSelector.(*parser.VectorSelector))
	if err != nil {
		return part{}, err
	}
	width, err := b.duration(n.RangeExpr, n.Range, false)
	if err != nil {
		return part{}, err
	}
	s.Slides = false
	r := &Range{expr: x, Reference: s.Reference, Width: width.Milliseconds(), Seconds: width.Seconds(), Of: s}
	return part{node: r, invariant: s.At != nil && !b.plain}, nil
}

func (b *builder) subquery(x expr, n *parser.SubqueryExpr) (part, error) {
	p, err := b.needing(false, true).build(n.Expr)
	if err != nil {
		return part{}, err
	}
	if p.invariant && !b.plain {
		p.node = invariant(p.node)
	}
	off, err := b.duration(n.OriginalOffsetExpr, n.OriginalOffset, true)
	if err != nil {
		return part{}, err
	}
	step, err := b.duration(n.StepExpr, n.Step, false)
	if err != nil {
		return part{}, err
	}
	width, err := b.duration(n.RangeExpr, n.Range, false)
	if err != nil {
		return part{}, err
	}
	ref := Reference{Offset: off.Milliseconds(), At: b.at(n.Timestamp, n.StartOrEnd)}
	r := &Range{
		expr: x, Reference: ref, Width: width.Milliseconds(), Seconds: width.Seconds(),
		Sub: &Subquery{Expr: p.node, Step: step.Milliseconds()},
	}
	return part{node: r, invariant: ref.At != nil && !b.plain}, nil
}

// needing returns b for what is within an expression that wants only the stats of histograms, or needs them whole.
func (b *builder) needing(stats, whole bool) *builder {
	within := *b
	within.stats, within.whole = b.stats || stats, b.whole || whole
	return &within
}

func (b *builder) binary(x expr, n *parser.BinaryExpr) (part, error) {
	if n.Op == parser.TRIM_LOWER || n.Op == parser.TRIM_UPPER {
		b = b.needing(false, true)
	}
	l, err := b.build(n.LHS)
	if err != nil {
		return part{}, err
	}
	r, err := b.build(n.RHS)
	if err != nil {
		return part{}, err
	}
	out := &Binary{expr: x, Op: n.Op, LHS: l.node, RHS: r.node, Bool: n.ReturnBool, Matching: n.VectorMatching}
	if l.invariant && r.invariant {
		return part{out, !b.plain, !b.plain}, nil
	}
	out.LHS, out.RHS = l.wrapped(), r.wrapped()
	return part{node: out}, nil
}

func (b *builder) aggregate(x expr, n *parser.AggregateExpr) (part, error) {
	p, err := b.build(unparen(n.Expr))
	if err != nil {
		return part{}, err
	}
	out := &Aggregate{expr: x, Op: n.Op, Of: p.node, Without: n.Without, Grouping: slices.Clone(n.Grouping)}
	slices.Sort(out.Grouping)
	if n.Param != nil {
		param := *b
		param.plain = true
		q, err := param.build(unparen(n.Param))
		if err != nil {
			return part{}, err
		}
		out.Param = q.node
	}
	p.node = out
	return p, nil
}

func (b *builder) call(x expr, n *parser.Call) (part, error) {
	switch n.Func.Name { // what is known before evaluation
	case "start":
		return constant(&Number{x, float64(timestamp.FromTime(b.start)) / 1000}), nil
	case "end":
		return constant(&Number{x, float64(timestamp.FromTime(b.end)) / 1000}), nil
	case "range":
		return constant(&Number{x, b.end.Sub(b.start).Seconds()}), nil
	case "step":
		var step float64
		if !b.start.Equal(b.end) {
			step = b.step.Seconds()
		}
		return constant(&Number{x, step}), nil
	case "info":
		return b.info(x, n)
	}
	out := &Call{expr: x, Func: n.Func.Name, Args: make([]Node, len(n.Args)), Out: b.outs[n.Func.Name]}
	parts := make([]part, len(n.Args))
	switch n.Func.Name {
	case "histogram_count", "histogram_sum", "histogram_avg":
		b = b.needing(true, false)
	case "histogram_quantile", "histogram_quantiles", "histogram_fraction", "histogram_stddev", "histogram_stdvar":
		b = b.needing(false, true)
	}
	fixed := !stepDependent[n.Func.Name] && out.Out == nil // which may look at the time
	for i, arg := range n.Args {
		var err error
		if parts[i], err = b.build(unparen(arg)); err != nil {
			return part{}, err
		}
		out.Args[i] = parts[i].node
		fixed = fixed && parts[i].invariant
	}
	if out.Func == "timestamp" {
		if s, ok := out.Args[0].(*Selector); ok && !s.Stamp {
			return b.stamp(x, s), nil
		}
	}
	if len(n.Args) > 0 {
		out.Absent = absentLabels(unparen(n.Args[0]))
	}
	if fixed {
		return part{out, !b.plain, !b.plain}, nil
	}
	for i, p := range parts {
		out.Args[i] = p.wrapped()
	}
	return part{node: out}, nil
}

// stamp makes timestamp(s).
func (b *builder) stamp(x expr, s *Selector) part {
	s.expr, s.Stamp, s.Slides = x, true, false
	fixed := s.At != nil && !b.plain
	return part{s, fixed, fixed}
}

// absentLabels returns the labels that absent(e) gives its result: those the selector e demands by equality, unless a
// name is matched twice.
func absentLabels(e parser.Expr) labels.Labels {
	if m, ok := e.(*parser.MatrixSelector); ok {
		e = m.VectorSelector
	}
	s, ok := e.(*parser.VectorSelector)
	if !ok {
		return labels.EmptyLabels()
	}
	lb := labels.NewBuilder(labels.EmptyLabels())
	seen := map[string]bool{}
	for _, m := range s.LabelMatchers {
		switch {
		case m.Name == NameLabel:
		case m.Type == labels.MatchEqual && !seen[m.Name]:
			lb.Set(m.Name, m.Value)
			seen[m.Name] = true
		default:
			lb.Del(m.Name)
		}
	}
	return lb.Labels()
}

func unparen(e parser.Expr) parser.Expr {
	for {
		p, ok := e.(*parser.ParenExpr)
		if !ok {
			return e
		}
		e = p.Expr
	}
}
