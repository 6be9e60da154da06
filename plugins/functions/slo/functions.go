package main

import (
	"context"
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
	"github.com/hearth-project/hearth/sdk"
)

// Burn rates over several windows are those of B. Beyer et al., The Site Reliability Workbook, O'Reilly 2018, chapter 5.

// functions are what this plugin serves, as its manifest has them.
var functions = map[string]sdk.Function{
	"slo_burn_rate":             of(burnRate, objective),
	"slo_multiwindow_burn_rate": of(multiwindow, objective, short(1)),
	"slo_budget_remaining":      of(budgetRemaining, objective),
	"slo_budget_seconds":        of(budgetSeconds, objective, recent(1)),

	"slo_event_burn_rate":             of(eventBurnRate, allowed, period),
	"slo_event_multiwindow_burn_rate": of(eventMultiwindow, allowed, period, short(2)),
	"slo_event_budget_remaining":      of(eventBudgetRemaining, allowed),
	"slo_event_budget_seconds":        of(eventBudgetSeconds, allowed, recent(1)),
}

// scalar is an argument. One that may be left out is then a part of the range, and at most all of it.
type scalar struct {
	arg.Number
	part float64 // 0: it may not be left out
}

var (
	objective = scalar{arg.Fraction("objective", 0, math.NaN(), "0.999"), 0}
	allowed   = scalar{arg.AtLeast("allowed", 0, math.NaN(), 0, "at least 0 and finite"), 0}
	period    = scalar{arg.Above0("period", 1, math.NaN()), 0}
)

// short is the second window of an alert: a twelfth of the first, as in the workbook.
func short(at int) scalar { return scalar{arg.Above0("short", at, math.NaN()), 12} }

// recent is from when on a burn rate is taken to go on: an hour of 30 days.
func recent(at int) scalar { return scalar{arg.Above0("recent", at, math.NaN()), 720} }

// window is what a result is computed from.
type window struct {
	end, width int64 // Unix milliseconds, milliseconds
	times      []int64
	values     []float64
	arg        [3]float64 // the scalars
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// milliseconds is at least 1, so that a window is never empty.
func milliseconds(s float64) int64 { return max(1, int64(math.Round(s*1000))) }

// of makes a function of what is computed from a window: NaN is no result.
func of(f func(w window) float64, scalars ...scalar) sdk.Function {
	return func(ctx context.Context, b *sdk.Batch) error {
		if err := check(b, scalars); err != nil {
			return err
		}
		for i := range b.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			b.EachWindow(i, func(step int, times []int64, values []float64) float64 {
				w := window{end: b.Time(step), width: b.Range(), times: times, values: values}
				for k, s := range scalars {
					w.arg[k] = s.of(b, step)
					if math.IsNaN(w.arg[k]) {
						return sdk.Missing
					}
				}
				if v := f(w); !math.IsNaN(v) {
					return v
				}
				return sdk.Missing
			})
		}
		return nil
	}
}

func (s scalar) of(b *sdk.Batch, step int) float64 {
	if s.part > 0 && s.At >= b.Args() {
		return seconds(b.Range()) / s.part
	}
	return s.Of(b, step)
}

func check(b *sdk.Batch, scalars []scalar) error {
	for _, s := range scalars {
		if err := arg.Check(b, s.Number); err != nil {
			return err
		}
		for step := range b.Steps() {
			if v := s.of(b, step); s.part > 0 && v > seconds(b.Range()) {
				return sdk.Errorf(sdk.CodeInvalidRequest, "%s is %v s, must be at most the range, which is %v s", s.Name, v, seconds(b.Range()))
			}
		}
	}
	return nil
}
