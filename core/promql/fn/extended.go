package fn

import (
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// Extended is a range whose windows reach beyond it, so that its bounds can be looked up: anchored ones find the last
// sample before it there, smoothed ones interpolate between the samples around each bound.
type Extended struct {
	Width    int64   // of the range, milliseconds
	Seconds  float64 // the same
	Ahead    int64   // how far the windows go on after the end of the range, milliseconds
	Smoothed bool
}

// Range returns the function name of such ranges. Only some functions have a meaning there.
func (e Extended) Range(name string) (RangeFunc, bool) {
	switch name {
	case "rate":
		return e.rise(true, e.Seconds), true
	case "increase":
		return e.rise(true, 1), true
	case "delta":
		return e.rise(false, 1), true
	}
	if e.Smoothed {
		return nil, false
	}
	switch name {
	case "resets":
		return e.fromAnchor(resets), true
	case "changes":
		return e.fromAnchor(changes), true
	}
	return nil, false
}

// Functions lists what Range knows, as messages show it.
func (e Extended) Functions() string {
	if e.Smoothed {
		return "delta, increase, rate"
	}
	return "changes, delta, increase, rate, resets"
}

// edges returns the outermost rows that matter for the range that ends at end. ok is false if none lies within it.
func (e Extended) edges(t []int64, end int64) (first, last int, ok bool) {
	start := end - e.Width
	last = len(t) - 1
	first = max(0, after(t[:last], start)-1)
	if e.Smoothed {
		last = after(t[:last], end-1)
	}
	return first, last, t[last] > start
}

// bounds returns the values at the bounds of the range.
func (e Extended) bounds(t []int64, v []float64, first, last int, end int64, counter bool) (left, right float64) {
	left, right = v[first], v[last]
	if !e.Smoothed {
		return left, right
	}
	if start := end - e.Width; t[first] < start {
		left = interpolate(t[first:], v[first:], start, counter)
	}
	if last > 0 && t[last] > end {
		right = interpolate(t[last-1:], v[last-1:], end, counter)
	}
	return left, right
}

// interpolate returns the value at the time at, between the first two rows. A counter that fell started at zero.
func interpolate(t []int64, v []float64, at int64, counter bool) float64 {
	x, y := v[0], v[1]
	if counter && y < x {
		x = 0
	}
	return x + float64((y-x)*float64(at-t[0]))/float64(t[1]-t[0])
}

// rise computes how much the value rises over the range, per unit.
func (e Extended) rise(counter bool, unit float64) RangeFunc {
	return e.perRange(func(t []int64, v []float64, end int64) float64 {
		first, last, ok := e.edges(t, end)
		if !ok || e.Smoothed && t[first] > end {
			return storage.Absent
		}
		left, right := e.bounds(t, v, first, last, end, counter)
		rise := right - left
		if counter {
			if t[first] <= end-e.Width {
				first++
			}
			if t[last] >= end {
				last--
			}
			rise += fallen(left, right, v[first:max(first, last+1)])
		}
		return rise / unit
	})
}

// fallen returns what a counter had reached before each of its resets, from left through v to right.
func fallen(left, right float64, v []float64) (sum float64) {
	for _, x := range v {
		if x < left {
			sum += left
		}
		left = x
	}
	if right < left {
		sum += left
	}
	return sum
}

// fromAnchor computes f of the samples within the range and the last one before it.
func (e Extended) fromAnchor(f func(v []float64) float64) RangeFunc {
	return e.perRange(func(t []int64, v []float64, end int64) float64 {
		in := after(t, end-e.Width)
		if in == len(t) {
			return storage.Absent
		}
		return f(v[max(0, in-1):])
	})
}

// perRange makes a RangeFunc of a function of the rows of one window, which are not none, and the end of its range.
func (e Extended) perRange(f func(t []int64, v []float64, end int64) float64) RangeFunc {
	return func(w *Window, s Series, _ [][]float64, out []float64) {
		for k := range out {
			lo, hi := w.Lo[k], w.Hi[k]
			if lo == hi {
				out[k] = storage.Absent
				continue
			}
			out[k] = f(w.T[lo:hi], s.V[lo:hi], w.Ref.At(k)-e.Ahead)
		}
	}
}

// Samples returns the range that ends at end as samples: those within it and one at each bound.
func (e Extended) Samples(in []model.Sample, end int64) []model.Sample {
	if len(in) == 0 {
		return nil
	}
	t, v := make([]int64, len(in)), make([]float64, len(in))
	for i, s := range in {
		t[i], v[i] = s.T, s.V
	}
	first, last, ok := e.edges(t, end)
	if !ok {
		return nil
	}
	left, right := e.bounds(t, v, first, last, end, false)
	if t[first] <= end-e.Width {
		first++
	}
	if t[last] >= end {
		last--
	}
	out := append(make([]model.Sample, 0, len(in)+2), model.Sample{T: end - e.Width, V: left})
	out = append(out, in[first:max(first, last+1)]...)
	return append(out, model.Sample{T: end, V: right})
}

// Interpolated returns the values at the ends of ranges without width: that of a sample at this very time, else one
// between those around it, else that of the last one before it.
func (e Extended) Interpolated() RangeFunc {
	return e.perRange(func(t []int64, v []float64, end int64) float64 {
		i := after(t, end-1)
		switch {
		case i < len(t) && t[i] == end:
			return v[i]
		case i == 0:
			return storage.Absent
		case i < len(t):
			return interpolate(t[i-1:], v[i-1:], end, false)
		}
		return v[i-1]
	})
}
