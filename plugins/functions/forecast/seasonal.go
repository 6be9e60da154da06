package main

import (
	"context"
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
	"github.com/hearth-project/hearth/plugins/functions/internal/season"
	"github.com/hearth-project/hearth/sdk"
)

// century bounds how far ahead a forecast may be, in seconds.
const century = 3.2e9

var ahead = arg.Number{Name: "seconds", Or: math.NaN(), Want: "more than 0 and at most 3.2e9, a hundred years",
	Valid: func(v float64) bool { return v > 0 && v <= century }}

// seasonal makes a function of the forecast by Holt-Winters, or of its lower or upper bound: side is 0, -1 or 1. The bounds
// are quantiles of a normal distribution, as in Hyndman et al., Forecasting with Exponential Smoothing, 2008, chapter 6.
func seasonal(side float64) sdk.Function {
	sure, args := confidence(2), season.NewArgs(1, 3)
	if side == 0 {
		sure.At, args = math.MaxInt, season.NewArgs(1, 2)
	}
	return func(ctx context.Context, b *sdk.Batch) error {
		if err := arg.Check(b, ahead, sure); err != nil {
			return err
		}
		if err := args.Check(b, 0); err != nil {
			return err
		}
		var (
			w      season.Window
			ending error
		)
		for i := range b.Len() {
			b.EachWindow(i, func(step int, times []int64, values []float64) float64 {
				if ending = ctx.Err(); ending != nil {
					return sdk.Missing
				}
				x, c := ahead.Of(b, step), sure.Of(b, step)
				slots, width := w.Cut(args, b, step, times, values)
				if x != x || c != c || slots == nil || !w.Fit(slots) {
					return sdk.Missing
				}
				h := int(max(1, math.Ceil(x*1000/width-1e-9)))
				result := w.Forecast(h)
				if side != 0 {
					result += side * normal(c) * w.Deviation(h)
				}
				if math.IsNaN(result) { // a place of the season that was never seen, or too few errors to judge by
					return sdk.Missing
				}
				return result
			})
			if ending != nil {
				return ending
			}
		}
		return nil
	}
}
