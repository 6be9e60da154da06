package exec

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/storage"
)

// column is one series over all steps of the query. At each step it has a float, a native histogram or nothing.
type column struct {
	v     []float64                   // Absent where there is no float
	h     []*histogram.FloatHistogram // nil if there is no histogram at any step. What it points to is shared: nobody changes it
	cells int                         // charged for h
	u     *uniform                    // in place of h, for who has asked for it: a fold
}

// has tells whether there is a sample at step k.
func (c column) has(k int) bool { return !storage.IsAbsent(c.v[k]) || c.h != nil && c.h[k] != nil }

// hist returns the histogram at step k, nil if there is none.
func (c column) hist(k int) *histogram.FloatHistogram {
	if c.h == nil {
		return nil
	}
	return c.h[k]
}

// clear takes the sample at step k away.
func (c column) clear(k int) {
	c.v[k] = storage.Absent
	if c.h != nil {
		c.h[k] = nil
	}
}

// empty tells whether there is no sample at any step.
func (c column) empty() bool { return empty(c.v) && !c.native() }

// native tells whether there is a histogram at any step.
func (c column) native() bool {
	if c.u != nil {
		return slices.Contains(c.u.there, true)
	}
	for _, h := range c.h {
		if h != nil {
			return true
		}
	}
	return false
}

// begin returns the first step that has a sample.
func (c column) begin() int {
	for k := range c.v {
		if c.has(k) {
			return k
		}
	}
	return -1
}

// overlay puts the samples of src into the holes of c. It is false if there is no hole for one of them.
func (c *column) overlay(src column) bool {
	for k := range src.v {
		if !src.has(k) {
			continue
		}
		if c.has(k) {
			return false
		}
		c.v[k] = src.v[k]
		c.setHist(k, src.hist(k))
	}
	c.cells += src.cells
	return true
}

// setHist puts h at step k if it is not nil.
func (c *column) setHist(k int, h *histogram.FloatHistogram) {
	if h == nil {
		return
	}
	if c.h == nil {
		c.h = make([]*histogram.FloatHistogram, len(c.v))
	}
	c.h[k] = h
}

// put puts the sample of src at step k there. It charges for a histogram.
func (c *column) put(q *query, k int, src column) error {
	c.v[k] = src.v[k]
	return c.putHist(q, k, src.hist(k))
}

// putHist puts h at step k if it is not nil, and charges for it.
func (c *column) putHist(q *query, k int, h *histogram.FloatHistogram) error {
	if h == nil {
		return nil
	}
	if c.h == nil {
		c.cells += len(c.v)
		if err := q.charge(len(c.v)); err != nil {
			return err
		}
	}
	c.setHist(k, h)
	c.cells += histCells(h)
	return q.charge(histCells(h))
}

// histSamples returns how many samples a histogram counts for: as many as take up its memory, and its time's.
func histSamples(h *histogram.FloatHistogram) int { return (h.Size() + 8) / 16 }

func histCells(h *histogram.FloatHistogram) int { return histSamples(h) * cellsPerSample }

// keep returns a copy of col that stays, and charges for it.
func (q *query) keep(col column) (kept column, err error) {
	if col.u != nil {
		col.h, col.u = col.u.rows(), nil
	}
	if kept.v, err = q.column(len(col.v)); err != nil {
		return kept, err
	}
	copy(kept.v, col.v)
	if !col.native() {
		return kept, nil
	}
	kept.cells = len(col.h)
	for _, h := range col.h {
		if h != nil {
			kept.cells += histCells(h)
		}
	}
	kept.h = slices.Clone(col.h)
	return kept, q.charge(kept.cells)
}

// drop gives a column back to the budget. It must not be used any more.
func (q *query) drop(col column) { q.release(len(col.v) + col.cells) }

// absent allocates a column of n steps without samples.
func (q *query) absent(n int) (column, error) {
	v, err := q.holes(n)
	return column{v: v}, err
}
