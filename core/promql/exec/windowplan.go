package exec

import (
	"slices"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/storage"
)

// groupPlan is the window plan of one timestamp column, for series without holes, and the last one made for series
// with holes: the series of a target that failed once all have the same.
type groupPlan struct {
	*windowScan
	lo, hi int     // rows in any window
	times  []int64 // of these
	dense  *fn.Window

	present []int32 // the rows, counted from lo, that sparse is about
	sparse  *fn.Window
	kept    []int32 // like present, of the series at hand
	own     []int64 // times of sparse
}

func (op *windowScan) newPlan(times []int64) *groupPlan {
	p := &groupPlan{windowScan: op}
	p.lo, p.hi = fn.Span(times, op.ref, op.width)
	p.times = times[p.lo:p.hi]
	return p
}

// window returns the plan for a series that has the values of in in the rows from first on, and takes the holes from
// these.
func (p *groupPlan) window(first int, in *fn.Series) *fn.Window {
	first -= p.lo
	if first == 0 && len(in.V) == len(p.times) && (in.Known || !holey(in.V)) {
		if p.dense == nil {
			p.dense = fn.NewWindow(p.times, p.ref, p.eval, p.width)
		}
		return p.dense
	}
	p.kept = p.kept[:0]
	for i, x := range in.V {
		if x != x && (storage.IsAbsent(x) || model.IsStale(x)) {
			continue
		}
		in.V[len(p.kept)] = x
		p.kept = append(p.kept, int32(first+i))
	}
	in.V = in.V[:len(p.kept)]
	if p.sparse != nil && slices.Equal(p.kept, p.present) {
		return p.sparse
	}
	p.present, p.kept = p.kept, p.present
	p.own = p.own[:0]
	for _, row := range p.present {
		p.own = append(p.own, p.times[row])
	}
	if p.sparse == nil {
		p.sparse = fn.NewWindow(p.own, p.ref, p.eval, p.width)
	} else {
		p.sparse.Replan(p.own)
	}
	return p.sparse
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

// made returns how many plans there are.
func made[T any](plans []*T) (n int) {
	for _, p := range plans {
		if p != nil {
			n++
		}
	}
	return n
}
