package exec

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// folding aggregates by sum, avg, min, max, count, group, stddev or stdvar: each column goes into its group as it comes,
// and nothing of a series is kept.
type folding struct {
	*plan.Aggregate
	q *query
	n int

	ss    []series
	g     *grouping
	folds []fn.Fold
	hists []*histFold    // of the groups with native histograms
	unis  []*uniformFold // of those whose histograms come bucket by bucket
	m     *matrix        // groups in the order of their first series that has a value
	order []int          // which groups these are
	spare spare
}

// folded is the operator of a folding.
type folded struct {
	held
	a  *plan.Aggregate
	of operator
	n  int
}

func fold(a *plan.Aggregate, of operator, n int) operator {
	op := &folded{a: a, of: of, n: n}
	op.compute = func(q *query) (*matrix, error) {
		f, err := op.begin(q)
		if err != nil {
			return nil, err
		}
		if err := of.run(q, f.add); err != nil {
			return nil, err
		}
		return f.result()
	}
	return op
}

func (op *folded) begin(q *query) (*folding, error) {
	ss, err := op.of.open(q)
	if err != nil {
		return nil, err
	}
	g := newGrouping(ss, op.a, op.a.Grouping)
	f := &folding{
		Aggregate: op.a, q: q, n: op.n, ss: ss, g: g,
		folds: make([]fn.Fold, len(g.groups)), hists: make([]*histFold, len(g.groups)), unis: make([]*uniformFold, len(g.groups)), m: &matrix{},
	}
	for to := range g.at {
		g.at[to] = -1
	}
	return f, nil
}

// add adds the column of series i to its group.
func (f *folding) add(i int, col column) error {
	to := f.g.of[i]
	if done, err := f.uniform(to, &col); done || err != nil {
		return err
	}
	if col.h != nil {
		if err := f.native(i, &col); err != nil {
			return err
		}
	}
	if f.g.at[to] < 0 {
		if col.empty() {
			return nil
		}
		f.place(to)
		if f.g.size[to] == 1 && col.h == nil {
			kept, err := f.spare.column(f.q, f.n)
			if err != nil {
				return err
			}
			copy(kept, col.v)
			fn.Single(f.Op, kept)
			f.m.cols[f.g.at[to]].v = kept
			return nil
		}
	}
	if f.folds[to] == nil {
		if err := f.q.charge(f.n * fn.FoldCells(f.Op)); err != nil {
			return err
		}
		f.folds[to] = fn.NewFold(f.Op, f.n)
	}
	if h := f.hists[to]; h != nil {
		if err := h.add(f, i, col); err != nil {
			return err
		}
	}
	f.folds[to].Add(col.v)
	return nil
}

// place gives a group, if it has none yet, its place in the result: groups are in order of their first series.
func (f *folding) place(to int) {
	if f.g.at[to] >= 0 {
		return
	}
	f.g.at[to] = len(f.m.cols)
	f.m.series = append(f.m.series, f.g.groups[to])
	f.m.cols = append(f.m.cols, column{})
	f.order = append(f.order, to)
}

// uniform adds a column that comes bucket by bucket, if its group allows it. If not, it makes histograms of it, or of
// what the group has.
func (f *folding) uniform(to int, col *column) (done bool, err error) {
	have, u := f.unis[to], col.u
	switch {
	case u != nil && f.Op != parser.SUM && f.Op != parser.AVG:
		f.flat(to, col)
		return false, nil
	case u != nil && f.Op == parser.AVG && !u.moderate():
		col.h, col.u = u.rows(), nil
		u = nil
	}
	switch {
	case u == nil && have == nil:
		return false, nil
	case u != nil && have == nil && f.g.at[to] < 0:
		if !col.native() {
			return true, nil
		}
		if have, err = newUniformFold(f.q, u, f.Op == parser.AVG); err != nil {
			return false, err
		}
		f.unis[to] = have
		f.place(to)
		return true, have.add(f.q, u)
	case u != nil && have != nil && have.same(u.layout):
		return true, have.add(f.q, u)
	}
	if u != nil {
		col.h, col.u = u.rows(), nil
	}
	if have != nil && !col.empty() {
		f.hists[to], f.unis[to] = have.histFold(), nil
		f.q.release(have.cells)
		return false, f.q.charge(f.n * histGroupCells)
	}
	return have != nil, nil
}

// flat does with a column that comes bucket by bucket what an aggregation does that does not look into histograms.
func (f *folding) flat(to int, col *column) {
	switch {
	case !col.native():
	case f.Op == parser.COUNT || f.Op == parser.GROUP:
		for k, there := range col.u.there {
			if there {
				col.v[k] = 1
			}
		}
	default:
		f.ignored(to)
	}
	col.u = nil
}

