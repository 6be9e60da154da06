package promql

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/exec"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// QueryOptions is what one query may have otherwise than the engine.
type QueryOptions struct {
	Lookback time.Duration // 0 is the engine's
	Caller   Caller        // shown where running queries are
	Explain  bool          // Stats.Explain tells what each part of the query did
	Columns  bool          // the matrix of a range query may come as columns, in half the memory
	PerStep  bool          // Stats.Samples tells what each step looked at
	Rule     bool          // it is a rule's: others do not take its turn, nor the memory reserved for rules
}

// Result is what a query gives.
type Result struct {
	Value    model.Value // never nil; of a range query a *model.Columns if QueryOptions.Columns
	Warnings []string    // sorted, with their place in the query
	Infos    []string    // likewise
	Stats    *Stats
}

// request is a query on its way.
type request struct {
	expr       string
	start, end time.Time
	step       time.Duration // 0 for an instant query
	instant    bool
	lookback   time.Duration
	caller     Caller
	rule       bool
	explain    bool
	perStep    bool
	columns    bool
}

// Instant evaluates expr at the time t on what q holds. The value has the type of the expression; a vector is in the
// order the expression gives it, a matrix in order of labels.
func (e *Engine) Instant(ctx context.Context, q storage.Queryable, expr string, t time.Time, o QueryOptions) (*Result, error) {
	return e.query(ctx, q, request{expr: expr, start: t, end: t, instant: true, lookback: o.Lookback, caller: o.Caller, rule: o.Rule, explain: o.Explain, perStep: o.PerStep})
}

// Range evaluates expr, a vector or scalar, at start, start+step, … up to and including end. step must be at least a
// millisecond. The value is a matrix in order of labels.
func (e *Engine) Range(ctx context.Context, q storage.Queryable, expr string, start, end time.Time, step time.Duration, o QueryOptions) (*Result, error) {
	if step < time.Millisecond {
		return nil, parseError{fmt.Errorf("the step of a range query is %s: it must be at least 1ms", step)}
	}
	return e.query(ctx, q, request{expr: expr, start: start, end: end, step: step, lookback: o.Lookback, caller: o.Caller, rule: o.Rule, explain: o.Explain, perStep: o.PerStep, columns: o.Columns})
}

func (e *Engine) query(ctx context.Context, q storage.Queryable, r request) (*Result, error) {
	res, annos, err := e.evaluate(ctx, q, r)
	if err != nil {
		e.metrics.errors.Inc()
		e.logQuery(r, nil, err)
		return nil, err
	}
	e.logQuery(r, res.Stats, nil)
	res.Warnings, res.Infos = remarks(annos, r.expr)
	return res, nil
}

// evaluate does the work and leaves annotations as they are, also with an error.
func (e *Engine) evaluate(ctx context.Context, q storage.Queryable, r request) (*Result, annotations.Annotations, error) {
	began := time.Now()
	e.metrics.queries.Inc()
	defer e.metrics.queries.Dec()
	ctx, cancel := context.WithTimeout(ctx, e.opts.Timeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	act := e.begin(r, stop)
	defer e.end(act)
	leave, err := e.queue.enter(ctx, r.rule)
	if err != nil {
		return nil, nil, stopped(ctx, err)
	}
	defer leave()
	act.runs.Store(true)
	e.running.begin(act.Running)
	defer e.running.end(act.ID)
	queued := time.Since(began)
	root, err := e.plan(r)
	if err != nil {
		return nil, nil, parseError{err}
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, stopped(ctx, err)
	}
	out, err := e.run(ctx, q, root, r, act)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, out.Annos, stopped(ctx, err)
	}
	s := &Stats{}
	s.Samples.TotalQueryableSamples, s.Samples.SamplesRead, s.Samples.PeakSamples = out.Samples, out.Read, out.Peak
	s.Samples.TotalQueryableSamplesPerStep = stepCounts(out.Steps.Grid, out.Steps.Looked)
	s.Samples.SamplesReadPerStep = stepCounts(out.Steps.Grid, out.Steps.Read)
	s.Timings.ExecQueueTime = queued.Seconds()
	s.Timings.QueryPreparationTime = out.Prepare.Seconds()
	s.Timings.InnerEvalTime = out.Eval.Seconds()
	s.Timings.ResultSortTime = out.Sort.Seconds()
	s.Timings.ExecTotalTime = time.Since(began).Seconds()
	s.Timings.EvalTotalTime = s.Timings.ExecTotalTime - s.Timings.ExecQueueTime
	s.Explain = out.Trace
	e.metrics.observe(s)
	if c, ok := out.Value.(*model.Columns); ok && !r.columns {
		out.Value = c.Matrix()
	}
	return &Result{Value: out.Value, Stats: s}, out.Annos, nil
}

