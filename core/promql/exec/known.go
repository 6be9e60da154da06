package exec

import (
	"math"
	"slices"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/storage"
)

// need is what a function of a range vector looks at.
type need uint8

const (
	everyValue need = iota
	noValue         // how many samples there are
	firstValue
	lastValue
	anyValue // the same of equal values, however many
)

func needOf(function string) need {
	switch function {
	case "count_over_time", "present_over_time", "absent_over_time":
		return noValue
	case "first_over_time":
		return firstValue
	case "last_over_time":
		return lastValue
	case "min_over_time", "max_over_time":
		return anyValue
	}
	return everyValue
}

// knownRows is how many rows of a series are at least worth to ask what is known of them.
const knownRows = 256

// known is what the storage knows of rows of a series without decoding them. It is kept from series to series.
type known struct {
	cols storage.StatisticsColumns
	i    int
	runs []storage.Run

	filled bool    // each row has a sample, of a number other than NaN
	equal  bool    // all rows have the bits of value
	value  float64 //

	at      int       // run of the row that was asked for last
	decoded int       // run that vals is of
	vals    []float64 // in the scan's buffer
}

// survey asks for rows lo..hi-1 of series i, for what n needs of them in so many steps. Runs of which nothing is known are
// decoded, until one has a hole. It is false if the storage does not know enough, which is seen before that if it can be.
func (s *known) survey(buf *scanBuffer, g storage.Columns, i, lo, hi int, n need, steps int) (ok bool, err error) {
	if s.cols, ok = g.(storage.StatisticsColumns); !ok || hi-lo < knownRows {
		return false, nil
	}
	s.i, s.at, s.decoded = i, 0, -1
	if s.runs, err = s.cols.Runs(i, lo, hi, s.runs[:0]); err != nil {
		return false, err
	}
	if (n == anyValue || n != noValue && steps > len(s.runs)/2) && !s.mayBeEqual() {
		return false, nil
	}
	s.filled, s.equal, s.value = true, true, s.runs[0].Value
	for k := range s.runs {
		run := &s.runs[k]
		switch {
		case run.Dense:
			s.equal = s.equal && run.Constant && math.Float64bits(run.Value) == math.Float64bits(s.value)
			continue
		case run.Constant:
			s.filled = false
		default:
			v, err := s.decode(buf, k)
			if err != nil {
				return false, err
			}
			if s.filled = len(v) == run.Hi-run.Lo && !holey(v); s.filled && k == 0 {
				s.value = v[0]
			}
			bits := math.Float64bits(s.value)
			s.equal = s.equal && !slices.ContainsFunc(v, func(x float64) bool { return math.Float64bits(x) != bits })
		}
		if !s.filled {
			break
		}
	}
	return true, nil
}

// mayBeEqual tells whether what is known does not rule out, and is something, that all rows have the same value.
func (s *known) mayBeEqual() bool {
	first := -1
	for k := range s.runs {
		switch run := &s.runs[k]; {
		case run.Dense != run.Constant: // several values, or none
			return false
		case !run.Dense:
		case first < 0:
			first = k
		case math.Float64bits(run.Value) != math.Float64bits(s.runs[first].Value):
			return false
		}
	}
	return first >= 0
}

func (s *known) decode(buf *scanBuffer, k int) (v []float64, err error) {
	if s.decoded != k {
		s.decoded = k
		_, s.vals, err = buf.read(s.cols, s.i, s.runs[k].Lo, s.runs[k].Hi)
	}
	return s.vals, err
}

// row returns the value of a row; rows are asked for in ascending order.
func (s *known) row(buf *scanBuffer, row int) (float64, error) {
	for s.runs[s.at].Hi <= row {
		s.at++
	}
	run := &s.runs[s.at]
	if run.Constant {
		return run.Value, nil
	}
	v, err := s.decode(buf, s.at)
	if err != nil {
		return 0, err
	}
	return v[row-run.Lo], nil
}

// known computes the steps of the plan g for series r, if the storage knows enough for the function without decoding
// all rows.
func (w *windowWorker) known(g *groupPlan, r ref, col []float64) (c computed, done bool, err error) {
	if w.need == everyValue {
		return c, false, nil
	}
	s := &w.about
	ok, err := s.survey(&w.buf, w.src.groups[r.group], int(r.i), g.lo, g.hi, w.need, len(col))
	if err != nil || !ok || !s.filled {
		return c, false, err
	}
	win := g.full()
	switch {
	case w.need == noValue:
		w.f(win, fn.Series{Known: true}, nil, col)
	case s.equal:
		fillWindows(win, s.value, col)
	case w.need == anyValue || len(col) > len(s.runs)/2: // most would be decoded
		return c, false, nil
	default:
		for k := range col {
			row := int(win.Hi[k]) - 1
			if w.need == firstValue {
				row = int(win.Lo[k])
			}
			if col[k] = storage.Absent; win.Lo[k] == win.Hi[k] {
				continue
			}
			if col[k], err = s.row(&w.buf, g.lo+row); err != nil {
				return c, false, err
			}
		}
	}
	c.samples, c.read = win.Samples, win.Read
	w.steps.windows(win, 0, nil)
	return c, true, nil
}

// fillWindows fills the steps whose windows have rows with v.
func fillWindows(w *fn.Window, v float64, col []float64) {
	for k := range col {
		if col[k] = v; w.Lo[k] == w.Hi[k] {
			col[k] = storage.Absent
		}
	}
}

// known computes the steps of the plan g for series r, if all its values are equal or only times are wanted.
func (w *instantWorker) known(g *groupPlan, r ref, col []float64) (found int, done bool, err error) {
	s := &w.about
	n := anyValue
	if w.stamp {
		n = noValue
	}
	ok, err := s.survey(&w.buf, w.sel.src.groups[r.group], int(r.i), g.lo, g.hi, n, len(col))
	if err != nil || !ok || !s.filled || !s.equal && !w.stamp {
		return 0, false, err
	}
	win := g.full()
	fillWindows(win, s.value, col)
	for k := range col {
		if !storage.IsAbsent(col[k]) {
			if found++; w.stamp {
				col[k] = float64(win.T[win.Hi[k]-1]) / 1000
			}
		}
	}
	return found, true, nil
}
