// Package plan turns the syntax tree of a PromQL expression into a logical plan: a tree of the few kinds of things the
// engine can do, with everything resolved that does not depend on data. Offsets and the @ modifier have become
// reference times, start() and end() numbers, duration expressions durations, and what has the same value at every
// step is marked to be evaluated once. core/promql/exec makes operators of it.
package plan

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"github.com/hearth-project/hearth/core/promql/callout"
)

// NameLabel is the label that holds the name of the metric.
const NameLabel = model.MetricNameLabel

// Node is a part of a plan. Its type is what PromQL calls scalar, vector (instant vector), matrix (range vector) or
// string; Pos is its place in the text of the query, for annotations.
type Node interface {
	Type() parser.ValueType
	Pos() posrange.PositionRange
}

// expr is what all nodes have.
type expr struct {
	typ parser.ValueType
	pos posrange.PositionRange
}

func (e expr) Type() parser.ValueType      { return e.typ }
func (e expr) Pos() posrange.PositionRange { return e.pos }

// Number is a scalar that is known.
type Number struct {
	expr
	Val float64
}

// Text is a string literal.
type Text struct {
	expr
	Val string
}

// Reference is how the time of a step becomes the time that is looked at.
type Reference struct {
	Offset int64  // milliseconds back; negative looks ahead
	At     *int64 // of the @ modifier, Unix milliseconds; nil is the step's own time
	Slides bool   // At moves along with the steps, being the time of the first: upstream has it so in the parameter of an aggregation
}

// Times returns the reference times of the steps of g.
func (r Reference) Times(g Grid) Times {
	switch {
	case r.At == nil:
		return Times{Base: g.Start - r.Offset, Step: g.Step, N: g.N}
	case r.Slides:
		return Times{Base: *r.At - r.Offset, Step: g.Step, N: g.N}
	}
	return Times{Base: *r.At - r.Offset, N: g.N}
}

// Extension is how far a selector sees beyond what it selects.
type Extension uint8

const (
	Plain    Extension = iota
	Anchored           // a range sees the last sample before it begins
	Smoothed           // a range or a time sees the samples around its bounds, and interpolates
)

// Selector is an instant vector of stored series: of each its newest sample within the lookback.
type Selector struct {
	expr
	Reference
	Matchers []*labels.Matcher
	Name     string // of the metric, if the matchers demand one
	Extend   Extension
	Stamp    bool // the value is the sample's time, not its value: timestamp(selector)
	Start    bool // with Stamp: it is its start timestamp, as of start_timestamp(selector)
	Stats    bool // of native histograms only count and sum are wanted
}

// Range is a range vector: the samples in (t-Width, t] of stored series or of the results of a subquery.
type Range struct {
	expr
	Reference
	Width   int64   // milliseconds
	Seconds float64 // the same as upstream computes it
	Of      *Selector
	Sub     *Subquery // if Of is nil
}

// Subquery is an expression evaluated on a grid of its own.
type Subquery struct {
	Expr Node
	Step int64 // milliseconds; 0 is the engine's default
}

// Grid returns where the subquery of r is evaluated so that the windows of r at the steps of g are filled: the
// multiples of the subquery's step after the start of the first window, up to the end of the last one.
func (r *Range) Grid(g Grid, defaultStep int64) Grid {
	step := r.Sub.Step
	if step == 0 {
		step = defaultStep
	}
	if g.N == 0 {
		return Grid{Start: g.Start, Step: step}
	}
	first, last := r.Times(g).Bounds()
	open := first - r.Width // not part of the window
	start := step * (open / step)
	if start <= open {
		start += step
	}
	return NewGrid(start, last, step)
}

// Call is a call of a function. timestamp of a selector is not one: it is a Selector with Stamp.
type Call struct {
	expr
	Func   string
	Args   []Node
	Absent labels.Labels     // for absent and absent_over_time: the labels of the result
	Out    *callout.Function // if the function is not the engine's own
}

// Info is info(v, selector): v with labels of the info series that have the same identifying labels.
type Info struct {
	expr
	Of       Node
	Matchers []*labels.Matcher // of the selector; nil if none is given
	At       Reference         // where info series are looked up
}

// Aggregate folds the series of a vector into groups.
type Aggregate struct {
	expr
	Op       parser.ItemType
	Of       Node
	Param    Node     // the number of topk, quantile and so on, or the label of count_values; else nil
	Grouping []string // sorted
	Without  bool
}

// Binary joins two operands, scalars or vectors. Matching is set if both are vectors.
type Binary struct {
	expr
	Op       parser.ItemType
	LHS, RHS Node
	Bool     bool
	Matching *parser.VectorMatching
}

// Negate is unary minus.
type Negate struct {
	expr
	Of Node
}

// Plus is unary plus: it changes no value, but what it stands before is no selector for those above it.
type Plus struct {
	expr
	Of Node
}

// Invariant is an expression whose value at the first step is its value at every step.
type Invariant struct {
	expr
	Of Node
}
