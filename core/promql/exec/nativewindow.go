package exec

import (
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/storage"
)

// nativeWindow is what a worker needs for series with native histograms, or with start timestamps that matter: there
// the function is computed of the floats alone, and then window by window of all samples.
type nativeWindow struct {
	rows   nativeRows
	all    *fn.Window // over the times of all samples
	alone  *fn.Window // over those of the floats
	t      []int64    // of the floats
	v      []float64
	resets []int32
	sizes  []int64
	run    fn.Run
}

// native computes series n, if it is one for which that is to be done.
func (w *windowWorker) native(g *groupPlan, n int, col []float64) (c computed, done bool, err error) {
	r := w.src.refs[n]
	cols, i := w.src.groups[r.group], int(r.i)
	_, starts := cols.(storage.StartColumns)
	starts = starts && w.starts
	if w.nativeFunc == nil || !starts && !hasHistograms(cols, i) {
		return c, false, nil
	}
	first, v, err := w.buf.read(cols, i, g.lo, g.hi)
	if err != nil || len(v) == 0 {
		return c, true, err
	}
	if w.nat == nil {
		w.nat = &nativeWindow{}
	}
	if hc, ok := cols.(storage.HistogramColumns); ok && w.uniform != 0 && !starts {
		if c, err := w.nat.uniform(w, hc, i, first, first+len(v), col); err != nil || c.samples > 0 {
			if c.u != nil && !w.takesUniform {
				w.q.release(c.u.cells())
				c.h, c.u = c.u.rows(), nil
			}
			return c, true, err
		}
	}
	hs, err := w.buf.histograms(cols, i, first, first+len(v))
	if err != nil {
		return c, true, err
	}
	if _, ok := cols.(*gridColumns); ok {
		hs = withoutHints(hs)
	}
	if w.stats {
		onlyStats(hs, skips(cols.Times()[first:], v, hs, w.ref, w.width, min(w.width, w.ref.Step)))
	}
	var st []int64
	if starts {
		if st, err = w.buf.starts(cols, i, first, first+len(v)); err != nil {
			return c, true, err
		}
	}
	rows := &w.nat.rows
	if err := rows.make(w.q, cols.Times()[first:], v, hs, st); err != nil {
		return c, true, err
	}
	defer w.q.release(rows.cells)
	c, err = w.nat.compute(w, n, col)
	return c, true, err
}

// uniform computes series i of c bucket by bucket, if its rows lo..hi-1 allow it. Else there are no samples in what it
// returns.
func (n *nativeWindow) uniform(w *windowWorker, cols storage.HistogramColumns, i, lo, hi int, col []float64) (c computed, err error) {
	if err := cols.Histograms(i, lo, hi, &w.buf.hists); err != nil {
		return c, ofStorage(err)
	}
	n.all = w.plans.replanned(n.all, cols.Times()[lo:hi])
	if c.u, err = uniformRate(w.q, &w.buf.hists, n.all, w.uniform, w.width, w.stats); c.u == nil || err != nil {
		return c, err
	}
	n.sizes = histogramSizes(&w.buf.hists, w.stats, append(n.sizes[:0], 0))
	for row := range n.sizes[1:] {
		n.sizes[row+1] += n.sizes[row] // of the rows up to here
	}
	for k := range col {
		col[k] = storage.Absent
		if a, b := n.all.Lo[k], n.all.Hi[k]; b > a {
			c.samples += n.sizes[b] - n.sizes[a]
			c.read += n.sizes[b] - n.sizes[n.all.Fresh(k)]
		}
	}
	w.steps.windows(n.all, 0, n.sizes)
	return c, nil
}

// replanned returns w, made if it is nil, as the plan of the windows of g over times.
func (p *plans) replanned(w *fn.Window, times []int64) *fn.Window {
	if w == nil {
		return fn.NewWindow(times, p.ref, p.eval, p.width, p.later)
	}
	w.Replan(times)
	return w
}

func (n *nativeWindow) compute(w *windowWorker, i int, col []float64) (c computed, err error) {
	rows := &n.rows
	if len(rows.T) == 0 {
		return c, nil
	}
	n.t, n.v = rows.floats(n.t[:0], n.v[:0])
	n.alone = w.plans.replanned(n.alone, n.t)
	if w.suspect {
		c.remarks = w.argRemarks(n.alone, w.args[0])
	}
	in := fn.Series{V: n.v}
	if w.counter {
		n.resets, in.Known = fn.Survey(n.v, n.resets[:0])
		in.Resets = n.resets
	}
	n.all = w.plans.replanned(n.all, rows.T)
	if w.checks {
		w.f(n.all, fn.Series{V: rows.V}, w.args, col)
	}
	if err := w.ofFloats(n.alone, in, col); err != nil {
		return c, err
	}
	w.steps.windows(n.all, 0, rows.sizes)
	n.run = fn.Run{Name: w.src.series[i].name(), Pos: w.argPos, Remarks: n.run.Remarks[:0]}
	for k := range col {
		lo, hi := n.all.Lo[k], n.all.Hi[k]
		if lo == hi {
			col[k] = storage.Absent
			continue
		}
		c.samples += rows.sizes[hi] - rows.sizes[lo]
		c.read += rows.sizes[hi] - rows.sizes[n.all.Fresh(k)]
		hists := int(rows.hists[hi] - rows.hists[lo])
		if hists == 0 && rows.ST == nil {
			continue
		}
		end := w.ref.At(k) - w.ahead
		n.run.Samples, n.run.Hists, n.run.Of = rows.between(lo, hi), hists, col[k]
		n.run.Start, n.run.End = end-w.span, end
		n.run.Remarks = n.run.Remarks[:0]
		var h *histogram.FloatHistogram
		if col[k], h = w.nativeFunc(&n.run); h != nil {
			col[k] = storage.Absent
			if c.h == nil {
				c.h = make([]*histogram.FloatHistogram, len(col))
			}
			c.h[k] = h
		}
		c.remarks = append(c.remarks, n.run.Remarks...)
	}
	return c, nil
}

// ofFloats computes the function of the floats alone.
func (w *windowWorker) ofFloats(win *fn.Window, in fn.Series, col []float64) error {
	if win.Samples == 0 {
		fill(col, storage.Absent)
		return nil
	}
	return w.compute(w.q, win, in, w.args, col)
}