// plan parses a query and plans it. Its errors are about the text.
func (e *Engine) plan(r request) (plan.Node, error) {
	if err := e.checkText(r.expr); err != nil {
		return nil, err
	}
	expr, outs, err := e.parser.parse(r.expr)
	if err != nil {
		return nil, err
	}
	if err := e.checkCalls(expr); err != nil {
		return nil, err
	}
	if t := expr.Type(); !r.instant && t != parser.ValueTypeVector && t != parser.ValueTypeScalar {
		return nil, fmt.Errorf("invalid expression type %q for range query, must be Scalar or instant Vector", parser.DocumentedType(t))
	}
	return plan.Build(expr, r.start, r.end, r.step, outs)
}

// run evaluates a plan. A panic is a bug: it is logged with its stack and fails this query only.
func (e *Engine) run(ctx context.Context, q storage.Queryable, root plan.Node, r request, act *active) (out *exec.Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			stack := string(debug.Stack())
			if of, ok := p.(exec.Panic); ok {
				p, stack = of.Value, of.Stack
			}
			e.log.Error("query failed unexpectedly", "query", r.expr, "err", p, "stack", stack)
			out, err = &exec.Result{}, fmt.Errorf("unexpected error: %v", p)
		}
	}()
	o := exec.Options{
		Lookback: r.lookback, SubqueryStep: e.subqueryStep(), MaxSamples: e.opts.MaxSamples, DelayedNames: e.opts.DelayedNames,
		StartTimes: e.opts.StartTimestamps, TypeLabels: e.opts.TypeLabels, Pool: &e.pool, Helpers: e.helpers,
		Explain: r.explain, Stepwise: r.perStep, Query: r.expr,
		Account: act.account, Samples: &act.samples, MaxSeries: e.opts.MaxSeries, MaxResultBytes: e.opts.MaxResultBytes, WorthHelp: e.worth, StretchRows: e.stretch,
	}
	if o.Lookback <= 0 {
		o.Lookback = e.opts.Lookback
	}
	grid := plan.NewGrid(timestamp.FromTime(r.start), timestamp.FromTime(r.end), r.step.Milliseconds())
	return exec.Run(ctx, root, grid, r.instant, q, o)
}

// subqueryStep returns the step of subqueries that give none.
func (e *Engine) subqueryStep() time.Duration {
	if e.opts.SubqueryStepNow != nil {
		if step := e.opts.SubqueryStepNow(); step > 0 {
			return step
		}
	}
	return e.opts.SubqueryStep
}

// remarks splits annotations into warnings and infos, each with its place in the query.
func remarks(annos annotations.Annotations, expr string) (warnings, infos []string) {
	for _, a := range annos {
		var placed interface{ SetQuery(string) }
		if errors.As(a, &placed) {
			placed.SetQuery(expr)
		}
		if errors.Is(a, annotations.PromQLInfo) {
			infos = append(infos, a.Error())
		} else {
			warnings = append(warnings, a.Error())
		}
	}
	slices.Sort(warnings)
	slices.Sort(infos)
	return warnings, infos
}
