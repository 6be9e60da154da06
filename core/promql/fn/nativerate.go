package fn

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/storage"
)

// nativeRate is rate, increase and delta, extrapolated to the bounds of the range. A counter whose first sample says
// that it began within the range is not extrapolated there: it was zero then.
func nativeRate(counter bool, width float64, perSecond bool) NativeFunc {
	return func(r *Run) (float64, *histogram.FloatHistogram) {
		if r.mixed() {
			r.remark(annotations.NewMixedFloatsHistogramsWarning(r.Name, r.Pos))
			return storage.Absent, nil
		}
		if r.Hists == 0 && (r.ST == nil || !counter) {
			return r.Of, nil
		}
		var v float64
		var h *histogram.FloatHistogram
		last := len(r.T) - 1
		switch {
		case r.Hists == 0:
			v = r.floatRise()
		case last > 0:
			if h = r.histRise(counter); h == nil {
				return storage.Absent, nil
			}
		}
		toStart, toEnd := seconds(r.T[0]-r.Start), seconds(r.End-r.T[last])
		sampled := seconds(r.T[last] - r.T[0])
		var between float64
		if last > 0 {
			between = sampled / float64(last)
		}
		threshold := between * 1.1
		switch {
		case counter && r.ST != nil && r.ST[0] != 0 && r.ST[0] > r.Start && r.ST[0] < r.T[0]:
			toStart, sampled = 0, seconds(r.T[last]-r.ST[0])
			switch {
			case r.Hists == 0:
				v += r.V[0]
			case h == nil:
				h = r.H[0].Copy()
			case !r.add(h, r.H[0]):
				return storage.Absent, nil
			}
		case last == 0:
			return storage.Absent, nil
		default:
			if toStart >= threshold {
				toStart = between / 2
			}
			if counter {
				toStart = min(toStart, r.toZero(v, h, sampled, toStart))
			}
		}
		if toEnd >= threshold {
			toEnd = between / 2
		}
		factor := 1.0
		if sampled != 0 {
			factor = (sampled + toStart + toEnd) / sampled
		}
		if perSecond {
			factor /= width
		}
		if h != nil {
			return storage.Absent, h.Mul(factor)
		}
		return v * factor, nil
	}
}

// toZero returns how long before its first sample a counter that rose by v or h was zero, if that can be told.
func (r *Run) toZero(v float64, h *histogram.FloatHistogram, sampled, toStart float64) float64 {
	switch {
	case h == nil && v > 0 && r.V[0] >= 0:
		return sampled * (r.V[0] / v)
	case h != nil && h.Count > 0 && r.H[0].Count >= 0:
		return sampled * (r.H[0].Count / h.Count)
	}
	return toStart
}

// floatRise returns how much a counter rose, resets taken into account.
func (r *Run) floatRise() float64 {
	v := r.V[len(r.V)-1] - r.V[0]
	told := false
	for i := 1; i < len(r.V); i++ {
		told = r.remarkOverlap(i, told)
		if r.V[i] < r.V[i-1] || r.startReset(i) {
			v += r.V[i-1]
		}
	}
	return v
}

// remarkOverlap remarks on start timestamps that do not fit, once.
func (r *Run) remarkOverlap(i int, told bool) bool {
	if !told && r.overlap(i) {
		r.remark(annotations.NewStartTimeOverlapWarning(r.Name, r.Pos))
		return true
	}
	return told
}

