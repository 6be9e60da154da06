package main

import (
	"context"
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/season"
	"github.com/hearth-project/hearth/sdk"
)

var seasonArgs = season.NewArgs(0, 1)

// seasonal scores the newest slot of a window against what Holt-Winters expects of it, in the deviations that are usual at
// that place of the season: J. D. Brutlag, Aberrant Behavior Detection in Time Series for Network Monitoring, USENIX LISA
// 2000. His deviation is the smoothed absolute error; here it begins with that of the whole window, and is in standard
// deviations as the other scores are.
func seasonal(ctx context.Context, b *sdk.Batch) error {
	if err := seasonArgs.Check(b, 1); err != nil {
		return err
	}
	var (
		w      season.Window
		usual  []float64 // deviation by place of the season
		ending error
	)
	for i := range b.Len() {
		b.EachWindow(i, func(step int, times []int64, values []float64) float64 {
			if ending = ctx.Err(); ending != nil {
				return sdk.Missing
			}
			slots, _ := w.Cut(seasonArgs, b, step, times, values)
			newest := len(slots) - 1
			if newest < 0 || math.IsNaN(slots[newest]) || !w.Fit(slots[:newest]) || math.IsNaN(w.Sigma()) {
				return sdk.Missing
			}
			distance := w.Error(slots[newest])
			if math.IsNaN(distance) { // never seen at this place of the season
				return sdk.Missing
			}
			usual = deviations(usual[:0], &w.Model)
			return inUnits(distance, usual[len(w.Errors)%w.Slots])
		})
		if ending != nil {
			return ending
		}
	}
	return nil
}

// deviations appends the deviation at each place of m's season.
func deviations(dst []float64, m *season.Model) []float64 {
	for range m.Slots {
		dst = append(dst, m.Sigma())
	}
	for t, e := range m.Errors {
		if e == e {
			d := &dst[t%m.Slots]
			*d += m.Season * (meanUnit*math.Abs(e) - *d)
		}
	}
	return dst
}
