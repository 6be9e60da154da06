package main

import (
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
)

// increase returns by how much a counter rose from its first sample to its last: what is counted before a reset stays
// counted, and after it counts from 0. Samples that are not finite are passed over. It tells whether there are two others.
func increase(values []float64) (rise float64, ok bool) {
	first, before, kept, n := 0.0, 0.0, 0.0, 0
	for _, v := range values {
		if !arg.Finite(v) {
			continue
		}
		if n == 0 {
			first = v
		} else if v < before {
			kept += before
		}
		before = v
		n++
	}
	return before - first + kept, n > 1
}

// rise returns by how much the counter rose in the window's last milliseconds, from the sample before them if the window
// has it. It is NaN if nothing tells.
func (w window) rise(last int64) float64 {
	from := len(w.values)
	for from > 0 && w.times[from-1] > w.end-last {
		from--
	}
	if from == len(w.values) {
		return math.NaN()
	}
	for i := from - 1; i >= 0; i-- {
		if arg.Finite(w.values[i]) {
			from = i
			break
		}
	}
	rise, ok := increase(w.values[from:])
	if !ok {
		return math.NaN()
	}
	return rise
}

// per is a rise in units of what is allowed. If nothing is, nothing is 0 of it, and anything infinitely much.
func per(rise, allowed float64) float64 {
	if rise == 0 && allowed == 0 {
		return 0
	}
	return rise / allowed
}

// eventBurnRate is the rise in units of what would use up the budget in just the period.
func eventBurnRate(w window) float64 { return w.eventBurn(w.width) }

func (w window) eventBurn(last int64) float64 {
	return per(w.rise(last)/seconds(last)*w.arg[1], w.arg[0])
}

// eventMultiwindow is the lesser of the burn rates over the window and over its last seconds.
func eventMultiwindow(w window) float64 {
	return min(eventBurnRate(w), w.eventBurn(milliseconds(w.arg[2])))
}

// eventBudgetRemaining is what is left of the events that are allowed in the window.
func eventBudgetRemaining(w window) float64 { return 1 - per(w.rise(w.width), w.arg[0]) }

// eventBudgetSeconds is how long that will last at the rate of the window's last seconds.
func eventBudgetSeconds(w window) float64 {
	recent := milliseconds(w.arg[1])
	return lasts(w.arg[0]-w.rise(w.width), w.rise(recent)/seconds(recent))
}
