package main

import (
	"context"
	"math"
	"slices"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
	"github.com/hearth-project/hearth/sdk"
)

// functions are what this plugin serves, as its manifest has them.
var functions = map[string]sdk.Function{
	"anomaly_zscore":   scored(zscore),
	"anomaly_mad":      scored(modified),
	"anomaly_seasonal": seasonal,
}

// least is how many samples must be in a window before the newest one.
var least = arg.AtLeast("least", 0, 5, 1, "at least 1 and finite")

// scored makes a function of a score, which is given samples that are finite, and room for as many.
func scored(score func(x float64, before, room []float64) float64) sdk.Function {
	return func(ctx context.Context, b *sdk.Batch) error {
		if err := arg.Check(b, least); err != nil {
			return err
		}
		var some, room []float64
		for i := range b.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.EachWindow(i, func(step int, _ []int64, v []float64) float64 {
				x, before := v[len(v)-1], v[:len(v)-1]
				if !allFinite(before) {
					some = slices.DeleteFunc(append(some[:0], before...), func(y float64) bool { return !arg.Finite(y) })
					before = some
				}
				if need := least.Of(b, step); !(float64(len(before)) >= need) {
					return sdk.Missing
				}
				room = slices.Grow(room[:0], len(before))
				return score(x, before, room[:len(before)])
			})
		}
		return nil
	}
}

func allFinite(v []float64) bool {
	sum := 0.0
	for _, x := range v {
		sum += x - x
	}
	return sum == 0
}

// zscore is the distance of x from the mean of the samples before it, in their standard deviations. The mean is of
// distances to the first sample, and what rounding left of it is added in the second pass: T. F. Chan, G. H. Golub, R. J.
// LeVeque, Algorithms for Computing the Sample Variance, The American Statistician 37, 1983.
func zscore(x float64, before, _ []float64) float64 {
	n, first, sum := float64(len(before)), before[0], 0.0
	for _, v := range before {
		sum += v - first
	}
	mean := first + sum/n
	squares, rest := 0.0, 0.0
	for _, v := range before {
		d := v - mean
		squares += d * d
		rest += d
	}
	return inUnits(x-mean-rest/n, math.Sqrt(max(0, squares-rest*rest/n)/n))
}

// Units make the median and the mean of absolute deviations of a normal distribution its standard deviation: B. Iglewicz
// and D. C. Hoaglin, How to Detect and Handle Outliers, 1993, the modified z-score.
const (
	medianUnit = 0.6745
	meanUnit   = 1.253314 // the square root of pi/2
)

// modified is the distance of x from the median of the samples before it, in their median absolute deviations; if more than
// half of the samples are the same, which makes that 0, in their mean absolute deviations.
func modified(x float64, before, room []float64) float64 {
	copy(room, before)
	middle := median(room)
	sum := 0.0
	for i, v := range before {
		room[i] = math.Abs(v - middle)
		sum += room[i]
	}
	if m := median(room); m > 0 {
		return inUnits(medianUnit*(x-middle), m)
	}
	return inUnits(x-middle, meanUnit*sum/float64(len(before)))
}

// median changes the order of v.
func median(v []float64) float64 {
	n := len(v)
	upper := selectNth(v, n/2)
	if n%2 == 1 {
		return upper
	}
	return slices.Max(v[:n/2])/2 + upper/2
}

// selectNth returns what is at place k of v in order, and puts what is not larger before it: C. A. R. Hoare's selection,
// with the median of three as pivot, and sorted after as many rounds as an order against it would need.
func selectNth(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for rounds := 0; lo < hi; rounds++ {
		if rounds > 64 {
			slices.Sort(v[lo : hi+1])
			break
		}
		a, b, c := v[lo], v[lo+(hi-lo)/2], v[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	return v[k]
}

// inUnits divides. Samples that were all the same have no spread: another value is infinitely far away, the same is not.
func inUnits(distance, spread float64) float64 {
	if spread == 0 && distance == 0 {
		return 0
	}
	return distance / spread
}
