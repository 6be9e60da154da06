package exec

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// Options bounds an evaluation.
type Options struct {
	Lookback       time.Duration // how far back an instant selector looks
	SubqueryStep   time.Duration // of a subquery that gives none
	MaxSamples     int           // held at a time; a sample counts as 16 bytes
	MaxSeries      int           // of the result; 0 is no limit
	MaxResultBytes int64         // of the result's labels and samples; 0 is no limit
	DelayedNames   bool          // remove metric names at the end only
	StartTimes     bool          // start_timestamp has a result
	TypeLabels     bool          // a label of series tells whether they are counters
	Pool           *Pool         // shared by the evaluations of an engine
	Account        Account       // what memory is taken from besides; may be nil
	Samples        *atomic.Int64 // where the samples read are counted as they are; may be nil
	Explain        bool          // trace the parts of the query
	Stepwise       bool          // count samples by step, too
	Query          string        // its text, for the trace
	Helpers        *Helpers      // likewise; nil evaluates on one goroutine
	WorthHelp      int           // cells and rows from which on a scan takes helpers; 0 is a standard
	StretchRows    int           // rows of a series that are decoded at a time, about; 0 is a standard
}

// Result is the outcome of an evaluation.
type Result struct {
	Value   model.Value
	Annos   annotations.Annotations
	Samples int64  // looked at, counted for each step that does
	Read    int64  // of these, what no step before has looked at
	Steps   Steps  // if Options.Stepwise
	Peak    int    // most samples held at a time
	Trace   *Trace // if Options.Explain
	Prepare time.Duration
	Eval    time.Duration
	Sort    time.Duration
}

// Steps is how many samples were looked at and read by each step of a grid.
type Steps struct {
	Grid         plan.Grid
	Looked, Read []int64
}

// Run evaluates n at the steps of g on what from holds. instant tells that the query is for one point in time: then a
// vector is a model.Vector in the order it was computed in, and not a model.Matrix in order of labels. Where the error
// comes with a result, that has the annotations up to there.
func Run(ctx context.Context, n plan.Node, g plan.Grid, instant bool, from storage.Queryable, o Options) (*Result, error) {
	q := newQuery(ctx, o)
	res := &Result{}
	began := time.Now()
	value, err := q.run(n, g, instant, from, o, res)
	res.Eval = time.Since(began) - res.Prepare - res.Sort
	res.Value, res.Annos, res.Peak = value, q.annos, int(q.peak.Load()+1)/cellsPerSample
	return res, err
}

func (q *query) run(n plan.Node, g plan.Grid, instant bool, from storage.Queryable, o Options, res *Result) (_ model.Value, err error) {
	defer caught(&err)
	began := time.Now()
	b := builder{q: q, grid: g, lookback: o.Lookback.Milliseconds(), subqueryStep: o.SubqueryStep.Milliseconds(), startTimes: o.StartTimes}
	if b.count, err = newTally(q, g, 1, o.Stepwise); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			return
		}
		sums := b.count.settle()
		res.Samples, res.Read = sums.looked, sums.read
		res.Steps = Steps{g, b.count.mu.looked, b.count.mu.read}
	}()
	if o.Explain {
		b.trace = &Trace{}
		defer func() { res.Trace = b.trace.root(o.Query, g.N) }()
	}
	eval, err := b.root(n, instant, res)
	if err != nil {
		return nil, err
	}
	if q.reads {
		querier, err := from.Querier(q.mint, q.maxt)
		if err != nil {
			return nil, ofStorage(err)
		}
		defer func() {
			if e := querier.Close(); e != nil {
				err = errors.Join(err, ofStorage(e))
			}
		}()
		if err := q.open(querier); err != nil {
			return nil, err
		}
	}
	res.Prepare = time.Since(began)
	return eval()
}

// caught turns the panic of a function about its argument into an error.
func caught(err *error) {
	switch e := recover().(type) {
	case nil:
	case fn.Error:
		*err = e
	default:
		panic(e)
	}
}

// root makes the evaluation of the whole expression.
func (b builder) root(n plan.Node, instant bool, res *Result) (func() (model.Value, error), error) {
	if b.grid.N == 0 {
		return func() (model.Value, error) { return model.Matrix{}, nil }, nil
	}
	switch n.Type() {
	case parser.ValueTypeString:
		if inv, ok := n.(*plan.Invariant); ok {
			n = inv.Of
		}
		return func() (model.Value, error) { return model.String{T: b.grid.Start, V: text(n)}, nil }, nil
	case parser.ValueTypeMatrix:
		return b.rangeVector(n.(*plan.Range), res)
	case parser.ValueTypeScalar:
		if !instant {
			break
		}
		s, err := b.scalar(n)
		return func() (model.Value, error) {
			col, err := s.eval(b.q)
			if err != nil {
				return nil, err
			}
			return model.Scalar{T: b.grid.Start, V: col[0]}, nil
		}, err
	}
	op, err := b.vectorOf(n)
	if b.q.delayed {
		op = &merge{final: true, of: &cleaned{of: op}}
	}
	return func() (model.Value, error) {
		if instant {
			return b.q.instant(op, b.grid.Start)
		}
		return b.q.rangeOf(op, b.grid, res)
	}, err
}
