package exec

import (
	"slices"

	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/callout"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// calloutOfSamples is a function of range vectors.
type calloutOfSamples struct {
	rows    rows
	ref     plan.Times
	eval    plan.Grid
	count   *tally
	derived bool
	pos     posrange.PositionRange // of the data
	*calls
}

func (b builder) samplesFor(c *calls, r *plan.Range) (operator, error) {
	if r.Of != nil && r.Of.Extend != plan.Plain {
		_, _, err := b.rangeFunc(c.f.Name, r)
		return nil, err
	}
	rows, err := b.rows(r)
	if err != nil {
		return nil, err
	}
	ref, width := b.reach(r)
	c.batch.Start, c.batch.Step, c.batch.Width = ref.Base, ref.Step, width
	return &calloutOfSamples{rows: rows, ref: ref, eval: b.grid, count: b.count, derived: r.Sub != nil, pos: r.Pos(), calls: c}, nil
}

func (op *calloutOfSamples) open(q *query) ([]series, error) {
	src, err := op.rows.source(q)
	if err != nil {
		return nil, err
	}
	op.rows = opened{src}
	return unnamed(q, src.series), nil
}

func (op *calloutOfSamples) run(q *query, out sink) error {
	src, err := op.rows.source(q)
	if err != nil {
		return err
	}
	if err := op.begin(q); err != nil {
		return err
	}
	g := &gathering{
		calloutOfSamples: op, q: q, src: src, buf: scanBuffer{q: q}, steps: op.count.counter(op.derived),
		plans: newPlans(q, src, op.ref, op.eval, op.batch.Width, boundsCells),
	}
	defer g.close()
	for n := range src.refs {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		t, v, err := g.samples(n)
		if err != nil {
			return err
		}
		if len(t) == 0 {
			continue
		}
		if err := op.room(q, n, 2*len(t), out); err != nil {
			return err
		}
		op.batch.Samples = append(op.batch.Samples, callout.Samples{T: slices.Clone(t), V: slices.Clone(v)})
	}
	return op.call(q, out)
}

// gathering reads the samples for a function of range vectors.
type gathering struct {
	*calloutOfSamples
	q     *query
	src   *source
	plans *plans
	buf   scanBuffer
	steps stepCounts

	rows nativeRows // of a series with native histograms
	all  *fn.Window // over their times
	t    []int64    // of the floats among them
	v    []float64
}

func (g *gathering) close() {
	g.plans.close()
	g.buf.close()
	g.steps.close()
}

// samples returns the floats of series n in any window. They are valid until the next call.
func (g *gathering) samples(n int) (t []int64, v []float64, err error) {
	r := g.src.refs[n]
	plan, err := g.plans.of(r.group, n)
	if err != nil {
		return nil, nil, err
	}
	cols := g.src.groups[r.group]
	first, v, err := g.buf.read(cols, int(r.i), plan.lo, plan.hi)
	if err != nil || len(v) == 0 {
		return nil, nil, err
	}
	if hasHistograms(cols, int(r.i)) {
		return g.floats(n, cols, first, v)
	}
	in := fn.Series{V: v}
	w := plan.window(first, &in)
	g.add(w, nil, w.Samples, w.Read)
	if w.Samples == 0 {
		return nil, nil, nil
	}
	return w.T, in.V, nil
}

// add counts samples that were looked at through w.
func (g *gathering) add(w *fn.Window, sizes []int64, looked, read int64) {
	if g.derived {
		read = 0
	}
	g.q.count(g.count, counts{looked, read})
	g.steps.windows(w, 0, sizes)
}

// floats is samples of a series with native histograms, which functions of floats pass over. It remarks on windows that
// have both, as upstream's functions do, and on those that have nothing else.
func (g *gathering) floats(n int, cols storage.Columns, first int, v []float64) (t []int64, _ []float64, err error) {
	hs, err := g.buf.histograms(cols, int(g.src.refs[n].i), first, first+len(v))
	if err != nil {
		return nil, nil, err
	}
	rows := &g.rows
	defer func() { g.q.release(rows.cells) }()
	if err := rows.make(g.q, cols.Times()[first:], v, hs, nil); err != nil {
		return nil, nil, err
	}
	g.all = g.plans.replanned(g.all, rows.T)
	var looked, read int64
	for k, lo := range g.all.Lo {
		hi := g.all.Hi[k]
		looked += rows.sizes[hi] - rows.sizes[lo]
		read += rows.sizes[hi] - rows.sizes[g.all.Fresh(k)]
		switch hists := rows.hists[hi] - rows.hists[lo]; {
		case hists > 0 && hists < hi-lo:
			g.q.annotate(annotations.NewHistogramIgnoredInMixedRangeInfo(g.src.series[n].name(), g.pos))
		case hists > 0:
			g.ignored(g.q)
		}
	}
	g.add(g.all, rows.sizes, looked, read)
	g.t, g.v = rows.floats(g.t[:0], g.v[:0])
	return g.t, g.v, nil
}
