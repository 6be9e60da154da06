package main

import "math"

// bounds are where a sample about a line is to be expected with some confidence:
//
//	line(x) ± quantile √(variance (1 + 1/n + (x - meanX)² / spread))
//
// with n independent samples and the quantile of Student's distribution with n - 2 degrees of freedom: the prediction
// interval of a linear regression, N. R. Draper and H. Smith, Applied Regression Analysis, 3rd edition 1998, section 3.1.
type bounds struct {
	*line
	quantile float64
}

// bounds returns false for a line through two samples, which tells nothing of how far samples are from it.
func (l *line) bounds(confidence float64, q *quantiles) (bounds, bool) {
	if l.n < 3 {
		return bounds{}, false
	}
	if l.variance == 0 {
		return bounds{l, 0}, true
	}
	return bounds{l, q.student(confidence, l.independent-2)}, true
}

// margin returns how far the bounds are from the line at x; +Inf if fewer than three independent samples have told so
// little that nothing can be said.
func (b bounds) margin(x float64) float64 {
	if b.variance == 0 {
		return 0
	}
	if math.IsInf(b.quantile, 1) {
		return b.quantile
	}
	d := x - b.meanX
	return b.quantile * math.Sqrt(b.variance*(1+1/b.independent+d*d/b.spread))
}

// reaches returns in how many seconds the bounds hold a value for the first time, and in how many for the last because the
// line and its bounds have passed it. Each is 0 or more, and +Inf if that is never. They are roots of (line(x) - value)² =
// margin(x)²: E. C. Fieller, Some Problems in Interval Estimation, Journal of the Royal Statistical Society B 16, 1954.
func (b bounds) reaches(value float64) (soonest, latest float64) {
	never := math.Inf(1)
	if b.variance == 0 {
		x := b.line.reaches(value)
		return x, x
	}
	if math.IsInf(b.quantile, 1) {
		return 0, never
	}
	soonest, latest = never, never
	away := value - b.at(0)
	within := math.Abs(away) <= b.margin(0)
	if within {
		soonest = 0
	}
	// With u = x - meanX: (slope² - q) u² + 2 slope c u + c² - k = 0, where q u² + k is margin².
	c := b.meanY - (value - b.origin)
	v := b.quantile * b.quantile * b.variance
	square := b.slope*b.slope - v/b.spread
	low, high, ok := roots(square, b.slope*c, c*c-v*(1+1/b.independent))
	if !ok {
		return soonest, latest
	}
	low, high = low+b.meanX, high+b.meanX
	for _, x := range [2]float64{low, high} {
		if !within && x >= 0 { // bounds of a line that goes elsewhere may grow until they hold the value
			soonest = min(soonest, x)
		}
	}
	if square > 0 && away*b.slope >= 0 { // the bounds hold the value between the roots, and the line goes there
		latest = max(high, soonest)
	}
	return soonest, latest
}

// roots solves a x² + 2 b x + c = 0, low before high. Nothing is lost where b² is much more than a c.
func roots(a, b, c float64) (low, high float64, ok bool) {
	d := b*b - a*c
	if !(d >= 0) {
		return 0, 0, false
	}
	t := -(b + math.Copysign(math.Sqrt(d), b))
	x, y := t/a, c/t
	if a == 0 {
		x = y
	}
	if t == 0 { // b and c are 0, or all is
		x, y = 0, 0
	}
	return min(x, y), max(x, y), true
}
