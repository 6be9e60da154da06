package fn

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/storage"
)

// Native returns the function name of extended ranges with native histograms.
func (e Extended) Native(name string) (NativeFunc, bool) {
	switch name {
	case "rate":
		return e.nativeRise(true, e.Seconds, true), true
	case "increase":
		return e.nativeRise(true, 1, false), true
	case "delta":
		return e.nativeRise(false, 1, false), true
	}
	if e.Smoothed {
		return nil, false
	}
	switch name {
	case "resets":
		return fromAnchorOf((*Run).resets), true
	case "changes":
		return fromAnchorOf((*Run).changes), true
	}
	return nil, false
}

// fromAnchorOf computes f of the samples within the range and the last one before it.
func fromAnchorOf(f func(r *Run, first int) float64) NativeFunc {
	return func(r *Run) (float64, *histogram.FloatHistogram) {
		in := after(r.T, r.Start)
		if in == len(r.T) {
			return storage.Absent, nil
		}
		return f(r, max(0, in-1)), nil
	}
}

// nativeRise computes how much histograms rise over the range, per unit.
func (e Extended) nativeRise(counter bool, unit float64, perSecond bool) NativeFunc {
	return func(r *Run) (float64, *histogram.FloatHistogram) {
		if r.mixed() {
			r.remark(annotations.NewMixedFloatsHistogramsWarning(r.Name, r.Pos))
			return storage.Absent, nil
		}
		if r.Hists == 0 {
			return r.Of, nil
		}
		first, last, ok := e.edges(r.T, r.End)
		if !ok || e.Smoothed && r.T[first] > r.End || !r.alike(first, last, counter) {
			return storage.Absent, nil
		}
		left, ok := r.H[first].Copy(), true
		if e.Smoothed && r.T[first] < r.Start {
			left, ok = r.between(first, r.Start, counter)
		}
		if !ok {
			return storage.Absent, nil
		}
		right := r.H[last].Copy()
		if e.Smoothed && last > 0 && r.T[last] > r.End {
			right, ok = r.between(last-1, r.End, counter)
		}
		if !ok {
			return storage.Absent, nil
		}
		if !counter && !(isGauge(left) && isGauge(right)) {
			r.remark(annotations.NewNativeHistogramNotGaugeWarning(r.Name, r.Pos))
		}
		out := right.Copy()
		if !r.sub(out, left) {
			return storage.Absent, nil
		}
		if counter && !e.addLost(r, out, left, right, first, last) {
			return storage.Absent, nil
		}
		if perSecond {
			out.Div(unit)
		}
		out.CounterResetHint = histogram.GaugeType
		return storage.Absent, out.Compact(0)
	}
}

// alike tells whether the histograms first..last have the same kind of buckets.
func (r *Run) alike(first, last int, counter bool) bool {
	custom := r.H[first].UsesCustomBuckets()
	for _, h := range r.H[first : last+1] {
		if h.UsesCustomBuckets() != custom {
			r.remark(annotations.NewMixedExponentialCustomHistogramsWarning(r.Name, r.Pos))
			return false
		}
		if counter && isGauge(h) {
			r.remark(annotations.NewNativeHistogramNotCounterWarning(r.Name, r.Pos))
		}
	}
	return true
}

// between interpolates between histogram i and the next one at the time t. A counter that was reset began at zero.
func (r *Run) between(i int, t int64, counter bool) (*histogram.FloatHistogram, bool) {
	switch t {
	case r.T[i]:
		return r.H[i].Copy(), true
	case r.T[i+1]:
		return r.H[i+1].Copy(), true
	}
	fraction := float64(t-r.T[i]) / float64(r.T[i+1]-r.T[i])
	out := r.H[i+1].Copy()
	if counter && r.H[i+1].DetectReset(r.H[i]) {
		return out.Mul(fraction), true
	}
	if !r.sub(out, r.H[i]) {
		return nil, false
	}
	return out, r.add(out.Mul(fraction), r.H[i])
}

// addLost adds to out what was lost by resets between left and right, which stand for the histograms first and last.
func (e Extended) addLost(r *Run, out, left, right *histogram.FloatHistogram, first, last int) bool {
	i, prev := first+1, left
	if e.Smoothed && r.T[first] < r.Start && r.H[i].DetectReset(r.H[first]) { // left has that one already
		prev = r.H[i]
		i++
	}
	if i > last {
		return true
	}
	var lost *histogram.FloatHistogram
	add := func(h *histogram.FloatHistogram) bool {
		if lost == nil {
			lost = h.Copy()
			return true
		}
		return r.add(lost, h)
	}
	for _, h := range r.H[i:last] {
		if h.DetectReset(prev) && !add(prev) {
			return false
		}
		prev = h
	}
	if right.DetectReset(prev) && !add(prev) {
		return false
	}
	return lost == nil || r.add(out, lost)
}

// NativeInterpolated is Interpolated for native histograms. One taken from before says nothing of a reset.
func (e Extended) NativeInterpolated(r *Run) (float64, *histogram.FloatHistogram) {
	if r.mixed() {
		r.remark(annotations.NewMixedFloatsHistogramsWarning(r.Name, r.Pos))
		return storage.Absent, nil
	}
	if r.Hists == 0 {
		return r.Of, nil
	}
	i := after(r.T, r.End-1)
	switch {
	case i < len(r.T) && r.T[i] == r.End:
		return storage.Absent, r.H[i].Copy()
	case i == 0:
		return storage.Absent, nil
	case i < len(r.T):
		if !r.alike(i-1, i, false) {
			return storage.Absent, nil
		}
		h, _ := r.between(i-1, r.End, !(isGauge(r.H[i-1]) && isGauge(r.H[i])))
		return storage.Absent, h
	}
	h := r.H[i-1].Copy()
	h.CounterResetHint = histogram.UnknownCounterReset
	return storage.Absent, h
}
