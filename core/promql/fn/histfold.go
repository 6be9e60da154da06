package fn

import (
	"math"

	"github.com/prometheus/prometheus/model/histogram"
)

// HistFold sums native histograms up, or takes their mean, one by one in their order. The zero value is ready. The sum
// is compensated; where a mean's sum overflows, it goes on as a mean updated histogram by histogram.
type HistFold struct {
	Mean bool

	sum, c        *histogram.FloatHistogram // of the sum, or of the mean if updated
	n             float64
	bound         float64 // of a mean that is not updated: what no number of the sum is larger than, nor any sum of them
	updated       bool
	failed        bool // histograms do not fit together: there is no result
	reset, steady bool // hints that say so were seen
	reconciled    bool
}

// Empty tells whether nothing has been added.
func (f *HistFold) Empty() bool { return f.sum == nil }

// Failed tells whether histograms did not fit together.
func (f *HistFold) Failed() bool { return f.failed }

// Reconciled tells whether custom buckets with different bounds have been brought together.
func (f *HistFold) Reconciled() bool { return f.reconciled }

// Collided tells whether there were hints both that a counter was reset and that one was not.
func (f *HistFold) Collided() bool { return f.reset && f.steady }

// Add adds h, which is not changed. The error is the one because of which the fold has failed.
func (f *HistFold) Add(h *histogram.FloatHistogram) error {
	if f.failed {
		return nil
	}
	switch h.CounterResetHint {
	case histogram.CounterReset:
		f.reset = true
	case histogram.NotCounterReset:
		f.steady = true
	}
	f.n++
	if f.Mean && !f.updated {
		f.bound += magnitude(h)
	}
	if f.sum == nil {
		f.sum = h.Copy()
		return nil
	}
	err := f.add(h)
	f.failed = err != nil
	return err
}

func (f *HistFold) add(h *histogram.FloatHistogram) (err error) {
	var reconciled bool
	if !f.Mean || !f.updated && f.bound < overflowFrom { // nothing can overflow
		f.c, _, reconciled, err = f.sum.KahanAdd(h, f.c)
		f.reconciled = f.reconciled || reconciled
		return err
	}
	if !f.updated {
		sum, c := f.sum.Copy(), f.c
		if c != nil {
			c = c.Copy()
		}
		if c, _, reconciled, err = sum.KahanAdd(h, c); err != nil {
			return err
		}
		f.reconciled = f.reconciled || reconciled
		if !sum.HasOverflow() {
			f.sum, f.c = sum, c
			return nil
		}
		f.updated = true
		f.sum.Div(f.n - 1)
		if f.c != nil {
			f.c.Div(f.n - 1)
		}
	}
	q := (f.n - 1) / f.n
	if f.c != nil {
		f.c.Mul(q)
	}
	f.c, _, reconciled, err = f.sum.Mul(q).KahanAdd(h.Copy().Div(f.n), f.c)
	f.reconciled = f.reconciled || reconciled
	return err
}

// overflowFrom is a bound from which on a sum is made with care.
const overflowFrom = math.MaxFloat64 / 16

// magnitude returns the sum of all that h has, without signs; NaN does not count.
func magnitude(h *histogram.FloatHistogram) float64 {
	all := 0.0
	for _, x := range [...]float64{h.Count, h.Sum, h.ZeroCount} {
		if x = math.Abs(x); x > 0 {
			all += x
		}
	}
	for _, side := range [...][]float64{h.PositiveBuckets, h.NegativeBuckets, h.CustomValues} {
		for _, x := range side {
			if x = math.Abs(x); x > 0 {
				all += x
			}
		}
	}
	return all
}

// Result returns the sum or the mean, nil if the fold has failed. The fold is done then.
func (f *HistFold) Result() *histogram.FloatHistogram {
	if f.failed || f.sum == nil {
		return nil
	}
	if f.Mean && !f.updated {
		f.sum.Div(f.n)
		if f.c != nil {
			f.c.Div(f.n)
		}
	}
	if f.c != nil {
		f.sum.Add(f.c) //nolint:errcheck // it has been added to before
	}
	return f.sum
}

// ContinueSum returns the fold of n histograms that have been summed up to sum with the compensation c.
func ContinueSum(sum, c *histogram.FloatHistogram, n float64) HistFold {
	return HistFold{sum: sum, c: c, n: n, bound: magnitude(sum)}
}
