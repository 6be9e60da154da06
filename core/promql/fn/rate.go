package fn

import (
	"math"

	"github.com/hearth-project/hearth/core/storage"
)

// extrapolation is what rate, increase and delta need of the times of each window.
type extrapolation struct {
	sampled []float64 // seconds from the first to the last row
	toStart []float64 // seconds to extrapolate before the first row
	toEnd   []float64 // and after the last
	factor  []float64 // (sampled + toStart + toEnd) / sampled
	rate    []float64 // factor / seconds of the window
}

// extrapolate returns the extrapolation of w: up to the bounds of the window if the outer rows are close to them, which
// is within 1.1 times the mean distance of rows, and else by half that distance.
func (w *Window) extrapolate(width float64) *extrapolation {
	e := &w.extra
	if w.extrapolated {
		return e
	}
	w.extrapolated = true
	if n := len(w.Lo); len(e.sampled) != n {
		all := make([]float64, 5*n)
		*e = extrapolation{all[:n:n], all[n : 2*n : 2*n], all[2*n : 3*n : 3*n], all[3*n : 4*n : 4*n], all[4*n:]}
	}
	for k := range w.Lo {
		lo, hi := int(w.Lo[k]), int(w.Hi[k])
		if hi-lo < 2 {
			continue
		}
		end := w.Ref.At(k)
		toStart := seconds(w.T[lo] - (end - w.Width))
		toEnd := seconds(end - w.T[hi-1])
		sampled := seconds(w.T[hi-1] - w.T[lo])
		mean := sampled / float64(hi-lo-1)
		limit := float64(mean * 1.1)
		if toStart >= limit {
			toStart = mean / 2
		}
		if toEnd >= limit {
			toEnd = mean / 2
		}
		e.sampled[k], e.toStart[k], e.toEnd[k] = sampled, toStart, toEnd
		e.factor[k] = e.factorFrom(k, toStart)
		e.rate[k] = e.factor[k] / width
	}
	return e
}

// factorFrom returns the factor of step k if the window is extrapolated by toStart before its first row.
func (e *extrapolation) factorFrom(k int, toStart float64) float64 {
	if e.sampled[k] == 0 {
		return 1
	}
	return (e.sampled[k] + toStart + e.toEnd[k]) / e.sampled[k]
}

// rate computes rate, for windows of the given width in seconds.
func rate(width float64) RangeFunc {
	return func(w *Window, s Series, _ [][]float64, out []float64) {
		e := w.extrapolate(width)
		counter(w, e, e.rate, width, s, out)
	}
}

// increaseOf computes increase.
func increaseOf(width float64) RangeFunc {
	return func(w *Window, s Series, _ [][]float64, out []float64) {
		e := w.extrapolate(width)
		counter(w, e, e.factor, 1, s, out)
	}
}

// delta computes delta.
func delta(width float64) RangeFunc {
	return func(w *Window, s Series, _ [][]float64, out []float64) {
		v, e := s.V, w.extrapolate(width)
		for k := range out {
			lo, hi := int(w.Lo[k]), int(w.Hi[k])
			if hi-lo < 2 {
				out[k] = storage.Absent
				continue
			}
			out[k] = float64(v[hi-1]-v[lo]) * e.factor[k]
		}
	}
}

// counter computes the increase of a counter, per unit: factor is per step, already divided by unit.
func counter(w *Window, e *extrapolation, factor []float64, unit float64, s Series, out []float64) {
	if s.Known && w.paired {
		counterPaired(w, e, factor, unit, s, out)
		return
	}
	v := s.V
	reset := 0
	for k := range out {
		lo, hi := int(w.Lo[k]), int(w.Hi[k])
		if hi-lo < 2 {
			out[k] = storage.Absent
			continue
		}
		if reset <= lo {
			reset = nextReset(v, lo+1)
		}
		rise := v[hi-1] - v[lo]
		for r := reset; r < hi; r = nextReset(v[:hi], r+1) {
			rise += v[r-1]
		}
		out[k] = e.increase(k, v[lo], rise, factor[k], unit)
	}
}

