package main

import (
	"math"
	"testing"
)

// TestQuantiles has values of tables, as R's qt and qnorm give them. Those of 1 and 2 degrees of freedom
// are in closed form: tan(π confidence / 2), and confidence √(2 / (1 - confidence²)).
func TestQuantiles(t *testing.T) {
	for _, tt := range []struct{ confidence, freedom, want float64 }{
		{0.95, 1, 12.706204736174687},
		{0.5, 1, 1},
		{0.95, 2, 4.302652729749461},
		{0.9, 2, 2.919985580353726},
		{0.95, 5, 2.570581835636314},
		{0.99, 5, 4.032142983557536},
		{0.95, 10, 2.228138851986274},
		{0.95, 30, 2.042272456301238},
		{0.99, 30, 2.749995653567231},
		{0.95, 100, 1.983971518523552},
	} {
		var q quantiles
		for range 2 {
			if got := q.student(tt.confidence, tt.freedom); math.Abs(got-tt.want) > 1e-12*tt.want {
				t.Errorf("%v with %v: %v, want %v", tt.confidence, tt.freedom, got, tt.want)
			}
		}
	}
	for confidence, want := range map[float64]float64{0.95: 1.959963984540054, 0.99: 2.575829303548900, 0.6826894921370859: 1} {
		if got := normal(confidence); math.Abs(got-want) > 1e-12 {
			t.Errorf("normal %v: %v, want %v", confidence, got, want)
		}
		var q quantiles
		if got := q.student(confidence, 1e6); math.Abs(got-want) > 1e-5 {
			t.Errorf("%v with a million: %v, want about %v", confidence, got, want)
		}
	}
}

// TestQuantilesAreInverse integrates the density up to the quantile, by Simpson's rule.
func TestQuantilesAreInverse(t *testing.T) {
	for _, freedom := range []float64{1, 1.3, 2, 2.5, 3.7, 8, 29.25, 240, 5000} {
		for _, confidence := range []float64{0.01, 0.5, 0.9, 0.95, 0.999} {
			var q quantiles
			end := q.student(confidence, freedom)
			scale := math.Exp(lgamma((freedom+1)/2)-lgamma(freedom/2)) / math.Sqrt(freedom*math.Pi)
			density := func(x float64) float64 { return scale * math.Pow(1+x*x/freedom, -(freedom+1)/2) }
			// In u with x = sinh(u), so that long tails are short.
			f := func(u float64) float64 { return density(math.Sinh(u)) * math.Cosh(u) }
			const n = 4000
			h := math.Asinh(end) / n
			sum := f(0) + f(n*h)
			for i := 1; i < n; i++ {
				sum += float64(2+2*(i%2)) * f(float64(i)*h)
			}
			if got := 2 * sum * h / 3; math.Abs(got-confidence) > 1e-9 {
				t.Errorf("within %v, with %v degrees of freedom, is %v, want %v", end, freedom, got, confidence)
			}
		}
	}
	var q quantiles
	if got := q.student(0.95, 0.99); !math.IsInf(got, 1) {
		t.Errorf("less than one degree of freedom: %v", got)
	}
	if got := q.student(1-1e-16, 1); !(got > 1e15) || math.IsInf(got, 0) {
		t.Errorf("the largest confidence: %v", got)
	}
}
