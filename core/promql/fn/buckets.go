package fn

import (
	"math"
	"slices"
	"sort"
)

// tolerance is the relative difference between the counts of two buckets that is taken for rounding.
const tolerance = 1e-12

// Bucket is a bucket of a classic histogram: the observations up to Upper, those of lower buckets included.
type Bucket struct{ Upper, Count float64 }

// Forced tells where the counts of buckets fell with a rising bound, so that they had to be raised.
type Forced struct{ Min, Max, Diff float64 }

// BucketQuantile returns the q-quantile of a classic histogram, interpolating linearly within a bucket; a first bucket
// with a bound above 0 begins at 0, and in the last one it is the bound of the one before. It is NaN without
// observations, with less than two buckets, without a +Inf bucket, or if q is; ±Inf if q is out of bounds. The buckets,
// at least one, are sorted and changed. forced is nil if the counts were monotonic.
func BucketQuantile(q float64, b []Bucket) (v float64, forced *Forced) {
	switch {
	case isNaN(q):
		return math.NaN(), nil
	case q < 0:
		return math.Inf(-1), nil
	case q > 1:
		return math.Inf(+1), nil
	}
	b, ok := tidy(b)
	if !ok {
		return math.NaN(), nil
	}
	forced = makeMonotonic(b)
	last := len(b) - 1
	if last < 1 || b[last].Count == 0 {
		return math.NaN(), forced
	}
	rank := float64(q * b[last].Count)
	i := sort.Search(last, func(i int) bool { return b[i].Count >= rank })
	switch {
	case i == last:
		return b[last-1].Upper, forced
	case i == 0 && b[0].Upper <= 0:
		return b[0].Upper, forced
	}
	lower, count := 0.0, b[i].Count
	if i > 0 {
		lower = b[i-1].Upper
		count -= b[i-1].Count
		rank -= b[i-1].Count
	}
	return lower + float64((b[i].Upper-lower)*(rank/count)), forced
}

// tidy sorts buckets by bound and joins those with the same one. ok tells that the last bound is +Inf.
func tidy(b []Bucket) (_ []Bucket, ok bool) {
	for i := 1; i < len(b); i++ {
		if b[i].Upper < b[i-1].Upper {
			slices.SortFunc(b, byBound)
			break
		}
	}
	if !math.IsInf(b[len(b)-1].Upper, +1) {
		return b, false
	}
	n := 0
	for _, x := range b[1:] {
		if x.Upper == b[n].Upper {
			b[n].Count += x.Count
			continue
		}
		n++
		b[n] = x
	}
	return b[:n+1], true
}

func byBound(x, y Bucket) int {
	switch {
	case x.Upper < y.Upper:
		return -1
	case x.Upper > y.Upper:
		return +1
	}
	return 0
}

// makeMonotonic raises counts that are below the one before, and evens out differences that come from rounding.
func makeMonotonic(b []Bucket) *Forced {
	var forced *Forced
	prev := b[0].Count
	for i := 1; i < len(b); i++ {
		cur := b[i].Count
		switch {
		case cur == prev:
		case cur-prev > 1e-6*cur && prev >= 0 && cur > 1e-300: // by far the most, and no rounding
			prev = cur
		case almostEqual(prev, cur):
			b[i].Count = prev
		case cur < prev:
			b[i].Count = prev
			if forced == nil {
				forced = &Forced{Min: math.Inf(+1), Max: math.Inf(-1)}
			}
			if b[i].Upper < forced.Min {
				forced.Min = b[i].Upper
			}
			if b[i].Upper > forced.Max {
				forced.Max = b[i].Upper
			}
			if prev-cur > forced.Diff {
				forced.Diff = prev - cur
			}
		default:
			prev = cur
		}
	}
	return forced
}

// almostEqual tells whether a and b, which differ, do so by less than the tolerance.
func almostEqual(a, b float64) bool {
	const minNormal = 0x1p-1022
	if isNaN(a) && isNaN(b) {
		return true
	}
	sum, diff := math.Abs(a)+math.Abs(b), math.Abs(a-b)
	if a == 0 || b == 0 || sum < minNormal {
		return diff < tolerance*minNormal
	}
	return diff/math.Min(sum, math.MaxFloat64) < tolerance
}

// BucketFraction returns the fraction of the observations of a classic histogram between lower and upper, with the
// assumptions of BucketQuantile. It sorts and changes the buckets.
func BucketFraction(lower, upper float64, b []Bucket) float64 {
	b, ok := tidy(b)
	if !ok {
		return math.NaN()
	}
	count := b[len(b)-1].Count
	switch {
	case count == 0 || isNaN(lower) || isNaN(upper):
		return math.NaN()
	case lower >= upper:
		return 0
	}
	return (rankOf(upper, b, count) - rankOf(lower, b, count)) / count
}

// rankOf returns how many of the count observations lie below v.
func rankOf(v float64, b []Bucket, count float64) float64 {
	start, rank := 0.0, 0.0
	if b[0].Upper <= 0 {
		start = math.Inf(-1)
	}
	for i, x := range b {
		if i > 0 {
			start = b[i-1].Upper
		}
		switch {
		case start >= v:
			return math.Min(rank, count)
		case x.Upper > v && math.IsInf(start, -1):
			return math.Min(x.Count, count)
		case x.Upper > v:
			return math.Min(rank+(x.Count-rank)*(v-start)/(x.Upper-start), count)
		}
		rank = x.Count
	}
	return count
}
