package exec

import (
	"fmt"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// instantScan is an instant vector selector: at each step the newest sample within the lookback, unless that is a
// staleness marker.
type instantScan struct {
	sel      *selection
	ref      plan.Times
	lookback int64
	stamp    bool // the sample's time in place of its value
	start    bool // with stamp: its start timestamp in place of its time
	stats    bool // histograms are wanted without their buckets
	info     bool // of info series, which have no histograms
	count    *tally
}

func newInstantScan(q *query, s *plan.Selector, g plan.Grid, lookback int64, count *tally) operator {
	op := &instantScan{ref: s.Times(g), lookback: lookback, stamp: s.Stamp, start: s.Start, stats: s.Stats, count: count}
	at := s.Reference
	at.Slides = false // upstream selects what the first step needs
	first, last := at.Times(g).Bounds()
	if s.Extend == plan.Smoothed {
		last += lookback
	}
	op.sel = q.register(first-lookback+1, last, s.Matchers)
	if s.Stamp && s.At != nil { // upstream selects with the offset but looks at the time of the @ modifier
		at.Offset = 0
		op.ref = at.Times(g)
	}
	return op
}

// smoothed is an instant vector selector that interpolates between the samples around each time, within the lookback.
func (b builder) smoothed(s *plan.Selector) operator {
	at := s.Reference
	at.Slides = false
	first, last := at.Times(b.grid).Bounds()
	rows := b.q.register(first-b.lookback+1, last+b.lookback, s.Matchers)
	ref := s.Times(b.grid)
	ref.Base += b.lookback
	return &windowScan{
		rows: rows, ref: ref, eval: b.grid, width: 2 * b.lookback, f: fn.Extended{Ahead: b.lookback}.Interpolated(), keep: true, pos: s.Pos(),
		nativeFunc: fn.Extended{Ahead: b.lookback}.NativeInterpolated, argPos: s.Pos(), ahead: b.lookback, stats: s.Stats,
	}
}

func (op *instantScan) open(q *query) ([]series, error) {
	if op.stamp {
		return unnamed(q, op.sel.src.series), nil
	}
	return op.sel.src.series, nil
}

func (op *instantScan) run(q *query, out sink) error {
	src := op.sel.src
	s := scan{n: len(src.refs), steps: op.ref.N, rows: scanRows(src, op.ref, op.lookback), count: op.count}
	s.worker = func() worker {
		return &instantWorker{instantScan: op, plans: newPlans(q, src, op.ref, plan.Grid{}, op.lookback, boundsCells), buf: scanBuffer{q: q}, steps: op.count.counter(false)}
	}
	return s.run(q, out)
}

type instantWorker struct {
	*instantScan
	plans *plans
	buf   scanBuffer
	about known
	steps stepCounts
}

func (w *instantWorker) close() {
	w.plans.close()
	w.buf.close()
	w.steps.close()
}

func (w *instantWorker) column(n int, col []float64) (computed, error) {
	r := w.sel.src.refs[n]
	g, err := w.plans.of(r.group, n)
	if err != nil {
		return computed{}, err
	}
	if cols := w.sel.src.groups[r.group]; w.start || hasHistograms(cols, int(r.i)) {
		return w.native(cols, int(r.i), g, col)
	}
	if n, done, err := w.known(g, r, col); done || err != nil {
		return w.found(int64(n), col), err
	}
	found := int64(0)
	for i, a, size := 0, 0, w.plans.stretch(g.hi-g.lo); a < len(col); i, a = i+1, a+size {
		b := min(a+size, len(col))
		part := g
		if size < len(col) {
			part = g.part(i, size)
		}
		n, err := w.floats(part, r, col[a:b])
		if err != nil {
			return computed{}, err
		}
		found += int64(n)
	}
	return w.found(found, col), nil
}

// found counts the samples of col.
func (w *instantWorker) found(n int64, col []float64) computed {
	if w.steps.to != nil {
		for k, x := range col {
			if !storage.IsAbsent(x) {
				w.steps.step(k, 1)
			}
		}
	}
	return computed{samples: n, read: n}
}

// floats fills col, the steps of the plan g, for series r. Without samples in any of them, all are Absent.
func (w *instantWorker) floats(g *groupPlan, r ref, col []float64) (found int, err error) {
	cols, i := w.sel.src.groups[r.group], int(r.i)
	if len(col) == 1 && g.lo < g.hi { // the newest row mostly has a sample
		first, v, err := w.buf.read(cols, i, g.hi-1, g.hi)
		if err != nil || len(v) == 1 && !storage.IsAbsent(v[0]) {
			return w.pick(g.full(), first-g.lo, v, col), err
		}
	}
	first, v, err := w.buf.read(cols, i, g.lo, g.hi)
	if err != nil || len(v) == 0 {
		fill(col, storage.Absent)
		return 0, err
	}
	return w.pick(g.full(), first-g.lo, v, col), nil
}

// pick fills col from the values v of the rows from first on, and returns how many steps have a value. The windows of w
// are as wide as the lookback: a step takes the last row of its own.
func (op *instantScan) pick(w *fn.Window, first int, v, col []float64) (found int) {
	if w.Filled && !op.stamp && first == 0 && len(v) == len(w.T) {
		return op.pickDense(w, v, col)
	}
	for k := range col {
		col[k] = op.at(w, k, first, v)
		if !storage.IsAbsent(col[k]) {
			found++
		}
	}
	return found
}

// pickDense is pick for a series that has rows wherever its group has some.
func (op *instantScan) pickDense(w *fn.Window, v, col []float64) (found int) {
	found = len(col)
	for k, hi := range w.Hi {
		x := v[hi-1]
		if x != x {
			if x = op.at(w, k, 0, v); storage.IsAbsent(x) {
				found--
			}
		}
		col[k] = x
	}
	return found
}

// at returns the value of step k, looking past rows where the series has no sample.
func (op *instantScan) at(w *fn.Window, k, first int, v []float64) float64 {
	oldest := max(int(w.Lo[k]), first)
	for row := min(int(w.Hi[k]), first+len(v)) - 1; row >= oldest; row-- {
		switch x := v[row-first]; {
		case storage.IsAbsent(x):
			continue
		case model.IsStale(x):
			return storage.Absent
		case op.stamp:
			return float64(w.T[row]) / 1000
		default:
			return x
		}
	}
	return storage.Absent
}

// native fills col as pick does, for a series with native histograms or where start timestamps are wanted.
func (w *instantWorker) native(cols storage.Columns, i int, g *groupPlan, col []float64) (c computed, err error) {
	first, v, err := w.buf.read(cols, i, g.lo, g.hi)
	if err != nil || len(v) == 0 {
		return c, err
	}
	hs, err := w.buf.histograms(cols, i, first, first+len(v))
	if err != nil {
		return c, err
	}
	cells := 0
	for _, h := range hs {
		if h != nil {
			cells += histCells(h)
		}
	}
	defer w.buf.q.release(cells)
	if err := w.buf.q.charge(cells); err != nil {
		return c, err
	}
	var st []int64
	if w.start {
		if st, err = w.buf.starts(cols, i, first, first+len(v)); err != nil {
			return c, err
		}
	}
	if w.stats {
		onlyStats(hs, skips(cols.Times()[first:], v, hs, w.ref, w.lookback, w.lookback))
	}
	win := g.full()
	for k := range col {
		col[k] = storage.Absent
		size := int64(1)
		row := w.newest(win, k, first-g.lo, v, hs)
		if row < 0 {
			continue
		}
		switch {
		case w.info && hs != nil && hs[row] != nil:
			return c, fmt.Errorf("this should be an info metric, with float samples: %s", cols.Labels(i))
		case w.start && st == nil:
			col[k] = 0
		case w.start:
			col[k] = float64(st[row]) / 1000
		case w.stamp:
			col[k] = float64(win.T[row+first-g.lo]) / 1000
		case hs != nil && hs[row] != nil:
			if c.h == nil {
				c.h = make([]*histogram.FloatHistogram, len(col))
			}
			c.h[k] = hs[row]
			size = int64(histSamples(hs[row]))
		default:
			col[k] = v[row]
		}
		w.steps.step(k, size)
		c.samples += size
	}
	c.read = c.samples
	return c, nil
}

// newest returns which row of v, the first of which is row first of the window plan, step k takes; -1 is none.
func (op *instantScan) newest(w *fn.Window, k, first int, v []float64, hs []*histogram.FloatHistogram) int {
	oldest := max(int(w.Lo[k]), first)
	for row := min(int(w.Hi[k]), first+len(v)) - 1; row >= oldest; row-- {
		switch x := v[row-first]; {
		case hs != nil && hs[row-first] != nil:
			return row - first
		case storage.IsAbsent(x):
			continue
		case model.IsStale(x):
			return -1
		default:
			return row - first
		}
	}
	return -1
}
