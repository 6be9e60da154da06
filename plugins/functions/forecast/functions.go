package main

import (
	"context"
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
	"github.com/hearth-project/hearth/sdk"
)

// functions are what this plugin serves, as its manifest has them.
var functions = map[string]sdk.Function{
	"forecast_linear":             linear("seconds", (*line).at),
	"forecast_linear_lower":       bounded("seconds", func(b bounds, x float64) float64 { return b.at(x) - b.margin(x) }),
	"forecast_linear_upper":       bounded("seconds", func(b bounds, x float64) float64 { return b.at(x) + b.margin(x) }),
	"forecast_linear_until":       linear("value", (*line).reaches),
	"forecast_linear_until_lower": bounded("value", func(b bounds, v float64) float64 { soonest, _ := b.reaches(v); return soonest }),
	"forecast_linear_until_upper": bounded("value", func(b bounds, v float64) float64 { _, latest := b.reaches(v); return latest }),
	"forecast_seasonal":           seasonal(0),
	"forecast_seasonal_lower":     seasonal(-1),
	"forecast_seasonal_upper":     seasonal(1),
}

// confidence is how likely the value is to lie between the bounds.
func confidence(at int) arg.Number { return arg.Fraction("confidence", at, 0.95, "0.95") }

// linear makes a function of what a line answers to a number.
func linear(name string, answer func(l *line, x float64) float64) sdk.Function {
	return lines(func(l *line, x, _ float64, _ *quantiles) float64 { return answer(l, x) }, finite(name))
}

// bounded makes a function of what the bounds of a line answer to a number.
func bounded(name string, answer func(b bounds, x float64) float64) sdk.Function {
	return lines(func(l *line, x, confidence float64, q *quantiles) float64 {
		b, ok := l.bounds(confidence, q)
		if !ok {
			return sdk.Missing
		}
		return answer(b, x)
	}, finite(name))
}

func finite(name string) arg.Number {
	return arg.Number{Name: name, Or: math.NaN(), Valid: arg.Finite, Want: "finite"}
}

// lines lays a line through each window.
func lines(answer func(l *line, x, confidence float64, q *quantiles) float64, number arg.Number) sdk.Function {
	sure := confidence(1)
	return func(ctx context.Context, b *sdk.Batch) error {
		if err := arg.Check(b, number, sure); err != nil {
			return err
		}
		var q quantiles
		for i := range b.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.EachWindow(i, func(step int, times []int64, values []float64) float64 {
				x, c := number.Of(b, step), sure.Of(b, step)
				if x != x || c != c {
					return sdk.Missing
				}
				l, ok := fit(b.Time(step), times, values)
				if !ok {
					return sdk.Missing
				}
				return answer(&l, x, c, &q)
			})
		}
		return nil
	}
}
