package main

import "math"

// normal returns how many standard deviations on both sides of the mean of a normal distribution hold a fraction of it.
func normal(fraction float64) float64 { return math.Sqrt2 * math.Erfcinv(1-fraction) }

// quantiles remembers the last quantile, since successive windows mostly have as many samples.
type quantiles struct{ fraction, freedom, quantile float64 }

// student returns which distance on both sides of 0 holds a fraction of Student's distribution; +Inf with less than one
// degree of freedom, which need not be a whole number.
//
// It is Newton's method from the normal distribution's quantile, which is less. The tail falls ever more slowly there, so
// that no step goes too far.
func (q *quantiles) student(fraction, freedom float64) float64 {
	if !(freedom >= 1) {
		return math.Inf(1)
	}
	if fraction == q.fraction && freedom == q.freedom {
		return q.quantile
	}
	*q = quantiles{fraction, freedom, normal(fraction)}
	tail := 1 - fraction
	scale := lgamma((freedom+1)/2) - lgamma(freedom/2) - math.Log(freedom*math.Pi)/2
	for range 200 {
		t := q.quantile
		density := 2 * math.Exp(scale-(freedom+1)/2*math.Log1p(t*t/freedom))
		step := (beyond(t, freedom) - tail) / density
		q.quantile += step
		if !(step > 1e-14*q.quantile) { // also NaN
			break
		}
	}
	return q.quantile
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// beyond returns the fraction of Student's distribution beyond t on either side: the regularised incomplete beta function
// I of freedom/2 and 1/2, at freedom / (freedom + t²).
func beyond(t, freedom float64) float64 {
	a, b := freedom/2, 0.5
	x, y := freedom/(freedom+t*t), t*t/(freedom+t*t)
	front := math.Exp(lgamma(a+b) - lgamma(a) - lgamma(b) + a*math.Log(x) + b*math.Log(y))
	if x <= (a+1)/(a+b+2) {
		return front * fraction(x, a, b) / a
	}
	return 1 - front*fraction(y, b, a)/b
}

// fraction is the continued fraction of the incomplete beta function, DLMF 8.17.22, by Lentz's method as modified by
// Thompson and Barnett (Journal of Computational Physics 64, 1986).
func fraction(x, a, b float64) float64 {
	const tiny = 1e-300
	h, c, d := 1.0, 1.0, 0.0
	step := func(term float64) float64 {
		if d = 1 + term*d; d == 0 {
			d = tiny
		}
		if c = 1 + term/c; c == 0 {
			c = tiny
		}
		d = 1 / d
		h *= c * d
		return c * d
	}
	d = 1 / (1 - (a+b)*x/(a+1))
	h = d
	for m := 1.0; m <= 10_000; m++ {
		step(m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m)))
		if f := step(-(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))); math.Abs(f-1) < 1e-15 {
			break
		}
	}
	return h
}
