package exec

import (
	"slices"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// plans is the window plans of a scan: one for each group whose series it is among. What a plan takes is used again for
// another group after the last series of the group.
type plans struct {
	q     *query
	src   *source
	ref   plan.Times // where windows end
	eval  plan.Grid
	width int64 // milliseconds
	cells int   // charged for each step of a plan
	later bool  // there are steps before the first

	last []int32      // series of the source, by group: its last one
	used []*groupPlan // by group
	live []int32      // groups in used, in no order
	due  int          // how many are live when it is time to look for some that are done
	free []*groupPlan
	made int
}

// Cells for each step of a plan: the bounds of a window, or these and what rates need.
const (
	boundsCells = 1
	rateCells   = 6
)

func newPlans(q *query, src *source, ref plan.Times, eval plan.Grid, width int64, cells int) *plans {
	p := &plans{q: q, src: src, ref: ref, eval: eval, width: width, cells: cells}
	p.last, p.used = src.lasts(), make([]*groupPlan, len(src.groups))
	return p
}

// of returns the plan of a group for series n of the source. Plans are asked for in order of series.
func (p *plans) of(group int32, n int) (*groupPlan, error) {
	if g := p.used[group]; g != nil {
		return g, nil
	}
	p.reclaim(n)
	var g *groupPlan
	if n := len(p.free); n > 0 {
		g, p.free = p.free[n-1], p.free[:n-1]
	} else {
		if err := p.q.charge(p.ref.N * p.cells); err != nil {
			return nil, err
		}
		p.made++
		g = &groupPlan{plans: p}
	}
	g.begin(p.src.groups[group].Times())
	p.used[group] = g
	p.live = append(p.live, group)
	return g, nil
}

// reclaim frees the plans of groups that have no series from n on, if there may be many of them.
func (p *plans) reclaim(n int) {
	if len(p.free) > 0 || len(p.live) < p.due {
		return
	}
	kept := p.live[:0]
	for _, group := range p.live {
		if int(p.last[group]) >= n {
			kept = append(kept, group)
			continue
		}
		p.free = append(p.free, p.used[group])
		p.used[group] = nil
	}
	p.live = kept
	p.due = 2*len(kept) + 1
}

func (p *plans) close() { p.q.release(p.made * p.ref.N * p.cells) }

// groupPlan is the window plan of one timestamp column, for series without holes, and the last one made for series
// with holes: the series of a target that failed once all have the same.
type groupPlan struct {
	*plans
	column []int64 // all rows
	lo, hi int     // rows in any window
	times  []int64 // of these
	dense  window
	sparse window

	present []int32 // the rows, counted from lo, that sparse is about
	kept    []int32 // like present, of the series at hand
	own     []int64 // times of sparse

	parts []*groupPlan // of stretches of size steps; nil until one is needed
	size  int
	begun bool // of a part: it is one of this column
}

// window is a plan that is made when it is needed.
type window struct {
	w    *fn.Window
	made bool
}

func (g *groupPlan) make(to *window, times []int64) *fn.Window {
	if to.w == nil {
		to.w = fn.NewWindow(times, g.ref, g.eval, g.width, g.later)
	} else {
		to.w.Replan(times)
	}
	to.made = true
	return to.w
}

// begin makes g the plan of another column.
func (g *groupPlan) begin(times []int64) {
	g.column, g.begun = times, true
	g.lo, g.hi = fn.Span(times, g.ref, g.width)
	g.times = times[g.lo:g.hi]
	g.dense.made, g.sparse.made = false, false
	for _, p := range g.parts {
		if p != nil {
			p.begun = false
		}
	}
}

// stretchRows is about how many rows of a series are decoded at a time, 128 KiB: they stay in a cache, and a series of
// a month takes no more memory than one of some hours.
const stretchRows = 16 << 10

// gapPart is which part of a stretch makes it worth not to decode the rows between two windows: 1024 of them,
// which take as long as beginning anew.
const gapPart = 16

// stretch returns how many steps of a series of so many rows are to be computed at a time. It is one if there are many rows
// between windows, and all of them if windows are so wide that they would overlap much, with rows that are decoded for each.
func (p *plans) stretch(rows int) int {
	if p.ref.N > 1 && p.ref.Step > p.width {
		between := int64(rows/p.ref.N) * (p.ref.Step - p.width) / p.ref.Step
		if between > int64(p.q.stretchRows/gapPart) {
			return 1
		}
	}
	parts := (rows + p.q.stretchRows - 1) / p.q.stretchRows
	if parts < 2 || p.ref.Step*int64(p.ref.N) < 8*int64(parts)*p.width {
		return p.ref.N
	}
	return (p.ref.N + parts - 1) / parts
}

// part returns the plan of the steps from i*size on, size of them at most. It is made once for the group.
func (g *groupPlan) part(i, size int) *groupPlan {
	if size != g.size {
		g.size, g.parts = size, make([]*groupPlan, (g.ref.N+size-1)/size)
	}
	if g.parts[i] == nil {
		a, n := i*size, min(size, g.ref.N-i*size)
		of := &plans{q: g.q, ref: g.ref, eval: g.eval, width: g.width, later: a > 0}
		of.ref.Base, of.ref.N = g.ref.At(a), n
		of.eval.Start, of.eval.N = g.eval.At(a), n
		g.parts[i] = &groupPlan{plans: of}
	}
	if p := g.parts[i]; !p.begun {
		p.begin(g.column)
	}
	return g.parts[i]
}

// full returns the plan for series that have samples wherever the group has rows.
func (g *groupPlan) full() *fn.Window {
	if g.dense.made {
		return g.dense.w
	}
	return g.make(&g.dense, g.times)
}

// window returns the plan for a series that has the values of in in the rows from first on, and takes the holes from
// these.
func (g *groupPlan) window(first int, in *fn.Series) *fn.Window {
	first -= g.lo
	if first == 0 && len(in.V) == len(g.times) && (in.Known || !holey(in.V)) {
		return g.full()
	}
	g.kept = g.kept[:0]
	for i, x := range in.V {
		if x != x && (storage.IsAbsent(x) || model.IsStale(x)) {
			continue
		}
		in.V[len(g.kept)] = x
		g.kept = append(g.kept, int32(first+i))
	}
	in.V = in.V[:len(g.kept)]
	if g.sparse.made && slices.Equal(g.kept, g.present) {
		return g.sparse.w
	}
	g.present, g.kept = g.kept, g.present
	g.own = g.own[:0]
	for _, row := range g.present {
		g.own = append(g.own, g.times[row])
	}
	return g.make(&g.sparse, g.own)
}

// holey tells whether a row of v has no sample, or one that says that the series has ended.
func holey(v []float64) bool {
	for len(v) > 0 {
		if len(v) >= 4 && v[0] == v[0] && v[1] == v[1] && v[2] == v[2] && v[3] == v[3] { // no NaN
			v = v[4:]
			continue
		}
		if storage.IsAbsent(v[0]) || model.IsStale(v[0]) {
			return true
		}
		v = v[1:]
	}
	return false
}
