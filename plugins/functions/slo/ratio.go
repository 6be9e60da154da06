package main

import (
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
)

// ratios are samples of an error ratio in a window. Those that are not finite are passed over: a ratio without traffic is NaN.
type ratios struct {
	n           float64
	sum         float64
	first, last int64
}

// ratios gathers the samples of the window's last milliseconds.
func (w window) ratios(last int64) (r ratios) {
	for i, v := range w.values {
		if w.times[i] <= w.end-last || !arg.Finite(v) {
			continue
		}
		if r.n == 0 {
			r.first = w.times[i]
		}
		r.n++
		r.sum += v
		r.last = w.times[i]
	}
	return r
}

// mean is NaN of no samples.
func (r ratios) mean() float64 { return r.sum / r.n }

// covered returns which fraction of a window has samples: each stands for the mean interval between two. It is NaN of fewer
// than two.
func (r ratios) covered(window int64) float64 {
	if r.n < 2 {
		return math.NaN()
	}
	return min(1, float64(r.last-r.first)*r.n/(r.n-1)/float64(window))
}

// burnRate is the mean ratio in units of what the objective allows.
func burnRate(w window) float64 { return w.ratios(w.width).mean() / (1 - w.arg[0]) }

// multiwindow is the lesser of the burn rates over the window and over its last seconds.
func multiwindow(w window) float64 {
	return min(burnRate(w), w.ratios(milliseconds(w.arg[1])).mean()/(1-w.arg[0]))
}

// budgetRemaining is what is left of the errors that the objective allows in the window.
func budgetRemaining(w window) float64 {
	r := w.ratios(w.width)
	return 1 - r.mean()*r.covered(w.width)/(1-w.arg[0])
}

// budgetSeconds is how long that will last at the burn rate over the window's last seconds.
func budgetSeconds(w window) float64 {
	recent := w.ratios(milliseconds(w.arg[1]))
	return lasts(budgetRemaining(w)*seconds(w.width), recent.mean()/(1-w.arg[0]))
}

// lasts divides what is left by what goes each second: what is gone lasts 0, and what nothing is taken from forever.
func lasts(left, rate float64) float64 {
	switch {
	case left != left || rate != rate:
		return math.NaN()
	case left <= 0:
		return 0
	case rate <= 0:
		return math.Inf(1)
	}
	return left / rate
}
