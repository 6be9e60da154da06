package exec

import (
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
	weight   int64
}

func newInstantScan(q *query, s *plan.Selector, g plan.Grid, lookback, weight int64) operator {
	op := &instantScan{ref: s.Times(g), lookback: lookback, stamp: s.Stamp, weight: weight}
	at := s.Reference
	at.Slides = false // upstream selects what the first step needs
	first, last := at.Times(g).Bounds()
	op.sel = q.register(first-lookback+1, last, s.Matchers)
	if s.Stamp && s.At != nil { // upstream selects with the offset but looks at the time of the @ modifier
		at.Offset = 0
		op.ref = at.Times(g)
	}
	return op
}

func (op *instantScan) open(q *query) ([]series, error) {
	if op.stamp {
		return unnamed(q, op.sel.src.series), nil
	}
	return op.sel.src.series, nil
}

// instantPlan is where the steps look in one timestamp column.
type instantPlan struct {
	lo, hi int     // rows that may be looked at
	times  []int64 // of these
	newest []int32 // for each step the newest row up to it, counted from lo; -1 if that is too old
	full   bool    // no -1
}

func (op *instantScan) plan(times []int64) *instantPlan {
	p := &instantPlan{newest: make([]int32, op.ref.N), full: true}
	p.lo, p.hi = fn.Span(times, op.ref, op.lookback)
	p.times = times[p.lo:p.hi]
	row := 0
	for k := range p.newest {
		t := op.ref.At(k)
		for row < len(p.times) && p.times[row] <= t {
			row++
		}
		p.newest[k] = int32(row - 1)
		if row == 0 || p.times[row-1] <= t-op.lookback {
			p.newest[k] = -1
			p.full = false
		}
	}
	return p
}

func (op *instantScan) run(q *query, out sink) error {
	src := op.sel.src
	plans := make([]*instantPlan, len(src.groups))
	defer func() { q.release(op.ref.N * made(plans)) }()
	col, err := q.column(op.ref.N)
	if err != nil {
		return err
	}
	defer q.release(op.ref.N)
	buf := scanBuffer{q: q}
	defer buf.close()
	for n, r := range src.refs {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		g := src.groups[r.group]
		p := plans[r.group]
		if p == nil {
			if err := q.charge(op.ref.N); err != nil {
				return err
			}
			p = op.plan(g.Times())
			plans[r.group] = p
		}
		lo, v, err := buf.read(g, int(r.i), p.lo, p.hi)
		if err != nil {
			return err
		}
		if len(v) == 0 {
			continue
		}
		found := op.pick(p, lo-p.lo, v, col)
		if found == 0 {
			continue
		}
		q.samples += int64(found) * op.weight
		if err := out(n, col); err != nil {
			return err
		}
	}
	return nil
}

// pick fills col from the values v of the rows from first on, and returns how many steps have a value.
func (op *instantScan) pick(p *instantPlan, first int, v, col []float64) (found int) {
	if p.full && !op.stamp && first == 0 && len(v) == len(p.times) {
		return op.pickDense(p, v, col)
	}
	for k := range col {
		col[k] = op.at(p, k, first, v)
		if !storage.IsAbsent(col[k]) {
			found++
		}
	}
	return found
}

// pickDense is pick for a series that has rows wherever its group has some.
func (op *instantScan) pickDense(p *instantPlan, v, col []float64) (found int) {
	found = len(col)
	for k, row := range p.newest {
		x := v[row]
		if x != x {
			if x = op.at(p, k, 0, v); storage.IsAbsent(x) {
				found--
			}
		}
		col[k] = x
	}
	return found
}

// at returns the value of step k, looking past rows where the series has no sample.
func (op *instantScan) at(p *instantPlan, k, first int, v []float64) float64 {
	row := int(p.newest[k])
	if row < 0 {
		return storage.Absent
	}
	oldest := op.ref.At(k) - op.lookback
	row = min(row, first+len(v)-1)
	for ; row >= first && p.times[row] > oldest; row-- {
		switch x := v[row-first]; {
		case storage.IsAbsent(x):
			continue
		case model.IsStale(x):
			return storage.Absent
		case op.stamp:
			return float64(p.times[row]) / 1000
		default:
			return x
		}
	}
	return storage.Absent
}
