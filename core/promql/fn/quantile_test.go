package fn

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

func TestQuantiles(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name string
		q    float64
		v    []float64
		want float64
	}{
		{"the median lies between two", 0.5, []float64{4, 1, 3, 2}, 2.5},
		{"the least", 0, []float64{3, 1, 2}, 1},
		{"the greatest", 1, []float64{3, 1, 2}, 3},
		{"NaN sorts first", 0, []float64{1, nan}, nan},
		{"below", -1, []float64{1}, -inf},
		{"above", 2, []float64{1}, inf},
		{"of nothing", 0.5, nil, nan},
		{"no quantile", nan, []float64{1}, nan},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Quantile(tt.q, tt.v); got != tt.want && !(isNaN(got) && isNaN(tt.want)) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestNeighboursAreThoseOfSortedValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	negativeZero := math.Copysign(0, -1)
	makers := []struct {
		name string
		at   func(i, n int) float64
	}{
		{"random", func(int, int) float64 { return random.NormFloat64() }},
		{"few that differ", func(int, int) float64 { return float64(random.IntN(3)) }},
		{"rising", func(i, _ int) float64 { return float64(i) }},
		{"falling", func(i, _ int) float64 { return float64(-i) }},
		{"organ pipes", func(i, n int) float64 { return float64(min(i, n-i)) }},
		{"infinite ones", func(i, _ int) float64 { return []float64{math.Inf(1), 1, math.Inf(-1)}[i%3] }},
		{"NaN among them", func(i, _ int) float64 { return []float64{1, math.NaN(), float64(-i)}[i%3] }},
		{"zeros of both signs", func(int, int) float64 { return []float64{0, negativeZero, 1}[random.IntN(3)] }},
	}
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			for n := 1; n < 200; n += 1 + n/20 {
				v := make([]float64, n)
				for i := range v {
					v[i] = m.at(i, n)
				}
				sorted := slices.Clone(v)
				sort.Sort(nanFirst(sorted))
				for i := range v {
					j := min(i+1, n-1)
					a, b := neighbours(slices.Clone(v), i, j)
					same := func(x, y float64) bool {
						return math.Float64bits(x) == math.Float64bits(y) || isNaN(x) && isNaN(y)
					}
					if !same(a, sorted[i]) || !same(b, sorted[j]) {
						t.Fatalf("of %v: %v and %v, sorted %v and %v are at %d and %d", v, a, b, sorted[i], sorted[j], i, j)
					}
				}
			}
		})
	}
}

func TestQuantilesOfClassicHistograms(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name   string
		q      float64
		b      []Bucket
		want   float64
		forced bool
	}{
		{"within a bucket", 0.5, []Bucket{{1, 10}, {2, 30}, {inf, 30}}, 1.25, false},
		{"the first begins at 0", 0.25, []Bucket{{1, 20}, {inf, 40}}, 0.5, false},
		{"unless its bound is below", 0.1, []Bucket{{-1, 20}, {inf, 40}}, -1, false},
		{"in the last it is the bound before", 0.9, []Bucket{{1, 20}, {inf, 40}}, 1, false},
		{"order does not matter", 0.5, []Bucket{{inf, 30}, {1, 10}, {2, 30}}, 1.25, false},
		{"the same bound twice is one bucket", 0.5, []Bucket{{1, 5}, {1, 5}, {2, 30}, {inf, 30}}, 1.25, false},
		{"counts that fall are raised", 0.5, []Bucket{{1, 10}, {2, 5}, {inf, 20}}, 1, true},
		{"by little it is rounding", 0.5, []Bucket{{1, 10}, {2, 10 - 1e-13}, {inf, 20}}, 1, false},
		{"without +Inf there is none", 0.5, []Bucket{{1, 10}, {2, 30}}, nan, false},
		{"nor of one bucket", 0.5, []Bucket{{inf, 30}}, nan, false},
		{"nor of no observations", 0.5, []Bucket{{1, 0}, {inf, 0}}, nan, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, forced := BucketQuantile(tt.q, tt.b)
			if got != tt.want && !(isNaN(got) && isNaN(tt.want)) || (forced != nil) != tt.forced {
				t.Errorf("%v (%v), want %v (%v)", got, forced, tt.want, tt.forced)
			}
		})
	}
}

func TestFractionsOfClassicHistograms(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name       string
		lower, upr float64
		want       float64
	}{
		{"of a whole bucket", 1, 2, 0.5},
		{"of half of one", 1, 1.5, 0.25},
		{"of all", -inf, inf, 1},
		{"of what is above the last bound", 2, inf, 0.25},
		{"the wrong way round", 2, 1, 0},
		{"of no number", nan, 1, nan},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := []Bucket{{1, 10}, {2, 30}, {inf, 40}}
			if got := BucketFraction(tt.lower, tt.upr, b); got != tt.want && !(isNaN(got) && isNaN(tt.want)) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