// native does with the histograms of a column what the aggregation does.
func (f *folding) native(i int, col *column) error {
	switch {
	case !col.native():
	case f.Op == parser.COUNT || f.Op == parser.GROUP:
		for k, h := range col.h {
			if h != nil {
				col.v[k] = 1
			}
		}
	case f.Op == parser.SUM || f.Op == parser.AVG:
		to := f.g.of[i]
		if f.hists[to] != nil {
			return nil
		}
		if err := f.q.charge(f.n * histGroupCells); err != nil {
			return err
		}
		f.hists[to] = newHistFold(f, to)
		return nil
	default:
		f.ignored(f.g.of[i])
	}
	col.h = nil
	return nil
}

// ignored remarks that an aggregation does not look at the histograms of a group. Their series have a place all the same.
func (f *folding) ignored(to int) {
	f.place(to)
	f.q.annotate(annotations.NewHistogramIgnoredInAggregationInfo(f.Op.String(), f.Of.Pos()))
}

func (f *folding) result() (_ *matrix, err error) {
	for to, fold := range f.folds {
		if fold == nil {
			continue
		}
		f.q.release(f.n * (fn.FoldCells(f.Op) - 1))
		col := &f.m.cols[f.g.at[to]]
		col.v = fold.Result()
		if h := f.hists[to]; h != nil {
			h.result(f, col)
			f.q.release(f.n * histGroupCells)
		}
	}
	for to, u := range f.unis {
		if u == nil {
			continue
		}
		col := &f.m.cols[f.g.at[to]]
		if *col, err = f.q.absent(f.n); err != nil {
			return nil, err
		}
		for k, h := range u.result() {
			if err := col.putHist(f.q, k, h); err != nil {
				return nil, err
			}
		}
		f.q.release(u.cells)
	}
	return f.m.nonEmpty(f.q), nil
}

// histFold is the sums or means of the native histograms of one group.
type histFold struct {
	steps []histGroup
	cells int
}

// histGroup is one step of a group.
type histGroup struct {
	fold      fn.HistFold
	float     bool // there was a float
	histogram bool // there was a histogram; with both, there is no result
	late      bool // the first was a float: histograms are not looked at
}

const histGroupCells = 8

// newHistFold begins with what the group has had so far, which is floats.
func newHistFold(f *folding, to int) *histFold {
	h := &histFold{steps: make([]histGroup, f.n)}
	before, ok := f.folds[to].(interface{ Has(k int) bool })
	for k := range h.steps {
		h.steps[k].fold.Mean = f.Op == parser.AVG
		if ok && before.Has(k) {
			h.steps[k].float, h.steps[k].late = true, true
		}
	}
	return h
}

func (h *histFold) add(f *folding, i int, col column) error {
	for k := range col.v {
		g := &h.steps[k]
		native := col.hist(k)
		switch {
		case g.fold.Failed():
		case native != nil:
			g.histogram = true
			if g.late {
				continue
			}
			first := g.fold.Empty()
			if first {
				h.cells += 2 * histCells(native)
				if err := f.q.charge(2 * histCells(native)); err != nil {
					return err
				}
			}
			if err := g.fold.Add(native); fn.Unfit(err) {
				f.q.annotate(annotations.NewMixedExponentialCustomHistogramsWarning(f.ss[i].name(), f.Of.Pos()))
			}
		case !storage.IsAbsent(col.v[k]):
			g.late = g.late || !g.histogram
			g.float = true
		}
	}
	return nil
}

// result puts what comes of the histograms into col, which has the aggregate of the floats.
func (h *histFold) result(f *folding, col *column) {
	f.q.release(h.cells)
	for k := range h.steps {
		g := &h.steps[k]
		if !g.histogram {
			continue
		}
		col.v[k] = storage.Absent
		if g.fold.Reconciled() {
			f.q.annotate(annotations.NewMismatchedCustomBucketsHistogramsInfo(f.Of.Pos(), annotations.HistogramAgg))
		}
		if g.float {
			f.q.annotate(annotations.NewMixedFloatsHistogramsAggWarning(f.Of.Pos()))
			continue
		}
		if g.fold.Failed() {
			continue
		}
		if g.fold.Collided() {
			f.q.annotate(annotations.NewHistogramCounterResetCollisionWarning(f.Of.Pos(), annotations.HistogramAgg))
		}
		col.setHist(k, g.fold.Result().Compact(0))
	}
	for _, x := range col.h {
		if x != nil {
			col.cells += histCells(x)
		}
	}
	f.q.used.Add(int64(col.cells))
}

// histogramsOnly makes what mapped needs of a function of histograms. Floats are passed over.
func histogramsOnly(f func(h *histogram.FloatHistogram) float64) func(col *column, args [][]float64) {
	return func(col *column, _ [][]float64) {
		fill(col.v, storage.Absent)
		for k, h := range col.h {
			if h != nil {
				col.v[k] = f(h)
			}
		}
		col.h = nil
	}
}
