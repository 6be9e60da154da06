package main

import (
	"context"
	"math"
	"slices"

	"github.com/hearth-project/hearth/sdk"
)

// functions are what this plugin serves, as its manifest has them.
var functions = map[string]sdk.Function{
	"anomaly_zscore": scored(zscore),
	"anomaly_mad":    scored(modified),
}

// leastBefore is how many samples must be in a window before the newest one, unless the query says another number.
const leastBefore = 5

// scored makes a function of a score, which has room for as many samples as there are before the newest.
func scored(score func(x float64, before, room []float64) float64) sdk.Function {
	return func(ctx context.Context, b *sdk.Batch) error {
		var room []float64
		for i := range b.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.EachWindow(i, func(step int, _ []int64, v []float64) float64 {
				n := len(v) - 1
				if least := b.Number(0, step, leastBefore); !(float64(n) >= least) || n < 1 {
					return sdk.Missing
				}
				if cap(room) < n {
					room = make([]float64, 2*n)
				}
				return score(v[n], v[:n], room[:n])
			})
		}
		return nil
	}
}

// zscore is the distance of x from the mean of the samples before it, in their standard deviations.
func zscore(x float64, before, _ []float64) float64 {
	n := float64(len(before))
	mean := 0.0
	for _, v := range before {
		mean += v / n
	}
	squares := 0.0
	for _, v := range before {
		squares += (v - mean) * (v - mean)
	}
	return inUnits(x-mean, math.Sqrt(squares/n))
}

// madUnit makes the median absolute deviation of a normal distribution its standard deviation: Iglewicz and Hoaglin, How
// to Detect and Handle Outliers, 1993, the modified z-score.
const madUnit = 0.6745

// modified is the distance of x from the median of the samples before it, in their median absolute deviations.
func modified(x float64, before, room []float64) float64 {
	copy(room, before)
	middle := median(room)
	for i, v := range before {
		room[i] = math.Abs(v - middle)
	}
	return inUnits(madUnit*(x-middle), median(room))
}

// median sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return v[n/2-1]/2 + v[n/2]/2
}

// inUnits divides. Samples that were all the same have no spread: another value is infinitely far away, the same is not.
func inUnits(distance, spread float64) float64 {
	if spread == 0 && distance == 0 {
		return 0
	}
	return distance / spread
}
