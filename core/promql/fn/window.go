package fn

import (
	"math"

	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// Window is the plan of a range vector over one timestamp column: for each step the rows of its window and what follows
// from their times alone. It is made once for a column and serves all series that have a sample in each of its rows.
// Rows count from the first row of any window. It belongs to one goroutine.
type Window struct {
	T      []int64    // times of the rows, Unix milliseconds
	Lo, Hi []int32    // rows [Lo[k], Hi[k]) are in the window of step k
	Ref    plan.Times // the windows end here, inclusively
	Eval   plan.Grid  // the times of evaluation: Ref without offset and @
	Width  int64      // milliseconds; a window begins here before its end, exclusively

	Later   bool  // there are steps before the first: its window has rows that they have had
	Samples int64 // rows in all windows together
	Read    int64 // of these, rows that the step before does not have
	Filled  bool  // each window has at least one row
	paired  bool  // each window has at least two rows

	extra        extrapolation // made when a rate is computed first
	extrapolated bool
}

// Span returns the rows [lo, hi) of times that lie in any window of width before the reference times.
func Span(times []int64, ref plan.Times, width int64) (lo, hi int) {
	if ref.N == 0 {
		return 0, 0
	}
	first, last := ref.Bounds()
	lo = after(times, first-width)
	return lo, max(lo, after(times, last))
}

// after returns the first row whose time is after t.
func after(times []int64, t int64) int {
	lo, hi := 0, len(times)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if times[m] <= t {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// NewWindow plans the windows of width milliseconds that end at ref over times, which must be what Span selects. later
// tells that the first step is not the first of the query.
func NewWindow(times []int64, ref plan.Times, eval plan.Grid, width int64, later bool) *Window {
	rows := make([]int32, 2*ref.N)
	w := &Window{Lo: rows[:ref.N:ref.N], Hi: rows[ref.N:], Ref: ref, Eval: eval, Width: width, Later: later}
	w.Replan(times)
	return w
}

// Replan makes w the plan of the same windows over other times. It is for plans nobody else uses.
func (w *Window) Replan(times []int64) {
	ref, width := w.Ref, w.Width
	w.T, w.Samples, w.Read, w.Filled, w.paired, w.extrapolated = times, 0, 0, true, true, false
	lo, hi, stride := 0, 0, 1
	for k := range w.Lo {
		end := ref.At(k)
		from := lo
		lo = seek(times, lo, end-width, stride)
		hi = seek(times, max(hi, lo), end, stride)
		if k > 0 {
			stride = max(lo-from, 1)
		}
		w.Lo[k], w.Hi[k] = int32(lo), int32(hi)
		w.Samples += int64(hi - lo)
		w.Read += int64(w.Hi[k] - w.Fresh(k))
		w.Filled = w.Filled && hi > lo
		w.paired = w.paired && hi > lo+1
	}
}

// Fresh returns the first row of window k that the step before has not had.
func (w *Window) Fresh(k int) int32 {
	switch {
	case k > 0:
		return max(w.Lo[k], w.Hi[k-1])
	case w.Later:
		return min(max(w.Lo[0], int32(after(w.T, w.Ref.At(0)-w.Ref.Step))), w.Hi[0])
	}
	return w.Lo[0]
}

// Steps returns the plan of the steps a..b-1 of w.
func (w *Window) Steps(a, b int) *Window {
	part := &Window{T: w.T, Lo: w.Lo[a:b], Hi: w.Hi[a:b], Ref: w.Ref, Eval: w.Eval, Width: w.Width, Later: w.Later || a > 0, Filled: w.Filled, paired: w.paired}
	part.Ref.Base, part.Ref.N = w.Ref.At(a), b-a
	part.Eval.Start, part.Eval.N = w.Eval.At(a), b-a
	for k := range part.Lo {
		part.Samples += int64(part.Hi[k] - part.Lo[k])
		part.Read += int64(part.Hi[k] - part.Fresh(k))
	}
	return part
}

// seek returns the first row from row on whose time is after t. It looks at stride rows on first, where that row is if
// rows and steps are regular.
func seek(times []int64, row int, t int64, stride int) int {
	if row == len(times) || times[row] > t {
		return row
	}
	for times[row] <= t { // the row is after this one
		next := row + stride
		if next >= len(times) {
			break
		}
		if times[next] > t {
			if times[next-1] <= t {
				return next
			}
			break
		}
		row = next
	}
	end := min(row+stride, len(times))
	return row + after(times[row:end], t)
}

// Series is the input of a RangeFunc: a value for each row of the window plan.
type Series struct {
	V      []float64
	Known  bool    // Resets is complete, and there is no NaN among the values
	Resets []int32 // the rows whose value is below that of the row before
}

// A RangeFunc computes a function of range vectors for one series at every step. args are the scalar arguments, a column
// each. out has a cell for each step; where there is no result it gets Absent.
// It panics with an Error if an argument is out of bounds.
type RangeFunc func(w *Window, s Series, args [][]float64, out []float64)

// perWindow makes a RangeFunc of a function of the rows of one window that is not empty.
func perWindow(f func(t []int64, v []float64) float64) RangeFunc {
	return func(w *Window, s Series, _ [][]float64, out []float64) {
		for k := range out {
			lo, hi := w.Lo[k], w.Hi[k]
			if lo == hi {
				out[k] = storage.Absent
				continue
			}
			out[k] = f(w.T[lo:hi], s.V[lo:hi])
		}
	}
}

// ofValues makes a RangeFunc of a function that does not look at times.
func ofValues(f func(v []float64) float64) RangeFunc {
	return perWindow(func(_ []int64, v []float64) float64 { return f(v) })
}

// Error is an argument a function can't work with. The text is upstream's.
type Error string

func (e Error) Error() string { return string(e) }

// seconds is a span of milliseconds in seconds.
func seconds(ms int64) float64 { return float64(ms) / 1000 }

func isNaN(v float64) bool { return v != v }

func isInf(v float64) bool { return v > math.MaxFloat64 || v < -math.MaxFloat64 }
