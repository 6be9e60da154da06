package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// Options bounds an evaluation.
type Options struct {
	Lookback     time.Duration // how far back an instant selector looks
	SubqueryStep time.Duration // of a subquery that gives none
	MaxSamples   int           // held at a time; a sample counts as 16 bytes
	DelayedNames bool          // remove metric names at the end only
	Pool         *Pool         // shared by the evaluations of an engine
}

// Result is the outcome of an evaluation.
type Result struct {
	Value   model.Value
	Annos   annotations.Annotations
	Samples int64 // read, counted for each step that looks at them
	Peak    int   // most samples held at a time
	Prepare time.Duration
	Eval    time.Duration
	Sort    time.Duration
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
	res.Value, res.Annos, res.Samples, res.Peak = value, q.annos, q.samples, (q.peak+1)/cellsPerSample
	return res, err
}

func (q *query) run(n plan.Node, g plan.Grid, instant bool, from storage.Queryable, o Options, res *Result) (_ model.Value, err error) {
	defer caught(&err)
	began := time.Now()
	b := builder{q: q, grid: g, lookback: o.Lookback.Milliseconds(), subqueryStep: o.SubqueryStep.Milliseconds(), weight: 1}
	eval, err := b.root(n, instant, res)
	if err != nil {
		return nil, err
	}
	if len(q.scans) > 0 {
		querier, err := from.Querier(q.mint, q.maxt)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, querier.Close()) }()
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

// cleaned removes names whose removal was delayed.
type cleaned struct{ of operator }

func (op *cleaned) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	out := make([]series, len(ss))
	for i, s := range ss {
		if s.drop {
			s.labels = s.labels.DropReserved(schema.IsMetadataLabel)
		}
		out[i] = s
	}
	return out, err
}

func (op *cleaned) run(q *query, out sink) error { return op.of.run(q, out) }

func (q *query) instant(op operator, t int64) (model.Value, error) {
	ss, err := op.open(q)
	if err != nil {
		return nil, err
	}
	vec := make(model.Vector, 0, len(ss))
	err = op.run(q, func(i int, col []float64) error {
		if !storage.IsAbsent(col[0]) {
			vec = append(vec, model.VectorSample{Labels: ss[i].metric(), Sample: model.Sample{T: t, V: col[0]}})
		}
		return nil
	})
	return vec, err
}

func (q *query) rangeOf(op operator, g plan.Grid, res *Result) (model.Value, error) {
	ss, err := op.open(q)
	if err != nil {
		return nil, err
	}
	mat := model.Matrix{}
	err = op.run(q, func(i int, col []float64) error {
		n := 0
		for _, x := range col {
			if !storage.IsAbsent(x) {
				n++
			}
		}
		if n == 0 {
			return nil
		}
		if err := q.charge(n * cellsPerSample); err != nil {
			return err
		}
		points := make([]model.Sample, n)
		n = 0
		for k, x := range col {
			if !storage.IsAbsent(x) {
				points[n] = model.Sample{T: g.At(k), V: x}
				n++
			}
		}
		mat = append(mat, model.Series{Labels: ss[i].metric(), Samples: points})
		return nil
	})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	sortByLabels(mat)
	res.Sort = time.Since(began)
	return mat, nil
}

func sortByLabels(mat model.Matrix) {
	byLabels := func(a, b model.Series) int { return labels.Compare(a.Labels, b.Labels) }
	if !slices.IsSortedFunc(mat, byLabels) {
		slices.SortFunc(mat, byLabels)
	}
}

// rangeVector makes the evaluation of a range vector by itself, at one point in time: its samples as they are.
func (b builder) rangeVector(r *plan.Range, res *Result) (func() (model.Value, error), error) {
	if b.grid.N != 1 {
		return nil, fmt.Errorf("a range vector can't be evaluated at %d steps", b.grid.N)
	}
	rows, err := b.rows(r, 1)
	if err != nil {
		return nil, err
	}
	ref := r.Times(b.grid)
	return func() (model.Value, error) {
		src, err := rows.source(b.q)
		if err != nil {
			return nil, err
		}
		mat := model.Matrix{}
		buf := scanBuffer{q: b.q}
		defer buf.close()
		for n, at := range src.refs {
			if err := b.q.ctx.Err(); err != nil {
				return nil, err
			}
			g := src.groups[at.group]
			lo, hi := fn.Span(g.Times(), ref, r.Width)
			lo, v, err := buf.read(g, int(at.i), lo, hi)
			if err != nil {
				return nil, err
			}
			if err := b.q.charge(len(v) * cellsPerSample); err != nil {
				return nil, err
			}
			if points := samplesOf(g.Times()[lo:], v); len(points) > 0 {
				if r.Of != nil {
					b.q.samples += int64(len(points))
				}
				s := src.series[n]
				s.strip = s.strip || s.drop
				mat = append(mat, model.Series{Labels: s.metric(), Samples: points})
			}
		}
		began := time.Now()
		sortByLabels(mat)
		res.Sort = time.Since(began)
		if b.q.delayed {
			return mergeSorted(mat)
		}
		return mat, nil
	}, nil
}

// mergeSorted joins series that have come to have the same labels.
func mergeSorted(mat model.Matrix) (model.Matrix, error) {
	out := mat[:0]
	for _, s := range mat {
		if len(out) == 0 || !labels.Equal(out[len(out)-1].Labels, s.Labels) {
			out = append(out, s)
			continue
		}
		last := &out[len(out)-1]
		last.Samples = append(last.Samples, s.Samples...)
		slices.SortFunc(last.Samples, func(a, b model.Sample) int { return cmp.Compare(a.T, b.T) })
		for i := range last.Samples[1:] {
			if last.Samples[i].T == last.Samples[i+1].T {
				return nil, errSameLabels
			}
		}
	}
	return out, nil
}

// samplesOf returns what rows have samples that are not staleness markers.
func samplesOf(times []int64, v []float64) []model.Sample {
	out := make([]model.Sample, 0, len(v))
	for i, x := range v {
		if !storage.IsAbsent(x) && !model.IsStale(x) {
			out = append(out, model.Sample{T: times[i], V: x})
		}
	}
	return out
}
