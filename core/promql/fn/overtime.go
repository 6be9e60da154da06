package fn

import (
	"math"

	"github.com/hearth-project/hearth/core/storage"
)

// The functions that end in _over_time.

var sumOverTime = perWindow(func(_ []int64, v []float64) float64 {
	var sum, c float64
	for _, x := range v {
		sum, c = Add(x, sum, c)
	}
	if isInf(sum) {
		return sum
	}
	return sum + c
})

var avgOverTime = perWindow(func(_ []int64, v []float64) float64 { return meanOf(v) })

// meanOf is the mean of values, of which there is at least one: the compensated sum divided, or once that overflows, the
// mean updated value by value.
func meanOf(v []float64) float64 {
	sum, c := v[0], 0.0
	for i, x := range v[1:] {
		t := float64(sum + x)
		if isInf(t) {
			return meanFrom(v, i+1, sum, c)
		}
		if math.Abs(sum) >= math.Abs(x) {
			c += float64(float64(sum-t) + x)
		} else {
			c += float64(float64(x-t) + sum)
		}
		sum = t
	}
	n := float64(len(v))
	return sum/n + c/n
}

// meanFrom continues a mean incrementally with v[i], given the sum of the values before it.
func meanFrom(v []float64, i int, sum, c float64) float64 {
	mean := sum / float64(i)
	c /= float64(i)
	for ; i < len(v); i++ {
		n := float64(i + 1)
		q := float64(i) / n
		mean, c = Add(v[i]/n, q*mean, q*c)
	}
	return mean + c
}

func countOverTime(w *Window, _ Series, _ [][]float64, out []float64) {
	for k := range out {
		if n := w.Hi[k] - w.Lo[k]; n > 0 {
			out[k] = float64(n)
		} else {
			out[k] = storage.Absent
		}
	}
}

func presentOverTime(w *Window, _ Series, _ [][]float64, out []float64) {
	for k := range out {
		if w.Hi[k] > w.Lo[k] {
			out[k] = 1
		} else {
			out[k] = storage.Absent
		}
	}
}

func lastOverTime(w *Window, s Series, _ [][]float64, out []float64) {
	v := s.V
	for k := range out {
		if hi := w.Hi[k]; hi > w.Lo[k] {
			out[k] = v[hi-1]
		} else {
			out[k] = storage.Absent
		}
	}
}

var (
	firstOverTime = perWindow(func(_ []int64, v []float64) float64 { return v[0] })
	tsOfFirst     = perWindow(func(t []int64, _ []float64) float64 { return seconds(t[0]) })
	tsOfLast      = perWindow(func(t []int64, _ []float64) float64 { return seconds(t[len(t)-1]) })
)

var tsOfMax = perWindow(func(t []int64, v []float64) float64 {
	at := 0
	for i, x := range v {
		if x >= v[at] || isNaN(v[at]) {
			at = i
		}
	}
	return seconds(t[at])
})

var tsOfMin = perWindow(func(t []int64, v []float64) float64 {
	at := 0
	for i, x := range v {
		if x <= v[at] || isNaN(v[at]) {
			at = i
		}
	}
	return seconds(t[at])
})

// variance is Welford's, compensated.
func variance(v []float64) float64 {
	var n, mean, cMean, aux, cAux float64
	for _, x := range v {
		n++
		delta := x - (mean + cMean)
		mean, cMean = Add(delta/n, mean, cMean)
		aux, cAux = Add(delta*(x-(mean+cMean)), aux, cAux)
	}
	return (aux + cAux) / n
}

var (
	stdvarOverTime = perWindow(func(_ []int64, v []float64) float64 { return variance(v) })
	stddevOverTime = perWindow(func(_ []int64, v []float64) float64 { return math.Sqrt(variance(v)) })
)

func quantileOverTime(w *Window, s Series, args [][]float64, out []float64) {
	v := s.V
	var buf []float64
	for k := range out {
		lo, hi := w.Lo[k], w.Hi[k]
		if lo == hi {
			out[k] = storage.Absent
			continue
		}
		buf = append(buf[:0], v[lo:hi]...)
		out[k] = Quantile(args[0][k], buf)
	}
}

// madOverTime is the median absolute deviation from the median.
func madOverTime(w *Window, s Series, _ [][]float64, out []float64) {
	var buf []float64
	perWindow(func(_ []int64, v []float64) float64 {
		buf = append(buf[:0], v...)
		for _, x := range buf {
			if isNaN(x) {
				return math.NaN()
			}
		}
		median := Quantile(0.5, buf)
		for i, x := range buf {
			buf[i] = math.Abs(x - median)
		}
		return Quantile(0.5, buf)
	})(w, s, nil, out)
}
