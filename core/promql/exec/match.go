package exec

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// matcher tells which series of the two sides of an operator belong together: those with the same signature, which is
// the labels named by on or not named by ignoring. Signatures are numbered.
type matcher struct {
	*parser.VectorMatching
	names []string
	known map[string]int
	buf   []byte
}

func newMatcher(m *parser.VectorMatching) *matcher {
	names := slices.Clone(m.MatchingLabels)
	if !m.On {
		names = append(names, plan.NameLabel)
	}
	slices.Sort(names)
	return &matcher{VectorMatching: m, names: names, known: map[string]int{}}
}

// signatures returns the number of the signature of each series.
func (m *matcher) signatures(ss []series) []int {
	sigs := make([]int, len(ss))
	for i := range ss {
		ls := ss[i].metric()
		if m.On {
			m.buf = ls.BytesWithLabels(m.buf, m.names...)
		} else {
			m.buf = ls.BytesWithoutLabels(m.buf, m.names...)
		}
		sig, ok := m.known[string(m.buf)]
		if !ok {
			sig = len(m.known)
			m.known[string(m.buf)] = sig
		}
		sigs[i] = sig
	}
	return sigs
}

// resultLabels returns the labels of what an operator makes of a series of the many side and one of the one side.
func resultLabels(lb *labels.Builder, b *plan.Binary, dropName bool, many, one labels.Labels) labels.Labels {
	m := b.Matching
	lb.Reset(many)
	if dropName || fn.Arithmetic(b.Op) {
		schema.Metadata{}.SetToLabels(lb)
	}
	if m.Card == parser.CardOneToOne {
		if m.On {
			lb.Keep(m.MatchingLabels...)
		} else {
			lb.Del(m.MatchingLabels...)
		}
	}
	for _, name := range m.Include {
		if v := one.Get(name); v != "" {
			lb.Set(name, v)
		} else {
			lb.Del(name)
		}
	}
	return lb.Labels()
}

// errDuplicate is two series of the one side with the same signature at the same step.
func errDuplicate(m *parser.VectorMatching, a, b labels.Labels) error {
	side := "right"
	if m.Card == parser.CardOneToMany {
		side = "left"
	}
	s, t := a.String(), b.String()
	if s > t {
		s, t = t, s
	}
	return fmt.Errorf("found duplicate series for the match group %s on the %s hand-side of the operation: [%s, %s]"+
		";many-to-many matching not allowed: matching labels must be unique on one side", a.MatchLabels(m.On, m.MatchingLabels...), side, s, t)
}
