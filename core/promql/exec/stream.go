package exec

import (
	"sort"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// streamer is an operator that would hold its whole result but can also hand it over series by series, as each is
// complete. Then only those are in memory that are not. It is used in place of matrix where there are no histograms.
type streamer interface {
	// stream tells begin which series there may be. Then it gives done each of them once: with its column, which is the
	// receiver's, or nil if the series has no value. Those that have one come in the order they would have in the matrix.
	// done may give columns back, which are used again.
	stream(q *query, begin func(ss []series), done func(i int, v []float64, back *spare) error) error
}

// spare is columns that are done with.
type spare [][]float64

// column is query.column.
func (s *spare) column(q *query, n int) ([]float64, error) {
	k := len(*s) - 1
	if k < 0 {
		return q.column(n)
	}
	col := (*s)[k]
	*s = (*s)[:k]
	return col, q.charge(n)
}

// put gives columns back, to the budget as well.
func (s *spare) put(q *query, cols ...[]float64) {
	for _, col := range cols {
		q.release(len(col))
	}
	*s = append(*s, cols...)
}

// floats tells whether nothing that is selected has native histograms.
func (q *query) floats() bool {
	for _, s := range q.scans {
		if s.src == nil {
			return false
		}
		for _, g := range s.src.groups {
			if _, ok := g.(storage.HistogramColumns); ok {
				return false
			}
		}
	}
	return true
}

// stream implements streamer. A group is complete after its last series, and goes when those before it have gone.
func (op *folded) stream(q *query, begin func(ss []series), done func(i int, v []float64, back *spare) error) error {
	f, err := op.begin(q)
	if err != nil {
		return err
	}
	begin(f.g.groups)
	last := make([]int, len(f.g.groups)) // series of each group
	for i, to := range f.g.of {
		last[to] = i
	}
	complete := make([]bool, len(f.g.groups))
	next, gone := 0, 0 // series that is seen next; groups of the result that have gone
	upto := func(i int) error {
		for ; next < i; next++ {
			to := f.g.of[next]
			if last[to] != next {
				continue
			}
			complete[to] = true
			if f.g.at[to] < 0 {
				if err := done(to, nil, &f.spare); err != nil {
					return err
				}
			}
		}
		for ; gone < len(f.order) && complete[f.order[gone]]; gone++ {
			if err := done(f.order[gone], f.take(gone), &f.spare); err != nil {
				return err
			}
		}
		return nil
	}
	err = op.of.run(q, func(i int, col column) error {
		if err := upto(i); err != nil {
			return err
		}
		return f.add(i, col)
	})
	if err != nil {
		return err
	}
	return upto(len(f.ss))
}

// take returns the column of the group that is at a place of the result.
func (f *folding) take(at int) []float64 {
	v := f.m.cols[at].v
	f.m.cols[at] = column{}
	if to := f.order[at]; f.folds[to] != nil {
		v = f.folds[to].Result()
		f.folds[to] = nil
		f.q.release(f.n * (fn.FoldCells(f.Op) - 1))
	}
	return v
}

// streamClassic computes f of the classic histograms whose buckets of gives, of each as soon as it has all of them.
func streamClassic(q *query, of streamer, arg plan.Node, n int, f ofBuckets) (*matrix, error) {
	c := &classic{at: map[string]int{}}
	w := &histWorker{classic: c, f: f}
	out := &matrix{}
	var (
		from  []series
		whose []int // the histogram of each series, -1 for none
		upper []float64
		due   []int // by histogram: buckets that are still to come
		place []int // by histogram: where in out it is, in order of the first bucket with a value; -1 before that
	)
	begin := func(ss []series) {
		from, whose, upper = ss, make([]int, len(ss)), make([]float64, len(ss))
		var key []byte
		for i, s := range ss {
			var err error
			if upper[i], err = strconv.ParseFloat(s.labels.Get(labels.BucketLabel), 64); err != nil {
				whose[i] = -1
				continue
			}
			whose[i] = c.of(s, &key)
			if whose[i] == len(due) {
				due, place = append(due, 0), append(place, -1)
			}
			due[whose[i]]++
		}
	}
	col, err := q.column(n)
	if err != nil {
		return nil, err
	}
	defer q.release(n)
	err = of.stream(q, begin, func(i int, v []float64, back *spare) error {
		at := whose[i]
		if at < 0 {
			if v != nil {
				badBucket(q, from[i].metric(), arg)
				back.put(q, v)
			}
			return nil
		}
		h := &c.hists[at]
		if v != nil {
			if place[at] < 0 {
				place[at] = len(out.series)
				out.series = append(out.series, unnamed(q, []series{h.series})[0])
				out.cols = append(out.cols, column{})
			}
			h.upper, h.counts = append(h.upper, upper[i]), append(h.counts, v)
		}
		if due[at]--; due[at] > 0 || len(h.counts) == 0 {
			return nil
		}
		sort.Stable(byUpper{h})
		res, err := w.column(at, col)
		if err != nil {
			return err
		}
		for _, r := range res.remarks {
			q.annotate(r)
		}
		out.cols[place[at]], err = q.keep(column{v: col})
		back.put(q, h.counts...)
		h.upper, h.counts = nil, nil
		return err
	})
	if err != nil {
		return nil, err
	}
	return together(q, out.nonEmpty(q))
}
