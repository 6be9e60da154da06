package exec

import (
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/fn"
)

// stepJoin is a join done step by step: where series of the same signature take turns, which is allowed, or meet, which
// is an error, or where fill values stand in for what is missing.
type stepJoin struct {
	*join
	q       *query
	ones    []int          // the series of the one side present at this step, by signature; -1 for none
	matched []bool         // signatures that had a result at this step, with one-to-one matching
	results []map[int]bool // the same with many-to-one matching: the series made for each signature
	out     *matrix
	at      map[madeKey]int // series of out
	filled  map[fillKey]int
	last    error // to remark on at this step; upstream forgets all but the last
}

// madeKey is a series of the output: the hash of its labels and the signature it is made for.
type madeKey struct {
	hash uint64
	sig  int
}

// fillKey is a result with a fill value on one side: series i of the many side, or of the one.
type fillKey struct {
	i    int
	many bool
}

func (op *join) byStep(q *query, signatures int) (*matrix, error) {
	s := &stepJoin{
		join: op, q: q, ones: make([]int, signatures), matched: make([]bool, signatures),
		results: make([]map[int]bool, signatures), out: &matrix{}, at: map[madeKey]int{}, filled: map[fillKey]int{},
	}
	for k := range op.n {
		if err := q.ctx.Err(); err != nil {
			return nil, err
		}
		s.last = nil
		err := s.step(k)
		remarkBinary(q, op.Binary, s.last)
		if err != nil {
			return nil, err
		}
	}
	return s.out.nonEmpty(q), nil
}

func (s *stepJoin) step(k int) error {
	fill := s.Matching.FillValues
	many, one := s.many.count(k), s.one.count(k)
	if many == 0 && one == 0 || (many == 0 || one == 0) && fill.LHS == nil && fill.RHS == nil {
		return nil
	}
	for sig := range s.ones {
		s.ones[sig], s.matched[sig], s.results[sig] = -1, false, nil
	}
	for j, sig := range s.oneSig {
		if !s.one.cols[j].has(k) {
			continue
		}
		if first := s.ones[sig]; first >= 0 {
			return errDuplicate(s.Matching, s.one.series[j].metric(), s.one.series[first].metric())
		}
		s.ones[sig] = j
	}
	for i, sig := range s.manySig {
		if !s.many.cols[i].has(k) {
			continue
		}
		x, j := s.many.cols[i].at(k), s.ones[sig]
		switch {
		case j >= 0:
			if err := s.pair(k, sig, x, s.one.cols[j].at(k), func() int { return s.series(sig, i, j) }); err != nil {
				return err
			}
		case fill.RHS != nil:
			if err := s.pair(k, sig, x, sample{v: *fill.RHS}, func() int { return s.withFill(sig, i, true) }); err != nil {
				return err
			}
		}
	}
	if fill.LHS == nil {
		return nil
	}
	for j, sig := range s.oneSig {
		if !s.one.cols[j].has(k) || s.matched[sig] || len(s.results[sig]) > 0 {
			continue
		}
		y := s.one.cols[j].at(k)
		if err := s.pair(k, sig, sample{v: *fill.LHS}, y, func() int { return s.withFill(sig, j, false) }); err != nil {
			return err
		}
	}
	return nil
}

// pair computes one result. x is of the many side, y of the one side; series returns the series of the result.
func (s *stepJoin) pair(k, sig int, x, y sample, series func() int) error {
	if s.Matching.Card == parser.CardOneToMany {
		x, y = y, x
	}
	v, keep, info, err := element(s.Binary, x, y)
	if err != nil {
		s.last = err
		return nil
	}
	if info != nil {
		s.last = info
	}
	if s.Bool {
		v, keep = sample{v: fn.Truth(keep)}, true
	}
	to := series()
	if s.Matching.Card == parser.CardOneToOne {
		if s.matched[sig] {
			return errManyMatches
		}
		s.matched[sig] = true
	} else {
		if s.results[sig][to] {
			return errSameGroupLabel
		}
		if s.results[sig] == nil {
			s.results[sig] = map[int]bool{}
		}
		s.results[sig][to] = true
	}
	if !keep {
		return nil
	}
	col := &s.out.cols[to]
	if col.v == nil {
		if *col, err = s.q.absent(s.n); err != nil {
			return err
		}
	}
	if v.h == nil {
		col.v[k] = v.v
	}
	return col.putHist(s.q, k, v.h)
}

// series returns which series of the output series i of the many and j of the one side make.
func (s *stepJoin) series(sig, i, j int) int { return s.add(sig, s.result(i, j)) }

// withFill returns the same for a series that meets a fill value, whose labels are the ones matched on.
func (s *stepJoin) withFill(sig, i int, many bool) int {
	key := fillKey{i, many}
	to, ok := s.filled[key]
	if ok {
		return to
	}
	var made series
	if many {
		ls := s.many.series[i].metric()
		made = s.resultOf(ls, s.matchLabels(ls))
	} else {
		ls := s.one.series[i].metric()
		made = s.resultOf(s.matchLabels(ls), ls)
	}
	to = s.add(sig, made)
	s.filled[key] = to
	return to
}

func (s *stepJoin) matchLabels(ls labels.Labels) labels.Labels {
	return ls.MatchLabels(s.Matching.On, s.Matching.MatchingLabels...)
}

func (s *stepJoin) add(sig int, made series) int {
	h := madeKey{made.labels.Hash(), sig}
	to, ok := s.at[h]
	if !ok {
		to = len(s.out.series)
		s.at[h] = to
		s.out.series = append(s.out.series, made)
		s.out.cols = append(s.out.cols, column{})
	}
	return to
}

// count returns how many series have a value at step k.
func (m *matrix) count(k int) (n int) {
	for _, col := range m.cols {
		if col.has(k) {
			n++
		}
	}
	return n
}

// nonEmpty returns m without the series that have no column or no value.
func (m *matrix) nonEmpty(q *query) *matrix {
	n := 0
	for i, col := range m.cols {
		if col.v == nil {
			continue
		}
		if col.empty() {
			q.drop(col)
			continue
		}
		m.series[n], m.cols[n] = m.series[i], col
		n++
	}
	m.series, m.cols = m.series[:n], m.cols[:n]
	return m
}
