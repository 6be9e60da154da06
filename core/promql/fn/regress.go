package fn

import (
	"fmt"
	"math"

	"github.com/hearth-project/hearth/core/storage"
)

// regress fits a line to the rows by least squares. It returns its slope per second and its value at the time at.
func regress(t []int64, v []float64, at int64) (slope, intercept float64) {
	var n, sumX, cX, sumY, cY, sumXY, cXY, sumX2, cX2 float64
	level := true
	for i, y := range v {
		if level && i > 0 && y != v[0] {
			level = false
		}
		n++
		x := float64(t[i]-at) / 1e3
		sumX, cX = Add(x, sumX, cX)
		sumY, cY = Add(y, sumY, cY)
		sumXY, cXY = Add(x*y, sumXY, cXY)
		sumX2, cX2 = Add(x*x, sumX2, cX2)
	}
	if level {
		if isInf(v[0]) {
			return math.NaN(), math.NaN()
		}
		return 0, v[0]
	}
	sumX += cX
	sumY += cY
	sumXY += cXY
	sumX2 += cX2
	covXY := sumXY - sumX*sumY/n
	varX := sumX2 - sumX*sumX/n
	slope = covXY / varX
	return slope, sumY/n - slope*sumX/n
}

func deriv(w *Window, s Series, _ [][]float64, out []float64) {
	v := s.V
	for k := range out {
		lo, hi := w.Lo[k], w.Hi[k]
		if hi-lo < 2 {
			out[k] = storage.Absent
			continue
		}
		out[k], _ = regress(w.T[lo:hi], v[lo:hi], w.T[lo])
	}
}

// predictLinear extends the line by args[0] seconds from the time of evaluation.
func predictLinear(w *Window, s Series, args [][]float64, out []float64) {
	v := s.V
	for k := range out {
		lo, hi := w.Lo[k], w.Hi[k]
		if hi-lo < 2 {
			out[k] = storage.Absent
			continue
		}
		slope, intercept := regress(w.T[lo:hi], v[lo:hi], w.Eval.At(k))
		out[k] = slope*args[0][k] + intercept
	}
}

// smooth is double exponential smoothing with the smoothing factor args[0] and the trend factor args[1].
func smooth(w *Window, s Series, args [][]float64, out []float64) {
	v := s.V
	for k := range out {
		lo, hi := w.Lo[k], w.Hi[k]
		if lo == hi {
			out[k] = storage.Absent
			continue
		}
		sf, tf := args[0][k], args[1][k]
		if sf <= 0 || sf >= 1 {
			panic(Error(fmt.Sprintf("invalid smoothing factor. Expected: 0 < sf < 1, got: %f", sf)))
		}
		if tf <= 0 || tf >= 1 {
			panic(Error(fmt.Sprintf("invalid trend factor. Expected: 0 < tf < 1, got: %f", tf)))
		}
		if hi-lo < 2 {
			out[k] = storage.Absent
			continue
		}
		out[k] = smoothed(v[lo:hi], sf, tf)
	}
}

func smoothed(v []float64, sf, tf float64) float64 {
	var s0, x, y float64
	s1, b := v[0], v[1]-v[0]
	for i := 1; i < len(v); i++ {
		x = sf * v[i]
		if i > 1 {
			b = float64(tf*(s1-s0)) + float64((1-tf)*b)
		}
		y = (1 - sf) * (s1 + b)
		s0, s1 = s1, x+y
	}
	return s1
}
