package exec

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// windowScan is a function of a range vector.
type windowScan struct {
	rows    rows
	ref     plan.Times
	eval    plan.Grid
	width   int64
	f       fn.RangeFunc
	need    need
	args    []scalar
	keep    bool                   // the result keeps its name
	counter bool                   // the function expects a counter
	pos     posrange.PositionRange // of the range vector
	count   *tally
	derived bool                  // the samples are a subquery's, which has read
	valid   func(x float64) error // remarks on a value of the first argument; nil accepts all

	nativeFunc   fn.NativeFunc          // the function where there are native histograms or start timestamps
	argPos       posrange.PositionRange // of the first argument, for what nativeFunc remarks on
	span         int64                  // of the range in milliseconds, of which windows may see more
	ahead        int64                  // how far windows go on after the range
	stats        bool                   // histograms are wanted without their buckets
	starts       bool                   // start timestamps matter
	uniform      float64                // what a rise is divided by, if results can be computed bucket by bucket; else 0
	takesUniform bool                   // the results are taken bucket by bucket
	checks       bool                   // the function refuses arguments, also where all it has is histograms

	named, typed string // the last metric that was looked at for being a counter, and its type if series have one
}

func (op *windowScan) open(q *query) ([]series, error) {
	src, err := op.rows.source(q)
	if err != nil {
		return nil, err
	}
	op.rows = opened{src}
	if op.keep {
		return src.series, nil
	}
	return unnamed(q, src.series), nil
}

func (op *windowScan) run(q *query, out sink) error {
	src, err := op.rows.source(q)
	if err != nil {
		return err
	}
	args, err := scalars(q, op.args)
	if err != nil {
		return err
	}
	suspect := op.valid != nil && slices.ContainsFunc(args[0], func(x float64) bool { return op.valid(x) != nil })
	s := scan{n: len(src.refs), steps: op.eval.N, rows: scanRows(src, op.ref, op.width), count: op.count}
	s.worker = func() worker {
		return &windowWorker{
			windowScan: op, q: q, src: src, args: args, suspect: suspect,
			plans: newPlans(q, src, op.ref, op.eval, op.width, rateCells), buf: scanBuffer{q: q}, steps: op.count.counter(op.derived),
		}
	}
	return s.run(q, func(n int, col column) error {
		if op.counter {
			op.remarkCounter(q, src.series[n], col.v)
		}
		return out(n, col)
	})
}

type windowWorker struct {
	*windowScan
	q       *query
	src     *source
	args    [][]float64
	suspect bool // an argument is remarked on where it is used
	plans   *plans
	buf     scanBuffer
	about   known
	steps   stepCounts
	resets  []int32
	nat     *nativeWindow // if there are series for which it is needed
}

func (w *windowWorker) close() {
	w.plans.close()
	w.buf.close()
	w.steps.close()
}

func (w *windowWorker) column(n int, col []float64) (c computed, err error) {
	r := w.src.refs[n]
	g, err := w.plans.of(r.group, n)
	if err != nil {
		return c, err
	}
	if c, done, err := w.native(g, n, col); done {
		return w.unread(c), err
	}
	if c, done, err := w.known(g, r, col); done || err != nil {
		return c, err
	}
	if size := w.plans.stretch(g.hi - g.lo); size < len(col) {
		c, err = w.byStretches(g, r, size, col)
	} else {
		c, err = w.windows(g, r, 0, w.args, col)
	}
	return w.unread(c), err
}

// unread returns c, for samples that are a subquery's without what it has read.
func (op *windowScan) unread(c computed) computed {
	if op.derived {
		c.read = 0
	}
	return c
}

// windows computes the steps of the plan g, from step k on, for series r.
func (w *windowWorker) windows(g *groupPlan, r ref, k int, args [][]float64, col []float64) (c computed, err error) {
	first, v, err := w.buf.read(w.src.groups[r.group], int(r.i), g.lo, g.hi)
	if err != nil {
		return c, err
	}
	in := fn.Series{V: v}
	if w.counter {
		w.resets, in.Known = fn.Survey(v, w.resets[:0])
		in.Resets = w.resets
	}
	win := g.window(first, &in)
	if win.Samples == 0 {
		return c, nil
	}
	if w.suspect {
		c.remarks = w.argRemarks(win, args[0])
	}
	c.samples, c.read = win.Samples, win.Read
	w.steps.windows(win, k, nil)
	return c, w.compute(w.q, win, in, args, col)
}

// byStretches computes a series of very many rows some steps at a time, so that not all rows are in memory together.
func (w *windowWorker) byStretches(g *groupPlan, r ref, size int, col []float64) (c computed, err error) {
	args := make([][]float64, len(w.args))
	for i, a := 0, 0; a < len(col); i, a = i+1, a+size {
		b := min(a+size, len(col))
		for j, arg := range w.args {
			args[j] = arg[a:b]
		}
		part, err := w.windows(g.part(i, size), r, a, args, col[a:b])
		if err != nil {
			return c, err
		}
		if part.samples == 0 {
			fill(col[a:b], storage.Absent)
		}
		c.samples += part.samples
		c.read += part.read
		c.remarks = append(c.remarks, part.remarks...)
	}
	return c, nil
}

const batchSamples = 4 << 20 // a function looks at between two looks at the clock

// compute computes the function; if the windows are wide in batches of steps, so that it can be stopped and shared.
func (op *windowScan) compute(q *query, w *fn.Window, in fn.Series, args [][]float64, col []float64) error {
	if w.Samples <= batchSamples {
		op.f(w, in, args, col)
		return nil
	}
	size := max(1, int(int64(len(col))*batchSamples/w.Samples))
	return q.share((len(col)+size-1)/size, int(w.Samples), func(i int) error {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		a, b := i*size, min((i+1)*size, len(col))
		part := make([][]float64, len(args))
		for j, arg := range args {
			part[j] = arg[a:b]
		}
		op.f(w.Steps(a, b), in, part, col[a:b])
		return nil
	})
}

// remarkCounter warns of a function of counters that has a result on what may not be one, by its name, or by its type if
// series have one.
func (op *windowScan) remarkCounter(q *query, s series, col []float64) {
	name, typ := s.name(), ""
	if q.typed {
		typ = s.labels.Get(model.MetricTypeLabel)
	}
	if name == "" || name == op.named && typ == op.typed || empty(col) {
		return
	}
	op.named, op.typed = name, typ
	if q.typed {
		if typ != string(model.MetricTypeCounter) && typ != string(model.MetricTypeHistogram) {
			q.annotate(annotations.NewPossibleNonCounterLabelInfo(name, typ, op.pos))
		}
		return
	}
	for _, suffix := range []string{"_total", "_sum", "_count", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return
		}
	}
	q.annotate(annotations.NewPossibleNonCounterInfo(name, op.pos))
}

// argRemarks returns the remarks on the values of the first argument that are used.
func (op *windowScan) argRemarks(w *fn.Window, arg []float64) (remarks []error) {
	for k, x := range arg {
		if err := op.valid(x); err != nil && w.Hi[k] > w.Lo[k] {
			remarks = append(remarks, err)
		}
	}
	return remarks
}
