package fn

import (
	"errors"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/storage"
)

// Samples is samples of one series in order of time, floats and native histograms.
type Samples struct {
	T      []int64
	V      []float64                   // where H is nil
	H      []*histogram.FloatHistogram // nil where the sample is a float; not changed
	ST     []int64                     // start timestamps, 0 for none; nil if they do not matter
	Resets []Reset                     // what is known of the resets of histograms, which costs much to find out
}

// Reset tells whether a histogram has been reset since the sample before.
type Reset uint8

// What can be known of a reset.
const (
	ResetUnknown Reset = iota
	ResetNone
	ResetSeen
)

// Run is the samples of one window, of which there are some.
type Run struct {
	Samples
	Hists      int     // how many are histograms
	Start, End int64   // the range; the samples go beyond if it is extended
	Of         float64 // what the function is of the floats alone

	Name    string                 // of the metric, for remarks
	Pos     posrange.PositionRange // likewise, of the range vector
	Remarks []error                // what the function has to remark is appended
}

// A NativeFunc computes a function of range vectors where there are native histograms, or start timestamps that matter.
// The result is h, or if that is nil v, which may be Absent.
type NativeFunc func(r *Run) (v float64, h *histogram.FloatHistogram)

// Native returns the function name of such ranges, for windows of the given width in seconds.
func Native(name string, width float64) (f NativeFunc, ok bool) {
	switch name {
	case "rate":
		return nativeRate(true, width, true), true
	case "increase":
		return nativeRate(true, width, false), true
	case "delta":
		return nativeRate(false, width, false), true
	case "irate":
		return nativeInstant(true), true
	case "idelta":
		return nativeInstant(false), true
	case "resets":
		return func(r *Run) (float64, *histogram.FloatHistogram) { return r.resets(0), nil }, true
	case "changes":
		return func(r *Run) (float64, *histogram.FloatHistogram) { return r.changes(0), nil }, true
	}
	f, ok = natives()[name]
	return f, ok
}

func natives() map[string]NativeFunc {
	return map[string]NativeFunc{
		"sum_over_time":         overTime(false),
		"avg_over_time":         overTime(true),
		"count_over_time":       func(r *Run) (float64, *histogram.FloatHistogram) { return float64(len(r.T)), nil },
		"present_over_time":     func(*Run) (float64, *histogram.FloatHistogram) { return 1, nil },
		"absent_over_time":      func(*Run) (float64, *histogram.FloatHistogram) { return 1, nil },
		"first_over_time":       func(r *Run) (float64, *histogram.FloatHistogram) { return r.V[0], copied(r.H[0]) },
		"last_over_time":        func(r *Run) (float64, *histogram.FloatHistogram) { return r.last() },
		"ts_of_first_over_time": func(r *Run) (float64, *histogram.FloatHistogram) { return seconds(r.T[0]), nil },
		"ts_of_last_over_time":  func(r *Run) (float64, *histogram.FloatHistogram) { return seconds(r.T[len(r.T)-1]), nil },

		"min_over_time": ofTheFloats, "max_over_time": ofTheFloats, "mad_over_time": ofTheFloats,
		"quantile_over_time": ofTheFloats, "stddev_over_time": ofTheFloats, "stdvar_over_time": ofTheFloats,
		"ts_of_min_over_time": ofTheFloats, "ts_of_max_over_time": ofTheFloats,
		"deriv": ofTheFloats, "predict_linear": ofTheFloats, "double_exponential_smoothing": ofTheFloats,
	}
}

// UsesStarts tells whether a function looks at start timestamps.
func UsesStarts(name string) bool {
	return name == "rate" || name == "increase" || name == "irate" || name == "resets"
}

func copied(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	if h == nil {
		return nil
	}
	return h.Copy()
}

func (r *Run) remark(err error) { r.Remarks = append(r.Remarks, err) }

func (r *Run) mixed() bool { return r.Hists > 0 && r.Hists < len(r.T) }

func (r *Run) last() (float64, *histogram.FloatHistogram) {
	n := len(r.T) - 1
	return r.V[n], copied(r.H[n])
}

// ofTheFloats passes over histograms, and remarks on it.
func ofTheFloats(r *Run) (float64, *histogram.FloatHistogram) {
	if r.mixed() {
		r.remark(annotations.NewHistogramIgnoredInMixedRangeInfo(r.Name, r.Pos))
	}
	return r.Of, nil
}

