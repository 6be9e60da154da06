package exec

import (
	"errors"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// join is an arithmetic or comparison operator on two vectors.
type join struct {
	*plan.Binary
	l, r operator
	n    int

	many, one *matrix // the sides; with one-to-one matching left and right
	manySig   []int
	oneSig    []int
	lb        *labels.Builder
	dropName  bool
	made      map[[2]int]series // results by many and one
}

func newJoin(b *plan.Binary, l, r operator, n int) operator {
	op := &join{Binary: b, l: l, r: r, n: n}
	return &held{compute: op.matrix}
}

func (op *join) matrix(q *query) (*matrix, error) {
	l, err := collect(q, op.l)
	if err != nil {
		return nil, err
	}
	r, err := collect(q, op.r)
	if err != nil {
		return nil, err
	}
	op.many, op.one = l, r
	if op.Matching.Card == parser.CardOneToMany {
		op.many, op.one = r, l
	}
	m := newMatcher(op.Matching)
	op.manySig, op.oneSig = m.signatures(op.many.series), m.signatures(op.one.series)
	op.lb = labels.NewBuilder(labels.EmptyLabels())
	op.made = map[[2]int]series{}
	op.dropName = op.Bool && !q.delayed
	var out *matrix
	if ones, ok := op.unique(len(m.known)); ok && !fn.OfHistograms(op.Op) && !l.native() && !r.native() {
		out, err = op.byColumn(q, ones)
	} else {
		out, err = op.byStep(q, len(m.known))
	}
	if err != nil {
		return nil, err
	}
	l.release(q)
	r.release(q)
	return together(q, out)
}

// native tells whether there is a histogram anywhere in m.
func (m *matrix) native() bool { return slices.ContainsFunc(m.cols, column.native) }

// unique tells whether nothing can match twice at any step: no signature occurs twice on the one side, nor, with
// one-to-one matching, on the other, and no fill values are used. It returns the series of the one side by signature,
// -1 for none.
func (op *join) unique(signatures int) (ones []int, ok bool) {
	fill := op.Matching.FillValues
	if fill.LHS != nil || fill.RHS != nil {
		return nil, false
	}
	ones = make([]int, signatures)
	for i := range ones {
		ones[i] = -1
	}
	for i, sig := range op.oneSig {
		if ones[sig] >= 0 {
			return nil, false
		}
		ones[sig] = i
	}
	if op.Matching.Card != parser.CardOneToOne {
		return ones, op.uniqueResults(ones)
	}
	seen := make([]bool, signatures)
	for _, sig := range op.manySig {
		if seen[sig] {
			return nil, false
		}
		seen[sig] = true
	}
	return ones, true
}

// uniqueResults tells whether the results of the series of the many side that match have different labels.
func (op *join) uniqueResults(ones []int) bool {
	seen := map[uint64]bool{}
	for i, sig := range op.manySig {
		if ones[sig] < 0 {
			continue
		}
		s := op.result(i, ones[sig])
		h := s.labels.Hash()
		if seen[h] {
			return false
		}
		seen[h] = true
	}
	return true
}

// result returns the series of what comes of series i of the many and j of the one side.
func (op *join) result(i, j int) series {
	s, ok := op.made[[2]int{i, j}]
	if !ok {
		s = op.resultOf(op.many.series[i].metric(), op.one.series[j].metric())
		op.made[[2]int{i, j}] = s
	}
	return s
}

func (op *join) resultOf(many, one labels.Labels) series {
	return series{labels: resultLabels(op.lb, op.Binary, op.dropName, many, one), drop: op.Bool}
}

// byColumn computes the join where each series of the many side meets one series or none.
func (op *join) byColumn(q *query, ones []int) (*matrix, error) {
	out := &matrix{}
	for i, sig := range op.manySig {
		j := ones[sig]
		if j < 0 {
			continue
		}
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		col, err := q.column(op.n)
		if err != nil {
			return nil, err
		}
		l, r := op.many.cols[i].v, op.one.cols[j].v
		if op.Matching.Card == parser.CardOneToMany {
			l, r = r, l
		}
		combine(op.Binary, col, l, r)
		if empty(col) {
			q.release(op.n)
			continue
		}
		out.series = append(out.series, op.result(i, j))
		out.cols = append(out.cols, column{v: col})
	}
	return out, nil
}

// combine computes l op r where both are present.
func combine(b *plan.Binary, out, l, r []float64) {
	for k := range out {
		x, y := l[k], r[k]
		if storage.IsAbsent(x) || storage.IsAbsent(y) {
			out[k] = storage.Absent
			continue
		}
		switch b.Op {
		case parser.ADD:
			out[k] = x + y
		case parser.SUB:
			out[k] = x - y
		case parser.MUL:
			out[k] = x * y
		case parser.DIV:
			out[k] = x / y
		default:
			v, keep := fn.Binary(b.Op, x, y)
			switch {
			case b.Bool:
				v = fn.Truth(keep)
			case !keep:
				v = storage.Absent
			}
			out[k] = v
		}
	}
}

var (
	errManyMatches    = errors.New("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
	errSameGroupLabel = errors.New("multiple matches for labels: grouping labels must ensure unique matches")
)
