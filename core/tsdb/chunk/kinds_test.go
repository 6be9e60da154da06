package chunk

import (
	"math"
	"math/rand/v2"
)

// kind makes series as a fleet of servers has them.
type kind struct {
	name  string
	share int // of a fleet's series, percent
	make  func(r *rand.Rand, n int) []float64
}

// kinds are the series that sizes and speeds are told for.
var kinds = []kind{
	{"constant", 38, func(r *rand.Rand, n int) []float64 { return repeat(1, n) }},
	{"rare counter", 12, counter(0.05)},
	{"slow counter", 18, counter(2)},
	{"counter", 7, counter(2000)},
	{"byte counter", 5, func(r *rand.Rand, n int) []float64 {
		return walk(n, 5e12, func() float64 { return math.Round(3e7 * (0.7 + 0.6*r.Float64())) })
	}},
	{"counter with resets", 1, func(r *rand.Rand, n int) []float64 {
		v := 1e6
		return generate(n, func() float64 {
			v += float64(r.IntN(100))
			if r.IntN(200) == 0 {
				v = 0
			}
			return v
		})
	}},
	{"cpu seconds", 5, func(r *rand.Rand, n int) []float64 {
		c := 1e7
		return generate(n, func() float64 {
			c += float64(600 + r.IntN(300))
			return c / 100
		})
	}},
	{"pages gauge", 3, func(r *rand.Rand, n int) []float64 {
		return walk(n, 4096*250_000, func() float64 { return 4096 * math.Round(100*r.NormFloat64()) })
	}},
	{"gauge", 3, func(r *rand.Rand, n int) []float64 {
		return generate(n, func() float64 { return math.Round(200 + 15*r.NormFloat64()) })
	}},
	{"load average", 1, func(r *rand.Rand, n int) []float64 {
		v := 2.0
		return generate(n, func() float64 {
			v += 0.05*(2-v) + 0.15*r.NormFloat64()
			return math.Round(v*100) / 100
		})
	}},
	{"temperature", 1, func(r *rand.Rand, n int) []float64 {
		v := 50.0
		return generate(n, func() float64 {
			v += 0.05*(50-v) + 0.4*r.NormFloat64()
			return math.Round(v*8) / 8
		})
	}},
	{"duration", 1, func(r *rand.Rand, n int) []float64 {
		return generate(n, func() float64 { return math.Round(2e7*(0.8+0.4*r.Float64())) / 1e9 })
	}},
	{"sum of durations", 2, func(r *rand.Rand, n int) []float64 {
		v := 3000.0
		return generate(n, func() float64 {
			for range 10 {
				v += math.Round(2e7*r.ExpFloat64()) / 1e9
			}
			return v
		})
	}},
	{"ratio", 1, func(r *rand.Rand, n int) []float64 {
		v := 0.0
		return generate(n, func() float64 {
			v = 0.97*v + 0.05*r.NormFloat64()
			return 0.5 * math.Exp(v)
		})
	}},
	{"flapping", 1, func(r *rand.Rand, n int) []float64 {
		v := 1.0
		return generate(n, func() float64 {
			if r.IntN(100) == 0 {
				v = float64(r.IntN(4))
			}
			return v
		})
	}},
	{"on and off", 1, func(r *rand.Rand, n int) []float64 {
		return generate(n, func() float64 { return float64(r.IntN(5) / 4) })
	}},
	{"noise", 0, func(r *rand.Rand, n int) []float64 {
		return generate(n, func() float64 { return math.Float64frombits(r.Uint64()) })
	}},
}

func generate(n int, next func() float64) []float64 {
	vals := make([]float64, n)
	for i := range vals {
		vals[i] = next()
	}
	return vals
}

func repeat(v float64, n int) []float64 { return generate(n, func() float64 { return v }) }

// walk starts at v and adds steps.
func walk(n int, v float64, step func() float64) []float64 {
	return generate(n, func() float64 {
		v += step()
		return v
	})
}

// counter counts events that come at rate a row, at random.
func counter(rate float64) func(r *rand.Rand, n int) []float64 {
	return func(r *rand.Rand, n int) []float64 {
		return walk(n, math.Floor(rate*20000), func() float64 { return poisson(r, rate) })
	}
}

func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	k, p := 0.0, r.Float64()
	for limit := math.Exp(-mean); p > limit; k++ {
		p *= r.Float64()
	}
	return k
}