// overTime is the sum or the mean of a window.
func overTime(mean bool) NativeFunc {
	return func(r *Run) (float64, *histogram.FloatHistogram) {
		if r.mixed() {
			r.remark(annotations.NewMixedFloatsHistogramsWarning(r.Name, r.Pos))
			return storage.Absent, nil
		}
		if r.Hists == 0 {
			return r.Of, nil
		}
		f := HistFold{Mean: mean}
		for _, h := range r.H {
			if err := f.Add(h); err != nil {
				if Unfit(err) {
					r.remark(annotations.NewMixedExponentialCustomHistogramsWarning(r.Name, r.Pos))
				}
				return storage.Absent, nil
			}
		}
		if f.Collided() {
			r.remark(annotations.NewHistogramCounterResetCollisionWarning(r.Pos, annotations.HistogramAgg))
		}
		if f.Reconciled() {
			r.remark(annotations.NewMismatchedCustomBucketsHistogramsInfo(r.Pos, annotations.HistogramAgg))
		}
		return storage.Absent, f.Result()
	}
}

// reset tells whether the histogram i, which is not the first sample, has been reset since the one before.
func (r *Run) reset(i int) bool {
	if r.startReset(i) {
		return true
	}
	if r.Resets[i] == ResetUnknown {
		r.Resets[i] = ResetNone
		if r.H[i].DetectReset(r.H[i-1]) {
			r.Resets[i] = ResetSeen
		}
	}
	return r.Resets[i] == ResetSeen
}

// resets counts the resets from sample first on. A change of kind is one.
func (r *Run) resets(first int) float64 {
	n := 0
	for i := first + 1; i < len(r.T); i++ {
		switch {
		case (r.H[i] == nil) != (r.H[i-1] == nil):
			n++
		case r.H[i] == nil:
			if r.V[i] < r.V[i-1] || r.startReset(i) {
				n++
			}
		case r.reset(i):
			n++
		}
	}
	return float64(n)
}

// changes counts the changes from sample first on.
func (r *Run) changes(first int) float64 {
	n := 0
	for i := first + 1; i < len(r.T); i++ {
		switch {
		case (r.H[i] == nil) != (r.H[i-1] == nil):
			n++
		case r.H[i] == nil:
			if r.V[i] != r.V[i-1] && !(isNaN(r.V[i]) && isNaN(r.V[i-1])) {
				n++
			}
		case !r.H[i].Equals(r.H[i-1]):
			n++
		}
	}
	return float64(n)
}

// startReset tells whether start timestamps say that a counter began anew between the sample before i and i. A start
// at the very time of the sample before is one of delta series, unless that one's start is not known.
func (r *Run) startReset(i int) bool {
	if r.ST == nil {
		return false
	}
	before, at, began, begins := r.T[i-1], r.T[i], r.ST[i-1], r.ST[i]
	switch {
	case begins == began || begins == 0 || begins >= at || begins < before:
		return false
	case begins > before:
		return true
	}
	return began != 0 && began < before
}

// overlap tells whether sample i began before the one before it was taken, and not where that began.
func (r *Run) overlap(i int) bool {
	return r.ST != nil && r.ST[i] != 0 && r.ST[i] < r.T[i-1] && r.ST[i] != r.ST[i-1]
}

// nativeInstant is irate and idelta: of the last two samples.
func nativeInstant(counter bool) NativeFunc {
	return func(r *Run) (float64, *histogram.FloatHistogram) {
		n := len(r.T)
		if n < 2 {
			return storage.Absent, nil
		}
		h, before := r.H[n-1], r.H[n-2]
		interval := float64(r.T[n-1]-r.T[n-2]) / 1000
		switch {
		case h == nil && before == nil:
			v := r.V[n-1]
			if !counter || !(v < r.V[n-2] || r.startReset(n-1)) {
				v -= r.V[n-2]
			}
			if counter {
				v /= interval
			}
			return v, nil
		case h == nil || before == nil:
			r.remark(annotations.NewMixedFloatsHistogramsWarning(r.Name, r.Pos))
			return storage.Absent, nil
		}
		gauges := isGauge(h) && isGauge(before)
		if counter && (isGauge(h) || isGauge(before)) {
			r.remark(annotations.NewNativeHistogramNotCounterWarning(r.Name, r.Pos))
		}
		if !counter && !gauges {
			r.remark(annotations.NewNativeHistogramNotGaugeWarning(r.Name, r.Pos))
		}
		out := h.Copy()
		if !counter || !r.reset(n-1) {
			_, _, reconciled, err := out.Sub(before)
			if Unfit(err) {
				r.remark(annotations.NewMixedExponentialCustomHistogramsWarning(r.Name, r.Pos))
				return storage.Absent, nil
			}
			if reconciled {
				r.remark(annotations.NewMismatchedCustomBucketsHistogramsInfo(r.Pos, annotations.HistogramSub))
			}
		}
		out.CounterResetHint = histogram.GaugeType
		out.Compact(0)
		if counter {
			out.Div(interval)
		}
		return storage.Absent, out
	}
}

func isGauge(h *histogram.FloatHistogram) bool { return h.CounterResetHint == histogram.GaugeType }

// Unfit tells whether err says that exponential and custom buckets were brought together.
func Unfit(err error) bool { return errors.Is(err, histogram.ErrHistogramsIncompatibleSchema) }
