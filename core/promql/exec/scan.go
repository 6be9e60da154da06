package exec

import (
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// A worker computes columns of the series of a scan. It belongs to one goroutine.
type worker interface {
	// column computes series n into col. Where the answer has no samples, col is undefined.
	column(n int, col []float64) (computed, error)
	close()
}

// computed is what a worker tells of a column besides its values.
type computed struct {
	samples int64                       // looked at, counted for each step that does; 0 means that the series is to be left out
	read    int64                       // of these, samples that no step before has looked at
	remarks []error                     // to be made if the column is pushed
	u       *uniform                    // in place of h, if that was asked for
	h       []*histogram.FloatHistogram // the histograms of the column, nil if it has none
}

// scan is a number of series that are computed each by itself. Those who push their columns see them in order,
// whoever computes them.
type scan struct {
	n, steps int
	rows     int // of all series together, about; what decides if it is worth help
	worker   func() worker
	count    *tally // of the samples; nil counts nothing
}

// run computes all series and pushes those that have samples.
func (s *scan) run(q *query, push sink) error {
	if helpers := s.help(q); helpers > 0 {
		defer q.helpers.give(helpers)
		return s.together(q, helpers, push)
	}
	w := s.worker()
	defer w.close()
	col, err := q.column(s.steps)
	if err != nil {
		return err
	}
	defer q.release(s.steps)
	return s.each(q, w, 0, s.n, col, push)
}

// each computes the series from..to-1 one by one into col.
func (s *scan) each(q *query, w worker, from, to int, col []float64, push sink) error {
	for i := from; i < to; i++ {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		c, err := w.column(i, col)
		if err != nil {
			return err
		}
		if c.samples == 0 {
			continue
		}
		if err := s.push(q, i, col, c, push); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) push(q *query, i int, col []float64, c computed, push sink) error {
	q.count(s.count, counts{c.samples, c.read})
	for _, r := range c.remarks {
		q.annotate(r)
	}
	if c.u != nil {
		defer q.release(c.u.cells())
	}
	return push(i, column{v: col, h: c.h, u: c.u})
}

// count adds to the sums of a tally, if there is one, and to what the query has looked at so far.
func (q *query) count(t *tally, c counts) {
	if t == nil {
		return
	}
	q.samples.Add(c.looked * t.weight)
	t.sums.looked += c.looked
	t.sums.read += c.read
}

// scanRows returns about how many rows the series of src have between the reference times of a scan.
func scanRows(src *source, ref plan.Times, width int64) int {
	rows := 0
	for _, g := range src.groups {
		times := g.Times()
		if n := len(times); n > 0 {
			first, last := ref.Bounds()
			span := max(times[n-1]-times[0], 1)
			part := float64(min(last, times[n-1])-max(first-width, times[0])) / float64(span)
			rows += int(float64(n)*max(0, min(1, part))) * g.Len()
		}
	}
	return rows
}
