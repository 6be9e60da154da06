package exec

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/promql/fn"
)

// uniformFold sums the histograms of a group bucket by bucket, as long as all have one layout. Sums are compensated as
// fn.HistFold does it, to the same bits.
type uniformFold struct {
	layout
	mean             bool    // the result is the mean
	n                []int32 // histograms added, by step
	count, sum, zero compensated
	buckets          []compensatedBucket // by side and rising index
	cells            int                 // charged
}

// compensated is sums and their compensations, by step.
type compensated struct{ sum, c []float64 }

type compensatedBucket struct {
	key bucketKey
	compensated
}

func (f *uniformFold) fresh(q *query) (compensated, error) {
	n := len(f.n)
	f.cells += 2 * n
	if err := q.charge(2 * n); err != nil {
		return compensated{}, err
	}
	cells := make([]float64, 2*n)
	return compensated{cells[:n:n], cells[n:]}, nil
}

func newUniformFold(q *query, u *uniform, mean bool) (f *uniformFold, err error) {
	f = &uniformFold{layout: u.layout, mean: mean, n: make([]int32, len(u.there))}
	for _, to := range []*compensated{&f.count, &f.sum, &f.zero} {
		if *to, err = f.fresh(q); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// add adds u, which has the layout of f.
func (f *uniformFold) add(q *query, u *uniform) error {
	for _, b := range u.buckets {
		at, ok := slices.BinarySearchFunc(f.buckets, b.key, func(have compensatedBucket, want bucketKey) int {
			switch {
			case have.key == want:
				return 0
			case have.key.before(want):
				return -1
			}
			return 1
		})
		if !ok {
			anew, err := f.fresh(q)
			if err != nil {
				return err
			}
			f.buckets = slices.Insert(f.buckets, at, compensatedBucket{b.key, anew})
		}
		f.buckets[at].addAll(b.counts)
	}
	for k, there := range u.there {
		if !there {
			continue
		}
		first := f.n[k] == 0
		f.n[k]++
		f.count.add(k, u.count[k], first)
		f.sum.add(k, u.sum[k], first)
		f.zero.add(k, u.zero[k], first)
	}
	return nil
}

func (s *compensated) add(k int, x float64, first bool) {
	if first {
		s.sum[k] = x
		return
	}
	s.sum[k], s.c[k] = fn.Add(x, s.sum[k], s.c[k])
}

// addAll adds counts; empty buckets change nothing.
func (s *compensated) addAll(counts []float64) {
	sum, c := s.sum[:len(counts)], s.c[:len(counts)]
	for k, x := range counts {
		if x != 0 {
			sum[k], c[k] = fn.Add(x, sum[k], c[k])
		}
	}
}

// part returns sums or compensations as a histogram at each step.
func (f *uniformFold) part(of func(compensated) []float64) *uniform {
	u := &uniform{layout: f.layout, there: make([]bool, len(f.n)), count: of(f.count), sum: of(f.sum), zero: of(f.zero)}
	for k, n := range f.n {
		u.there[k] = n > 0
	}
	for _, b := range f.buckets {
		u.buckets = append(u.buckets, bucket{b.key, of(b.compensated)})
	}
	return u
}

func sums(s compensated) []float64 { return s.sum }

// result returns the sums or means, nil where nothing was added.
func (f *uniformFold) result() []*histogram.FloatHistogram {
	for _, s := range append([]compensated{f.count, f.sum, f.zero}, compensatedOf(f.buckets)...) {
		for k, n := range f.n {
			if f.mean && n > 0 {
				s.sum[k] /= float64(n)
				s.c[k] /= float64(n)
			}
			if n > 1 {
				s.sum[k] += s.c[k]
			}
		}
	}
	return f.part(sums).rows()
}

func compensatedOf(bs []compensatedBucket) []compensated {
	out := make([]compensated, len(bs))
	for i, b := range bs {
		out[i] = b.compensated
	}
	return out
}

// histFold returns f as a fold of histograms one by one, for a group where the layout changes after all.
func (f *uniformFold) histFold() *histFold {
	h := &histFold{steps: make([]histGroup, len(f.n))}
	for k := range h.steps {
		h.steps[k].fold.Mean = f.mean
	}
	sum := f.part(sums)
	for k, n := range f.n {
		if n > 0 {
			s, c := sum.at(k), f.compensation(sum, k)
			h.steps[k].histogram = true
			h.steps[k].fold = fn.ContinueSum(s, c, float64(n))
			h.steps[k].fold.Mean = f.mean
		}
	}
	return h
}

// compensation returns the compensations at step k with the buckets that sum has there.
func (f *uniformFold) compensation(sum *uniform, k int) *histogram.FloatHistogram {
	c := sum.at(k)
	c.Count, c.Sum, c.ZeroCount = f.count.c[k], f.sum.c[k], f.zero.c[k]
	neg, pos := 0, 0
	for i := range f.buckets {
		b := &f.buckets[i]
		switch {
		case b.sum[k] == 0:
		case b.key.negative:
			c.NegativeBuckets[neg] = b.c[k]
			neg++
		default:
			c.PositiveBuckets[pos] = b.c[k]
			pos++
		}
	}
	return c
}
