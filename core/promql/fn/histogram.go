package fn

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
)

// NaNs tells how observations of NaN, which are in no bucket, touched a result.
type NaNs uint8

// What NaNs there can be.
const (
	NoNaNs     NaNs = iota
	NaNsSkew        // they count as the largest observations
	NaNsResult      // the result is NaN for them
)

// HistogramQuantile returns the q-quantile of a native histogram. Observations are taken to lie evenly within a bucket:
// on a logarithmic scale in exponential ones, on a linear one in custom buckets and the zero bucket. It is NaN without
// observations or if q is, and ±Inf if q is out of bounds.
func HistogramQuantile(q float64, h *histogram.FloatHistogram) (float64, NaNs) {
	switch {
	case q < 0:
		return math.Inf(-1), NoNaNs
	case q > 1:
		return math.Inf(+1), NoNaNs
	case h.Count == 0 || isNaN(q):
		return math.NaN(), NoNaNs
	}
	nan := isNaN(h.Sum)
	forward := nan || q < 0.5
	var it histogram.BucketIterator[float64]
	var rank float64
	if forward {
		it, rank = h.AllBucketIterator(), float64(q*h.Count)
	} else {
		it, rank = h.AllReverseBucketIterator(), float64((1-q)*h.Count)
	}
	var b histogram.Bucket[float64]
	count := 0.0
	for it.Next() {
		if b = it.At(); b.Count == 0 {
			continue
		}
		if count += b.Count; count >= rank {
			break
		}
	}
	custom := h.UsesCustomBuckets()
	switch {
	case !custom && b.Lower < 0 && b.Upper > 0:
		b.Lower, b.Upper = zeroBounds(h, b)
	case custom && math.IsInf(b.Lower, -1):
		if b.Upper <= 0 {
			return b.Upper, NoNaNs
		}
		b.Lower = 0
	case custom && math.IsInf(b.Upper, +1):
		return b.Lower, NoNaNs
	}
	count = min(count, h.Count)
	if count < rank {
		if nan {
			return math.NaN(), NaNsResult
		}
		return b.Upper, NoNaNs
	}
	if forward {
		rank -= count - b.Count
	} else {
		rank = count - rank
	}
	remark := NoNaNs
	if nan {
		for it.Next() { // the last bucket is what is looked at below, as upstream does
			b = it.At()
			count += b.Count
		}
		if count < h.Count {
			remark = NaNsSkew
		}
	}
	fraction := rank / b.Count
	if custom || b.Lower <= 0 && b.Upper >= 0 {
		return b.Lower + float64((b.Upper-b.Lower)*fraction), remark
	}
	lower, upper := math.Log2(math.Abs(b.Lower)), math.Log2(math.Abs(b.Upper))
	if b.Lower > 0 {
		return math.Exp2(lower + float64((upper-lower)*fraction)), remark
	}
	return -math.Exp2(upper + float64((lower-upper)*(1-fraction))), remark
}

// zeroBounds returns the bounds of the zero bucket b: it ends at 0 on a side where h has no buckets.
func zeroBounds(h *histogram.FloatHistogram, b histogram.Bucket[float64]) (lower, upper float64) {
	switch {
	case len(h.NegativeBuckets) == 0 && len(h.PositiveBuckets) > 0:
		return 0, b.Upper
	case len(h.PositiveBuckets) == 0 && len(h.NegativeBuckets) > 0:
		return b.Lower, 0
	}
	return b.Lower, b.Upper
}

// HistogramFraction returns the fraction of the observations of a native histogram between lower and upper, with the
// assumptions of HistogramQuantile.
func HistogramFraction(lower, upper float64, h *histogram.FloatHistogram) (float64, NaNs) {
	switch {
	case h.Count == 0 || isNaN(lower) || isNaN(upper):
		return math.NaN(), NoNaNs
	case lower >= upper:
		return 0, NoNaNs
	}
	var count, rank float64
	low, high := rankIn{v: lower}, rankIn{v: upper}
	it := h.AllBucketIterator()
	for !(low.known && high.known) && it.Next() {
		b := it.At()
		count += b.Count
		zero := b.Lower <= 0 && b.Upper >= 0
		if zero {
			b.Lower, b.Upper = zeroBounds(h, b)
		}
		linear := h.UsesCustomBuckets() || zero
		low.look(b, rank, linear)
		high.look(b, rank, linear)
		rank += b.Count
	}
	remark := NoNaNs
	if isNaN(h.Sum) {
		for it.Next() {
			count += it.At().Count
		}
		if count < h.Count {
			remark = NaNsSkew
		}
	} else {
		count = h.Count
	}
	return (high.below(count) - low.below(count)) / h.Count, remark
}

// rankIn is how many observations are below v.
type rankIn struct {
	v, rank float64
	known   bool
}

// look looks for v in the bucket b, below which there are rank observations.
func (r *rankIn) look(b histogram.Bucket[float64], rank float64, linear bool) {
	switch {
	case r.known:
	case b.Lower >= r.v:
		r.rank, r.known = rank, true
	case b.Upper > r.v:
		r.known = true
		if linear && math.IsInf(b.Lower, -1) {
			r.rank = b.Count
			return
		}
		r.rank = rank + float64(b.Count*b.FractionBelow(r.v, linear))
	}
}

func (r *rankIn) below(count float64) float64 {
	if !r.known || r.rank > count {
		return count
	}
	return r.rank
}

// OfHistogram returns the function name of single native histograms.
func OfHistogram(name string) (f func(h *histogram.FloatHistogram) float64, ok bool) {
	switch name {
	case "histogram_count":
		return func(h *histogram.FloatHistogram) float64 { return h.Count }, true
	case "histogram_sum":
		return func(h *histogram.FloatHistogram) float64 { return h.Sum }, true
	case "histogram_avg":
		return func(h *histogram.FloatHistogram) float64 { return h.Sum / h.Count }, true
	case "histogram_stdvar":
		return bucketVariance, true
	case "histogram_stddev":
		return func(h *histogram.FloatHistogram) float64 { return math.Sqrt(bucketVariance(h)) }, true
	}
	return nil, false
}

// bucketVariance takes all observations of a bucket to lie in its middle: the arithmetic one of custom buckets, the geometric
// one of exponential ones, 0 in the zero bucket.
func bucketVariance(h *histogram.FloatHistogram) float64 {
	mean := h.Sum / h.Count
	var sum, c float64
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		var x float64
		switch {
		case h.UsesCustomBuckets():
			x = (b.Upper + b.Lower) / 2
		case b.Lower <= 0 && b.Upper >= 0:
		default:
			if x = math.Sqrt(b.Upper * b.Lower); b.Upper < 0 {
				x = -x
			}
		}
		delta := x - mean
		sum, c = Add(float64(float64(b.Count*delta)*delta), sum, c)
	}
	return (sum + c) / h.Count
}
