package metric

import "math"

// Bucket is one bound of a histogram.
type Bucket struct {
	UpperBound float64 // inclusive
	Count      uint64  // of observations at or below the bound, so never less than the bucket before
}

// Quantile is one quantile of a summary.
type Quantile struct {
	Quantile float64 // 0 to 1
	Value    float64
}

// Histogram adds a histogram. Buckets rise in bound and count; the one for +Inf may be left out.
func (f *Family) Histogram(count uint64, sum float64, buckets []Bucket, values ...string) {
	if f.kind != KindHistogram {
		f.w.fail("%s is a %s and takes no histogram", f.name, f.kind)
		return
	}
	for i, b := range buckets {
		if b.Count > count || (i > 0 && !(b.UpperBound > buckets[i-1].UpperBound && b.Count >= buckets[i-1].Count)) {
			f.w.fail("%s: buckets must rise in bound and count, up to %d", f.name, count)
			return
		}
	}
	if !f.check(values) {
		return
	}
	start := len(f.buf)
	for _, b := range buckets {
		if !math.IsInf(b.UpperBound, 1) {
			f.line("_bucket", values, "le", b.UpperBound, float64(b.Count))
		}
	}
	f.line("_bucket", values, "le", math.Inf(1), float64(count))
	f.totals(count, sum, values)
	f.grown(start)
}

// Summary adds a summary; quantiles may be empty.
func (f *Family) Summary(count uint64, sum float64, quantiles []Quantile, values ...string) {
	if f.kind != KindSummary {
		f.w.fail("%s is a %s and takes no summary", f.name, f.kind)
		return
	}
	if !f.check(values) {
		return
	}
	start := len(f.buf)
	for _, q := range quantiles {
		f.line("", values, "quantile", q.Quantile, q.Value)
	}
	f.totals(count, sum, values)
	f.grown(start)
}

func (f *Family) line(suffix string, values []string, label string, bound, v float64) {
	f.open(suffix, values)
	f.extra(label, bound)
	f.close(v)
}

func (f *Family) totals(count uint64, sum float64, values []string) {
	f.open("_sum", values)
	f.close(sum)
	f.open("_count", values)
	f.close(float64(count))
}
