package exec

import (
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/model"
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
	args    []scalar
	keep    bool                   // the result keeps its name
	counter bool                   // the function expects a counter
	pos     posrange.PositionRange // of the range vector
	weight  int64
	valid   func(x float64) error // remarks on a value of the first argument; nil accepts all
}

// rows is where the samples of a range vector come from: the storage or a subquery.
type rows interface {
	source(q *query) (*source, error)
}

func (s *selection) source(*query) (*source, error) { return s.src, nil }

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

// opened is rows that have been opened.
type opened struct{ src *source }

func (o opened) source(*query) (*source, error) { return o.src, nil }

// groupPlan is the window plan of one timestamp column, for series without holes, and the last one made for series
// with holes: the series of a target that failed once all have the same.
type groupPlan struct {
	lo, hi int // rows in any window
	dense  *fn.Window

	present []int32 // the rows, counted from lo, that sparse is about
	sparse  *fn.Window
}

const planCells = 6 // charged for each step of a group's plan: bounds, and what rates need

func (op *windowScan) run(q *query, out sink) error {
	src, err := op.rows.source(q)
	if err != nil {
		return err
	}
	args, err := scalars(q, op.args)
	if err != nil {
		return err
	}
	col, err := q.column(op.eval.N)
	if err != nil {
		return err
	}
	defer q.release(op.eval.N)
	buf := scanBuffer{q: q}
	defer buf.close()
	suspect := op.valid != nil && slices.ContainsFunc(args[0], func(x float64) bool { return op.valid(x) != nil })
	plans := make([]*groupPlan, len(src.groups))
	defer func() { q.release(op.eval.N * planCells * made(plans)) }()
	var scratch, resets []int32
	var named string // the last metric remarked on
	for n, r := range src.refs {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		g := src.groups[r.group]
		p := plans[r.group]
		if p == nil {
			if err := q.charge(op.eval.N * planCells); err != nil {
				return err
			}
			p = &groupPlan{}
			p.lo, p.hi = fn.Span(g.Times(), op.ref, op.width)
			plans[r.group] = p
		}
		lo, v, err := buf.read(g, int(r.i), p.lo, p.hi)
		if err != nil {
			return err
		}
		in := fn.Series{V: v}
		if op.counter {
			resets, in.Known = fn.Survey(v, resets[:0])
			in.Resets = resets
		}
		var w *fn.Window
		w, in.V, scratch = op.window(p, g.Times(), lo, in, scratch)
		if w.Samples == 0 {
			continue
		}
		q.samples += w.Samples * op.weight
		if suspect {
			op.remarkArgs(q, w, args[0])
		}
		op.f(w, in, args, col)
		if op.counter {
			if name := src.series[n].name(); name != named && name != "" && !empty(col) {
				op.remarkName(q, name)
				named = name
			}
		}
		if err := out(n, col); err != nil {
			return err
		}
	}
	return nil
}

// made returns how many plans there are.
func made[T any](plans []*T) (n int) {
	for _, p := range plans {
		if p != nil {
			n++
		}
	}
	return n
}

// window returns the plan for a series that has the values of in in the rows from first on, and these values without
// holes.
func (op *windowScan) window(p *groupPlan, times []int64, first int, in fn.Series, scratch []int32) (*fn.Window, []float64, []int32) {
	v := in.V
	if first == p.lo && len(v) == p.hi-p.lo && (in.Known || !holey(v)) {
		if p.dense == nil {
			p.dense = fn.NewWindow(times[p.lo:p.hi], op.ref, op.eval, op.width)
		}
		return p.dense, v, scratch
	}
	kept := scratch[:0]
	n := 0
	for i, x := range v {
		if x != x && (storage.IsAbsent(x) || model.IsStale(x)) {
			continue
		}
		v[n] = x
		kept = append(kept, int32(first+i-p.lo))
		n++
	}
	if p.sparse == nil || !slices.Equal(kept, p.present) {
		p.present = append(p.present[:0], kept...)
		own := make([]int64, n)
		for i, row := range kept {
			own[i] = times[p.lo+int(row)]
		}
		p.sparse = fn.NewWindow(own, op.ref, op.eval, op.width)
	}
	return p.sparse, v[:n], kept
}

// holey tells whether a row of v has no sample, or one that says that the series has ended.
func holey(v []float64) bool {
	for _, x := range v {
		if x != x && (storage.IsAbsent(x) || model.IsStale(x)) {
			return true
		}
	}
	return false
}

// remarkName warns of a function of counters used on what may not be one, by its name.
func (op *windowScan) remarkName(q *query, name string) {
	for _, suffix := range []string{"_total", "_sum", "_count", "_bucket"} {
		if strings.HasSuffix(name, suffix) {
			return
		}
	}
	q.annotate(annotations.NewPossibleNonCounterInfo(name, op.pos))
}

// remarkArgs remarks on the values of the first argument that are used.
func (op *windowScan) remarkArgs(q *query, w *fn.Window, arg []float64) {
	for k, x := range arg {
		if err := op.valid(x); err != nil && w.Hi[k] > w.Lo[k] {
			q.annotate(err)
		}
	}
}

// subquery is rows that are the result of an expression evaluated on a grid of its own.
type subquery struct {
	of   operator
	grid plan.Grid
}

func (s *subquery) source(q *query) (*source, error) {
	if s.grid.N == 0 {
		return &source{}, nil
	}
	if err := q.charge(s.grid.N); err != nil { // for the times of the steps
		return nil, err
	}
	m, err := collect(q, s.of)
	if err != nil {
		return nil, err
	}
	return subquerySource(m, s.grid), nil
}
