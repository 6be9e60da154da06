package exec

import (
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// newSet makes a set operator on two vectors: and, or, unless. Whether a series stays depends, at each step, on whether
// the other side has one with the same signature.
func newSet(b *plan.Binary, l, r operator) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		left, err := collect(q, l)
		if err != nil {
			return nil, err
		}
		right, err := collect(q, r)
		if err == nil {
			err = q.ctx.Err() // there may be very many of them in each other
		}
		if err != nil {
			return nil, err
		}
		m := newMatcher(b.Matching)
		leftSig, rightSig := m.signatures(left.series), m.signatures(right.series)
		switch b.Op {
		case parser.LOR:
			there := presence(left, leftSig, len(m.known))
			right.filter(rightSig, there, false)
			left.series = append(left.series, right.series...)
			left.cols = append(left.cols, right.cols...)
		default:
			there := presence(right, rightSig, len(m.known))
			left.filter(leftSig, there, b.Op == parser.LAND)
			right.release(q)
		}
		return together(q, left.nonEmpty(q))
	}}
}

// presence tells for each signature at which steps a series of m has a value.
func presence(m *matrix, sigs []int, signatures int) [][]bool {
	there := make([][]bool, signatures)
	for i, col := range m.cols {
		t := there[sigs[i]]
		if t == nil {
			t = make([]bool, len(col.v))
			there[sigs[i]] = t
		}
		for k := range col.v {
			if col.has(k) {
				t[k] = true
			}
		}
	}
	return there
}

// filter leaves the values of m whose signature is there, or with want false is not.
func (m *matrix) filter(sigs []int, there [][]bool, want bool) {
	for i, col := range m.cols {
		t := there[sigs[i]]
		for k := range col.v {
			if (t != nil && t[k]) != want {
				col.clear(k)
			}
		}
	}
}
