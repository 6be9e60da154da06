package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

func numbers(v ...float64) (args []abi.Arg) {
	for _, x := range v {
		args = append(args, abi.Arg{Numbers: []float64{x}})
	}
	return args
}

// TestSeasonalByHand has the model that the season's package has on paper: after 10, 20, 12, 22 and 16 with two slots a season, 25.5
// is expected, and the errors were 0, 0, 0, 0 and 2, so sigma is 2. With gamma 0.25 the deviation at the second place has gone from 2
// to 1.5 and 1.125; at the first place, where the error of 2 was, it is 1.125 + 0.25 (2 meanUnit - 1.125).
func TestSeasonalByHand(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	atFirst := 1.125 + 0.25*(2*meanUnit-1.125)
	for _, tt := range []struct {
		name    string
		args    []float64
		samples []float64
		want    float64
	}{
		{"above", []float64{2, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16, 27}, 1.5 / 1.125},
		{"below", []float64{2, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16, 21}, -4.5 / 1.125},
		{"as expected", []float64{2, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16, 25.5}, 0},
		{"at the other place, after a slot without samples", []float64{2, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16, nan, 19.25}, 1 / atFirst},
		{"nothing in the newest slot", []float64{2, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16, nan}, sdk.Missing},
		{"too few errors to know a deviation", []float64{2, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16}, sdk.Missing},
		{"a line with a season", []float64{3, 3}, []float64{1, 5, 6, 4, 8, 9, 7, 11, 12, 10}, 0},
		{"off a line with a season", []float64{3, 3}, []float64{1, 5, 6, 4, 8, 9, 7, 11, 12, 10.1}, inf},
		{"a place that was never seen", []float64{3, 3}, []float64{1, 2, nan, 1, 2, nan, 1, 2, nan, 1, 2, 3}, sdk.Missing},
		{"no season", []float64{nan}, make([]float64, 100), sdk.Missing},
		{"no number of slots", []float64{3, nan}, make([]float64, 100), sdk.Missing},
		{"no alpha", []float64{3, 3, nan}, make([]float64, 100), sdk.Missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := newest("anomaly_seasonal", numbers(tt.args...), tt.samples)
			if err != nil || sdk.IsMissing(got) != sdk.IsMissing(tt.want) || !sdk.IsMissing(got) && got != tt.want && !(math.Abs(got-tt.want) <= 1e-12*(1+math.Abs(tt.want))) {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestSeasonalKnowsTheTimeOfDay has days with noise, which is large by day and small by night. What is usual by day is not by night.
func TestSeasonalKnowsTheTimeOfDay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const slots = 24
	var v []float64
	for i := range 20 * slots {
		noise := 10 * r.NormFloat64()
		if i%slots < slots/2 {
			noise /= 10
		}
		v = append(v, 100+noise)
	}
	score := func(samples []float64, off float64) float64 {
		got, err := newest("anomaly_seasonal", numbers(slots, slots, 0.1, 0.0035, 0.3), append(samples[:len(samples):len(samples)], 100+off))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	night, noon := score(v, 15), score(v[:len(v)-slots/4], 15)
	if !(night > 5) || !(math.Abs(noon) < 4) {
		t.Errorf("15 more score %v by night and %v by day", night, noon)
	}
}

func FuzzFunctions(f *testing.F) {
	f.Add(uint64(1), 10, 1.0, 2.0, 0.5)
	f.Fuzz(func(t *testing.T, seed uint64, n int, a, b, c float64) {
		if n < 1 || n > 200 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 5))
		v := make([]float64, n)
		for i := range v {
			v[i] = []float64{math.NaN(), math.Inf(1), math.MaxFloat64, -math.MaxFloat64, 0, 5e-324, r.NormFloat64(), float64(i)}[r.IntN(8)]
		}
		for name := range functions {
			args := numbers(a, b, c)
			if name != "anomaly_seasonal" {
				args = args[:1]
			}
			if _, err := newest(name, args, v); err != nil && sdk.AsError(err).Code != sdk.CodeInvalidRequest {
				t.Errorf("%s(%v): %v", name, args, err)
			}
		}
	})
}
