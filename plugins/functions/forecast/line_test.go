package main

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func near(got, want, tolerance float64) bool {
	return got == want || !math.IsInf(want, 0) && math.Abs(got-want) <= tolerance*math.Abs(want)
}

// textbook fits as if all samples were independent, which tables of results are made with.
func textbook(t *testing.T, end int64, times []int64, values []float64) *line {
	t.Helper()
	l, ok := fit(end, times, values)
	if !ok {
		t.Fatal("no line")
	}
	n := float64(l.n)
	l.variance *= (n - 2*n/l.independent) / (n - 2)
	l.spread *= n / l.independent
	l.independent = n
	return &l
}

// inMilliseconds makes times of the x of a data set, which are multiples of a tenth, a million seconds each. Those that are equal
// become a millisecond apart.
func inMilliseconds(x []float64) (times []int64) {
	for i, v := range x {
		at := int64(math.Round(v*10)) * 1e8
		if i > 0 && at <= times[i-1] {
			at = times[i-1] + 1
		}
		times = append(times, at)
	}
	return times
}

// TestNorris has a data set of NIST's StRD for linear regression, with its certified results.
func TestNorris(t *testing.T) {
	x := []float64{
		0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5, 11.6,
		556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2, 669.1, 448.9, 0.5,
	}
	y := []float64{
		0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9, 10.8,
		557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9, 668.4, 449.2, 0.2,
	}
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	var xs, ys []float64
	for _, i := range order {
		xs, ys = append(xs, x[i]), append(ys, y[i])
	}
	l := textbook(t, 0, inMilliseconds(xs), ys)
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"intercept", l.at(0), -0.262323073774029},
		{"slope", l.slope * 1e6, 1.00211681802045},
		{"residual standard deviation", math.Sqrt(l.variance), 0.884796396144373},
		{"standard deviation of the slope", math.Sqrt(l.variance/l.spread) * 1e6, 0.429796848199937e-03},
		{"standard deviation of the intercept", math.Sqrt(l.variance * (1/l.independent + l.meanX*l.meanX/l.spread)), 0.232818234301152},
	} {
		if !near(tt.got, tt.want, 1e-7) { // of the milliseconds
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

// TestCars has R's data set cars and what predict(lm(dist ~ speed, cars), data.frame(speed), interval = "prediction") gives.
func TestCars(t *testing.T) {
	speed := []float64{
		4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 16, 16, 17, 17, 17, 18,
		18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22, 23, 24, 24, 24, 24, 25,
	}
	dist := []float64{
		2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20, 26, 54, 32, 40, 32, 40, 50, 42,
		56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93, 120, 85,
	}
	l := textbook(t, 0, inMilliseconds(speed), dist)
	var q quantiles
	b, _ := l.bounds(0.95, &q)
	for _, tt := range []struct{ speed, fit, low, high float64 }{
		{10, 21.74499, -9.809601, 53.29959},
		{12, 29.60981, -1.749529, 60.96915},
	} {
		x := tt.speed * 1e6
		if fit, m := l.at(x), b.margin(x); !near(fit, tt.fit, 1e-6) || !near(fit-m, tt.low, 1e-6) || !near(fit+m, tt.high, 1e-6) {
			t.Errorf("at %v: %v ± %v, want %v from %v to %v", tt.speed, fit, m, tt.fit, tt.low, tt.high)
		}
	}
}

// naive computes the line and its bounds from the sums of a textbook, in the formulas' plainest form.
func naive(times []int64, values []float64, end int64, x, quantile float64) (at, margin, r float64) {
	var n, sx, sy, sxx, sxy float64
	for i, v := range values {
		t := float64(times[i]-end) / 1000
		n, sx, sy, sxx, sxy = n+1, sx+t, sy+v, sxx+t*t, sxy+t*v
	}
	slope := (n*sxy - sx*sy) / (n*sxx - sx*sx)
	at0 := (sy - slope*sx) / n
	var e []float64
	squares, products := 0.0, 0.0
	for i, v := range values {
		e = append(e, v-at0-slope*float64(times[i]-end)/1000)
		squares += e[i] * e[i]
		if i > 0 {
			products += e[i] * e[i-1]
		}
	}
	r = math.Max(0, products/squares)
	part := (1 - r) / (1 + r)
	variance := squares / (n * (1 - 2/(part*n)))
	margin = quantile * math.Sqrt(variance+variance/(part*n)+variance/part*math.Pow(x-sx/n, 2)/(sxx-sx*sx/n))
	return at0 + slope*x, margin, r
}

func TestRandomLinesEqualTheFormulas(t *testing.T) {
	some := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		times, values, end := noisyLine(r, 3+r.IntN(100), r.Float64())
		l, ok := fit(end, times, values)
		if !ok {
			t.Fatal("no line")
		}
		x := 1000 * r.NormFloat64()
		at, margin, corr := naive(times, values, end, x, 1.5)
		if !near(l.at(x), at, 1e-8) {
			t.Errorf("seed %d: %v, want %v", seed, l.at(x), at)
		}
		if l.independent <= 2.01 {
			continue
		}
		some++
		if got := (bounds{&l, 1.5}).margin(x); !near(got, margin, 1e-6) {
			t.Errorf("seed %d: margin %v, want %v, with r = %v", seed, got, margin, corr)
		}
	}
	if some < 200 {
		t.Errorf("only %d have bounds", some)
	}
}

// noisyLine makes samples whose distances from a line depend on those before by the factor memory.
func noisyLine(r *rand.Rand, n int, memory float64) (times []int64, values []float64, end int64) {
	at, noise, slope := int64(1_700_000_000_000), r.NormFloat64(), r.NormFloat64()/10
	for range n {
		at += 5_000 + r.Int64N(20_000)
		noise = memory*noise + math.Sqrt(1-memory*memory)*r.NormFloat64()
		times = append(times, at)
		values = append(values, 10+slope*float64(at-1_700_000_000_000)/1000+noise)
	}
	return times, values, at + r.Int64N(10_000)
}

// TestBoundsHoldWhatTheySay forecasts random lines many times. With independent samples the bounds hold the next sample as often
// as they say; with samples that depend on those before they would not if that were passed over.
func TestBoundsHoldWhatTheySay(t *testing.T) {
	for _, tt := range []struct{ memory, least, most float64 }{{0, 0.94, 0.965}, {0.7, 0.93, 0.97}, {0.9, 0.9, 0.97}} {
		r := rand.New(rand.NewPCG(5, 6))
		held, plain, runs := 0.0, 0.0, 3000.0
		var q quantiles
		for range int(runs) {
			const n, ahead = 120, 120
			noise, slope := r.NormFloat64(), r.NormFloat64()/10
			var times []int64
			var values []float64
			for k := range int64(n + ahead) {
				times = append(times, k*10_000)
				values = append(values, slope*float64(k)+noise)
				noise = tt.memory*noise + math.Sqrt(1-tt.memory*tt.memory)*r.NormFloat64()
			}
			l, _ := fit(times[n-1], times[:n], values[:n])
			b, _ := l.bounds(0.95, &q)
			if math.Abs(values[n+ahead-1]-l.at(10*ahead)) <= b.margin(10*ahead) {
				held++
			}
			b, _ = textbook(t, times[n-1], times[:n], values[:n]).bounds(0.95, &q)
			if math.Abs(values[n+ahead-1]-l.at(10*ahead)) <= b.margin(10*ahead) {
				plain++
			}
		}
		t.Logf("memory %v: %v hold, %v if it is passed over", tt.memory, held/runs, plain/runs)
		if got := held / runs; got < tt.least || got > tt.most {
			t.Errorf("memory %v: %v hold, want %v to %v", tt.memory, got, tt.least, tt.most)
		}
		if tt.memory > 0.8 && plain > held-0.05*runs {
			t.Errorf("memory %v: without regard to it %v hold, with it %v", tt.memory, plain/runs, held/runs)
		}
	}
}

// TestUntilEqualsASearch walks along the line in small steps until its bounds hold a value, and until they no longer do.
func TestUntilEqualsASearch(t *testing.T) {
	never := math.Inf(1)
	seen := map[string]int{}
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 2))
		times, values, end := noisyLine(r, 4+r.IntN(40), 0)
		l := textbook(t, end, times, values)
		b := bounds{l, 0.1 + 3*r.Float64()*r.Float64()}
		value := l.at(0) + 20*r.NormFloat64()
		reaches := l.reaches(value)
		soonest, latest := b.reaches(value)
		const step, far = 0.5, 5000.0
		wantSoonest, wantLatest, wantReaches := never, never, never
		side := func(x float64) bool { return l.at(x) >= value }
		for x := 0.0; x < far; x += step {
			holds := math.Abs(value-l.at(x)) <= b.margin(x)
			if holds && wantSoonest == never {
				wantSoonest = x
			}
			if side(x) != side(0) {
				wantReaches = min(wantReaches, x)
				if holds {
					wantLatest = never
				} else {
					wantLatest = min(wantLatest, x)
				}
			}
		}
		for _, c := range []struct {
			name      string
			got, want float64
		}{{"soonest", soonest, wantSoonest}, {"reached", reaches, wantReaches}, {"latest", latest, wantLatest}} {
			switch {
			case c.want == never && c.got < far-step, c.want < never && math.Abs(c.got-c.want) > step:
				t.Errorf("seed %d: %s after %v, want %v", seed, c.name, c.got, c.want)
			case c.want == never:
				seen[c.name+" never"]++
			case c.want == 0:
				seen[c.name+" now"]++
			default:
				seen[c.name]++
			}
		}
		if !(soonest <= reaches && reaches <= latest) {
			t.Errorf("seed %d: %v, %v, %v are not in order", seed, soonest, reaches, latest)
		}
	}
	for _, kind := range []string{"soonest", "soonest now", "soonest never", "reached", "reached never", "latest", "latest never"} {
		if seen[kind] < 10 {
			t.Errorf("only %d are %s", seen[kind], kind)
		}
	}
}
