package fn

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/storage"
)

// A Fold aggregates the columns of the series of one group, in their order.
type Fold interface {
	// Add takes the column of the next series. It keeps nothing of it.
	Add(col []float64)
	// Result returns the aggregate of each step, Absent where no series had a value. The fold is done then.
	Result() []float64
}

// FoldCells returns how many float64 a fold holds for each step; 0 if there is no fold for op.
func FoldCells(op parser.ItemType) int {
	switch op {
	case parser.SUM:
		return 2
	case parser.AVG, parser.STDDEV, parser.STDVAR:
		return 3
	case parser.MIN, parser.MAX, parser.COUNT, parser.GROUP:
		return 1
	}
	return 0
}

// Single aggregates the column of the only series of a group in place.
func Single(op parser.ItemType, col []float64) {
	for k, x := range col {
		if storage.IsAbsent(x) {
			continue
		}
		switch op {
		case parser.SUM, parser.AVG:
			col[k] = x + 0 // the compensation: it makes -0 0
		case parser.COUNT, parser.GROUP:
			col[k] = 1
		case parser.STDDEV, parser.STDVAR:
			col[k] = x - x // NaN unless x is finite
		}
	}
}

// NewFold returns a fold over columns of n steps, for an op with FoldCells.
func NewFold(op parser.ItemType, n int) Fold {
	a, more := make([]float64, n), make([]float64, (FoldCells(op)-1)*n) // apart: the result is a alone
	for k := range a {
		a[k] = storage.Absent
	}
	switch op {
	case parser.SUM:
		return &sum{a, more}
	case parser.AVG:
		return &mean{sum: a, c: more[:n], n: more[n:]}
	case parser.STDDEV, parser.STDVAR:
		return &spread{m2: a, mean: more[:n], n: more[n:], root: op == parser.STDDEV}
	case parser.MIN:
		return minimum(a)
	case parser.MAX:
		return maximum(a)
	case parser.COUNT:
		return count(a)
	}
	return group(a)
}

type sum struct{ sum, c []float64 }

// Has tells whether there is a value at step k.
func (s *sum) Has(k int) bool { return !storage.IsAbsent(s.sum[k]) }

func (s *sum) Add(col []float64) {
	sum, c := s.sum[:len(col)], s.c[:len(col)]
	for k, x := range col {
		y := sum[k]
		t := y + x
		if !(t <= math.MaxFloat64 && t >= -math.MaxFloat64) { // a hole, NaN or Inf
			switch {
			case storage.IsAbsent(x):
			case storage.IsAbsent(y):
				sum[k] = x
			default:
				sum[k], c[k] = Add(x, y, c[k])
			}
			continue
		}
		sum[k] = t
		if math.Abs(y) >= math.Abs(x) {
			c[k] += float64(float64(y-t) + x)
		} else {
			c[k] += float64(float64(x-t) + y)
		}
	}
}

func (s *sum) Result() []float64 {
	for k, x := range s.sum {
		if !storage.IsAbsent(x) {
			s.sum[k] = x + s.c[k]
		}
	}
	return s.sum
}

// mean divides the compensated sum. Where that overflows, it goes on as a mean updated value by value; updated has
// those then, and sum and c are the mean and its compensation.
type mean struct {
	sum, c, n []float64
	updated   map[int]bool
}

// Has tells whether there is a value at step k.
func (m *mean) Has(k int) bool { return !storage.IsAbsent(m.sum[k]) }

func (m *mean) Add(col []float64) {
	sum, c, n := m.sum[:len(col)], m.c[:len(col)], m.n[:len(col)]
	for k, x := range col {
		y := sum[k]
		t := y + x
		if !(t <= math.MaxFloat64 && t >= -math.MaxFloat64) || m.updated != nil {
			m.add(k, x)
			continue
		}
		n[k]++
		sum[k] = t
		if math.Abs(y) >= math.Abs(x) {
			c[k] += float64(float64(y-t) + x)
		} else {
			c[k] += float64(float64(x-t) + y)
		}
	}
}

// add takes a value that may be a hole, the first, not finite, or too large.
func (m *mean) add(k int, x float64) {
	switch {
	case storage.IsAbsent(x):
		return
	case storage.IsAbsent(m.sum[k]):
		m.sum[k], m.n[k] = x, 1
		return
	}
	m.n[k]++
	n := m.n[k]
	if !m.updated[k] {
		s, c := Add(x, m.sum[k], m.c[k])
		if !isInf(s) {
			m.sum[k], m.c[k] = s, c
			return
		}
		if m.updated == nil {
			m.updated = map[int]bool{}
		}
		m.updated[k] = true
		m.sum[k] /= n - 1
		m.c[k] /= n - 1
	}
	q := (n - 1) / n
	m.sum[k], m.c[k] = Add(x/n, q*m.sum[k], q*m.c[k])
}

func (m *mean) Result() []float64 {
	for k, x := range m.sum {
		switch {
		case storage.IsAbsent(x):
		case m.updated[k]:
			m.sum[k] = x + m.c[k]
		default:
			m.sum[k] = x/m.n[k] + m.c[k]/m.n[k]
		}
	}
	return m.sum
}

// spread is Welford's variance.
type spread struct {
	m2, mean, n []float64
	root        bool
}

func (s *spread) Add(col []float64) {
	for k, x := range col {
		switch {
		case storage.IsAbsent(x):
		case storage.IsAbsent(s.m2[k]):
			s.m2[k], s.mean[k], s.n[k] = 0, x, 1
			if isNaN(x) || isInf(x) {
				s.m2[k] = math.NaN()
			}
		default:
			s.n[k]++
			delta := x - s.mean[k]
			s.mean[k] += delta / s.n[k]
			s.m2[k] += delta * (x - s.mean[k])
		}
	}
}

func (s *spread) Result() []float64 {
	for k, x := range s.m2 {
		if storage.IsAbsent(x) {
			continue
		}
		s.m2[k] = x / s.n[k]
		if s.root {
			s.m2[k] = math.Sqrt(s.m2[k])
		}
	}
	return s.m2
}

type minimum []float64

func (m minimum) Add(col []float64) {
	for k, x := range col {
		if m[k] > x || isNaN(m[k]) && !storage.IsAbsent(x) {
			m[k] = x
		}
	}
}

func (m minimum) Result() []float64 { return m }

type maximum []float64

func (m maximum) Add(col []float64) {
	for k, x := range col {
		if m[k] < x || isNaN(m[k]) && !storage.IsAbsent(x) {
			m[k] = x
		}
	}
}

func (m maximum) Result() []float64 { return m }

type count []float64

func (c count) Add(col []float64) {
	for k, x := range col {
		switch {
		case storage.IsAbsent(x):
		case storage.IsAbsent(c[k]):
			c[k] = 1
		default:
			c[k]++
		}
	}
}

func (c count) Result() []float64 { return c }

type group []float64

func (g group) Add(col []float64) {
	for k, x := range col {
		if !storage.IsAbsent(x) {
			g[k] = 1
		}
	}
}

func (g group) Result() []float64 { return g }