// counterPaired is counter where the resets are known and every window has two rows.
func counterPaired(w *Window, e *extrapolation, factor []float64, unit float64, s Series, out []float64) {
	n := len(out)
	v, lo, hi, factor, toStart, sampled := s.V, w.Lo[:n], w.Hi[:n], factor[:n], e.toStart[:n], e.sampled[:n]
	resets := append(s.Resets, math.MaxInt32)
	for k := range out {
		for resets[0] <= lo[k] {
			resets = resets[1:]
		}
		start := v[lo[k]]
		rise := v[hi[k]-1] - start
		for _, r := range resets {
			if r >= hi[k] {
				break
			}
			rise += v[r-1]
		}
		if mayReachZero(start, rise, sampled[k], toStart[k]) {
			out[k] = e.increase(k, start, rise, factor[k], unit)
			continue
		}
		out[k] = rise * factor[k]
	}
}

// nextReset returns the first row from i on that is below the one before it, or len(v). i is at least 1.
func nextReset(v []float64, i int) int {
	if i >= len(v) {
		return len(v)
	}
	last := v[i-1]
	for j, x := range v[i:] {
		if x < last {
			return i + j
		}
		last = x
	}
	return len(v)
}

// mayReachZero is a cheap test without division that holds whenever a counter that started at zero before its first
// row did so within toStart. It may hold otherwise, too.
func mayReachZero(start, rise, sampled, toStart float64) bool {
	return start*sampled <= toStart*rise*1.0000001+1e-300 && rise > 0 && start >= 0
}

// increase extrapolates the rise of a counter. A counter is not negative: it is not extrapolated to before it was zero.
func (e *extrapolation) increase(k int, start, rise, factor, unit float64) float64 {
	if rise > 0 && start >= 0 {
		if toZero := float64(e.sampled[k] * float64(start/rise)); toZero < e.toStart[k] {
			factor = e.factorFrom(k, toZero)
			if unit != 1 {
				factor /= unit
			}
		}
	}
	return rise * factor
}

// instant computes irate, and idelta if not perSecond, of the last two rows of each window.
func instant(perSecond bool) RangeFunc {
	return func(w *Window, s Series, _ [][]float64, out []float64) {
		v := s.V
		for k := range out {
			lo, hi := int(w.Lo[k]), int(w.Hi[k])
			if hi-lo < 2 {
				out[k] = storage.Absent
				continue
			}
			r := v[hi-1]
			if !perSecond || !(r < v[hi-2]) {
				r -= v[hi-2]
			}
			if perSecond {
				r /= seconds(w.T[hi-1] - w.T[hi-2])
			}
			out[k] = r
		}
	}
}

// resets counts how often the value fell.
func resets(v []float64) float64 {
	n := 0
	for i := nextReset(v, 1); i < len(v); i = nextReset(v, i+1) {
		n++
	}
	return float64(n)
}

// changes counts how often the value changed; NaN to NaN is no change.
func changes(v []float64) float64 {
	n := 0
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] && !(isNaN(v[i]) && isNaN(v[i-1])) {
			n++
		}
	}
	return float64(n)
}

// Survey appends the rows of v whose value is below that of the row before to dst. It gives up with ok false at the
// first NaN, and where the values go down so often that they are no counter.
func Survey(v []float64, dst []int32) (resets []int32, ok bool) {
	if len(v) == 0 {
		return dst, true
	}
	last := v[0]
	if isNaN(last) {
		return dst, false
	}
	most := len(v)/16 + 8
	for i := 0; i < len(v); i++ {
		for ; i+4 <= len(v); i += 4 { // the common case: nothing falls
			w := v[i : i+4 : i+4]
			if !(w[0] >= last && w[1] >= w[0] && w[2] >= w[1] && w[3] >= w[2]) {
				break
			}
			last = w[3]
		}
		if i == len(v) {
			break
		}
		x := v[i]
		if !(x >= last) {
			if isNaN(x) || len(dst) == most {
				return dst, false
			}
			dst = append(dst, int32(i))
		}
		last = x
	}
	return dst, true
}