// histRise returns how much the histograms, at least two, rose, for counters with resets taken into account; nil if
// they do not fit together.
func (r *Run) histRise(counter bool) *histogram.FloatHistogram {
	hs, n := r.H, len(r.H)-1
	first, last, custom := hs[0], hs[n], hs[0].UsesCustomBuckets()
	if counter && (isGauge(first) || isGauge(last)) {
		r.remark(annotations.NewNativeHistogramNotCounterWarning(r.Name, r.Pos))
	}
	began := counter && r.reset(1) // what came before is of no interest then
	if began {
		first = &histogram.FloatHistogram{Schema: hs[1].Schema, CustomValues: hs[1].CustomValues}
		custom = hs[1].UsesCustomBuckets()
	}
	if last.UsesCustomBuckets() != custom {
		return r.unfit(len(r.Remarks))
	}
	schema := min(last.Schema, first.Schema)
	if counter { // upstream forgets what it has remarked on so far where it fails from here on
		for _, h := range hs[1:n] {
			if isGauge(h) {
				r.remark(annotations.NewNativeHistogramNotCounterWarning(r.Name, r.Pos))
			}
			schema = min(schema, h.Schema)
			if h.UsesCustomBuckets() != custom {
				return r.unfit(0)
			}
		}
	}
	out := last.CopyToSchema(schema)
	_, _, reconciled, err := out.Sub(first)
	if Unfit(err) {
		return r.unfit(0)
	}
	if reconciled {
		r.remark(annotations.NewMismatchedCustomBucketsHistogramsInfo(r.Pos, annotations.HistogramSub))
	}
	if !counter {
		if !isGauge(hs[0]) || !isGauge(last) {
			r.remark(annotations.NewNativeHistogramNotGaugeWarning(r.Name, r.Pos))
		}
	} else if !r.addResets(out, first, began) {
		return r.unfit(0)
	}
	out.CounterResetHint = histogram.GaugeType
	return out.Compact(0)
}

// unfit remarks that the histograms do not fit together, in place of what was remarked on after the first kept remarks.
func (r *Run) unfit(kept int) *histogram.FloatHistogram {
	r.Remarks = append(r.Remarks[:kept], annotations.NewMixedExponentialCustomHistogramsWarning(r.Name, r.Pos))
	return nil
}

// addResets adds to out what was lost by resets. first is what stands for the first sample; began tells that there was
// a reset right after it.
func (r *Run) addResets(out, first *histogram.FloatHistogram, began bool) bool {
	told := false
	prev := first
	for i := 1; i < len(r.H); i++ {
		told = r.remarkOverlap(i, told)
		var reset bool
		if i == 1 && began {
			reset = r.startReset(i) || r.H[i].DetectReset(first)
		} else {
			reset = r.reset(i)
		}
		if reset {
			_, _, reconciled, err := out.Add(prev)
			if Unfit(err) {
				return false
			}
			if reconciled {
				r.remark(annotations.NewMismatchedCustomBucketsHistogramsInfo(r.Pos, annotations.HistogramAdd))
			}
		}
		prev = r.H[i]
	}
	return true
}

// add adds b to a, sub subtracts it. They are false if the two do not fit together.
func (r *Run) add(a, b *histogram.FloatHistogram) bool {
	_, _, reconciled, err := a.Add(b)
	return r.fits(reconciled, err, annotations.HistogramAdd)
}

func (r *Run) sub(a, b *histogram.FloatHistogram) bool {
	_, _, reconciled, err := a.Sub(b)
	return r.fits(reconciled, err, annotations.HistogramSub)
}

func (r *Run) fits(reconciled bool, err error, op annotations.HistogramOperation) bool {
	if err != nil {
		if Unfit(err) {
			r.remark(annotations.NewMixedExponentialCustomHistogramsWarning(r.Name, r.Pos))
		}
		return false
	}
	if reconciled {
		r.remark(annotations.NewMismatchedCustomBucketsHistogramsInfo(r.Pos, op))
	}
	return true
}

// Extrapolated returns by what the rise of a counter between two samples, intervals apart, is multiplied to be that of
// the range (start, end]. first is what the counter was, and rise how much it rose. Times are in milliseconds.
func Extrapolated(t0, t1 int64, intervals int, start, end int64, first, rise float64) float64 {
	toStart, toEnd, sampled := seconds(t0-start), seconds(end-t1), seconds(t1-t0)
	between := sampled / float64(intervals)
	threshold := between * 1.1
	if toStart >= threshold {
		toStart = between / 2
	}
	if rise > 0 && first >= 0 {
		if toZero := sampled * (first / rise); toZero < toStart {
			toStart = toZero
		}
	}
	if toEnd >= threshold {
		toEnd = between / 2
	}
	return (sampled + toStart + toEnd) / sampled
}
