package exec

import (
	"sync"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// tally is how many samples were looked at and read for the steps of one grid, by upstream's rules: a sample is looked
// at by each step whose window has it, and read by the first. An expression that is evaluated on a grid of its own has
// a tally of its own, which is settled with that of the expression around it at the end.
type tally struct {
	grid     plan.Grid
	weight   int64 // how often the query's count has a sample that is looked at here
	stepwise bool  // looked and read are wanted by step, and not only in total
	within   []inner

	sums counts

	mu struct {
		sync.Mutex
		looked []int64 // by step; nil unless wanted
		read   []int64 // likewise
	}
}

// counts is numbers of samples.
type counts struct{ looked, read int64 }

// inner is a tally within another one, and how it is settled.
type inner struct {
	of    *tally
	merge func(outer, of *tally)
}

// newTally returns the tally of g. Its steps are charged to the query.
func newTally(q *query, g plan.Grid, weight int64, stepwise bool) (*tally, error) {
	t := &tally{grid: g, weight: weight, stepwise: stepwise}
	if !stepwise {
		return t, nil
	}
	if err := q.charge(2 * g.N); err != nil {
		return nil, err
	}
	t.mu.looked, t.mu.read = make([]int64, g.N), make([]int64, g.N)
	return t, nil
}

// add adds to step k.
func (t *tally) add(k int, c counts) {
	t.sums.looked += c.looked
	t.sums.read += c.read
	if t.stepwise {
		t.mu.looked[k] += c.looked
		t.mu.read[k] += c.read
	}
}

// settle adds up what is within t, and returns the sums.
func (t *tally) settle() counts {
	for _, in := range t.within {
		in.of.settle()
		in.merge(t, in.of)
	}
	t.within = nil
	return t.sums
}

// once settles the tally of an expression that has the same value at every step: it is read at the first.
func once(outer, of *tally) {
	n := of.sums.looked
	outer.sums.looked += n * int64(outer.grid.N)
	outer.sums.read += of.sums.read
	if outer.stepwise {
		for k := range outer.mu.looked {
			outer.mu.looked[k] += n
		}
		outer.mu.read[0] += of.sums.read
	}
}

// ofWindows settles the tally of a subquery whose results are looked at through windows: what a step of the subquery
// has read counts for the first window that has the step in it, if there is one.
func ofWindows(offset, width int64) func(outer, of *tally) {
	return func(outer, of *tally) {
		if outer.grid.N <= 1 {
			outer.add(0, counts{read: of.sums.read})
			return
		}
		start, step := outer.grid.Start, outer.grid.Step
		for i, n := range of.mu.read {
			t, k := of.grid.At(i)+offset, 0
			if t > start {
				k = int((t - start + step - 1) / step)
			}
			k = min(k, outer.grid.N-1)
			if width == 0 || t > outer.grid.At(k)-width {
				outer.add(k, counts{read: n})
			}
		}
	}
}

// bare settles the tally of a subquery that is itself the result, at one point in time.
func bare(outer, of *tally) {
	outer.add(outer.grid.N-1, of.sums)
}

// stepCounts is what one worker has counted by step; the zero value counts nothing.
type stepCounts struct {
	to           *tally
	looked, read []int64
}

// counter returns a counter for a worker. It must be closed. Of samples that are a subquery's, only looks are counted.
func (t *tally) counter(derived bool) (c stepCounts) {
	if t == nil || !t.stepwise {
		return c
	}
	c.to, c.looked = t, make([]int64, t.grid.N)
	if !derived {
		c.read = make([]int64, t.grid.N)
	}
	return c
}

func (c *stepCounts) close() {
	if c.to == nil {
		return
	}
	c.to.mu.Lock()
	defer c.to.mu.Unlock()
	for k, n := range c.looked {
		c.to.mu.looked[k] += n
	}
	for k, n := range c.read {
		c.to.mu.read[k] += n
	}
}

// windows counts the windows of w, the first of which is that of step k. The samples before row i are sizes[i]; without
// sizes each row is one.
func (c *stepCounts) windows(w *fn.Window, k int, sizes []int64) {
	if c.to == nil {
		return
	}
	for i := range w.Lo {
		lo, fresh, hi := int64(w.Lo[i]), int64(w.Fresh(i)), int64(w.Hi[i])
		if sizes != nil {
			lo, fresh, hi = sizes[lo], sizes[fresh], sizes[hi]
		}
		c.looked[k+i] += hi - lo
		if c.read != nil {
			c.read[k+i] += hi - fresh
		}
	}
}

// step counts samples that are looked at and read at step k.
func (c *stepCounts) step(k int, samples int64) {
	if c.to != nil {
		c.looked[k] += samples
		c.read[k] += samples
	}
}
