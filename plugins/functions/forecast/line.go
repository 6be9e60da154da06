package main

import (
	"math"

	"github.com/hearth-project/hearth/plugins/functions/internal/arg"
)

// line is the least squares line through the samples of a window, in seconds from its end.
type line struct {
	n           int
	meanX       float64
	origin      float64 // subtracted from all samples, so that nothing is lost beside a large value
	meanY       float64 // of what is left
	slope       float64 // a second
	spread      float64 // of the times: the sum of their squared distances from meanX
	variance    float64 // of a sample about the line
	independent float64 // how many samples would tell as much of the line if they did not depend on each other
}

// fit lays a line through the samples that are finite. It tells whether there are two.
func fit(end int64, times []int64, values []float64) (l line, ok bool) {
	for k, v := range values {
		if !arg.Finite(v) {
			continue
		}
		if l.n == 0 {
			l.origin = v
		}
		l.n++
		l.meanX += seconds(times[k] - end)
		l.meanY += v - l.origin
	}
	if l.n < 2 {
		return l, false
	}
	n := float64(l.n)
	l.meanX /= n
	l.meanY /= n
	product, total := 0.0, 0.0
	for k, v := range values {
		if arg.Finite(v) {
			x, y := seconds(times[k]-end)-l.meanX, v-l.origin-l.meanY
			l.spread += x * x
			product += x * y
			total += y * y
		}
	}
	l.slope = product / l.spread
	l.residuals(end, times, values, total)
	return l, true
}

// residuals sets what the distances of the samples from the line tell. Samples of a gauge often depend on those before
// them, and then tell less of the line than their number says: with r the correlation of successive residuals, as much as n
// (1-r) / (1+r) independent ones, with as much less of a spread. B. D. Santer et al., Statistical Significance of Trends and
// Trend Differences in Layer-Average Atmospheric Temperature Time Series, Journal of Geophysical Research 105, 2000. A
// negative r is taken as 0.
func (l *line) residuals(end int64, times []int64, values []float64, total float64) {
	squares, neighbours, before := 0.0, 0.0, 0.0
	for k, v := range values {
		if arg.Finite(v) {
			e := v - l.origin - l.meanY - l.slope*(seconds(times[k]-end)-l.meanX)
			squares += e * e
			neighbours += e * before
			before = e
		}
	}
	l.independent = float64(l.n)
	if squares <= 1e-26*total { // what float64 rounds
		return
	}
	part := min(1, (1-neighbours/squares)/(1+neighbours/squares))
	l.independent *= part
	l.spread *= part
	l.variance = squares / (float64(l.n) - 2/part) // not positive if that many tell nothing: see bounds
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// at returns the line's value x seconds after the end of the window.
func (l *line) at(x float64) float64 { return l.origin + (l.meanY + l.slope*(x-l.meanX)) }

// reaches returns in how many seconds the line has a value: 0 or more, and +Inf if it goes elsewhere.
func (l *line) reaches(value float64) float64 {
	away := value - l.at(0)
	if away == 0 {
		return 0
	}
	if x := away / l.slope; x >= 0 {
		return x
	}
	return math.Inf(1)
}
