package main

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

func numbers(v ...float64) (args []abi.Arg) {
	for _, x := range v {
		args = append(args, abi.Arg{Numbers: []float64{x}})
	}
	return args
}

func TestContract(t *testing.T) {
	sdktest.Suite{
		New: func() sdk.Plugin { return sdk.Plugin{Functions: functions} },
		Arguments: map[string][]abi.Arg{
			"forecast_linear_lower": numbers(60, 0.9), "forecast_linear_upper": numbers(60, 0.9),
			"forecast_linear_until_lower": numbers(60, 0.9), "forecast_linear_until_upper": numbers(60, 0.9),
			"forecast_seasonal":       numbers(60, 45, 3, 0.5, 0.1, 0.3),
			"forecast_seasonal_lower": numbers(60, 45, 0.9, 3, 0.5, 0.1, 0.3), "forecast_seasonal_upper": numbers(60, 45, 0.9, 3, 0.5, 0.1, 0.3),
		},
	}.Run(t)
}

// call calls a function for one window of samples, ten seconds each, that ends with the last.
func call(name string, args []abi.Arg, samples ...float64) (float64, error) {
	b := abi.Batch{Function: name, Start: int64(len(samples)) * 10_000, Steps: 1, Series: 1, Args: args, Samples: samples, Offsets: []uint32{0, uint32(len(samples))}}
	for i := range samples {
		b.Times = append(b.Times, int64(i+1)*10_000)
	}
	b.Range = b.Start
	out, err := sdk.NewInstance(sdk.Plugin{Functions: functions}).Call(context.Background(), abi.OpEval, b.Append(nil))
	if err != nil {
		return 0, err
	}
	return abi.Cells(out)[0], nil
}

// TestByHand has 1, 2 and 4, ten seconds apart. Their line is 23/6 now and rises by 0.15 a second. The samples are 1/6, -1/3 and 1/6
// from it, so the variance with one degree of freedom is 1/6, and ten seconds ahead the margin is the quantile times
// √(1/6 (1 + 1/3 + 20²/200)) = √(5/9).
func TestByHand(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	var parabola []float64
	for x := -50.; x <= 50; x++ {
		parabola = append(parabola, x*x)
	}
	of95, of50 := math.Tan(0.475*math.Pi), 1.0 // of Student's distribution with one degree of freedom
	for _, tt := range []struct {
		name, function string
		args           []float64
		samples        []float64
		want           float64
	}{
		{"now", "forecast_linear", []float64{0}, []float64{1, 2, 4}, 23 / 6.},
		{"ahead", "forecast_linear", []float64{10}, []float64{1, 2, 4}, 16 / 3.},
		{"behind", "forecast_linear", []float64{-10}, []float64{1, 2, 4}, 7 / 3.},
		{"the upper bound", "forecast_linear_upper", []float64{10, 0.5}, []float64{1, 2, 4}, 16/3. + of50*math.Sqrt(5/9.)},
		{"the lower bound of 95 %", "forecast_linear_lower", []float64{10}, []float64{1, 2, 4}, 16/3. - of95*math.Sqrt(5/9.)},
		{"samples on a line", "forecast_linear_upper", []float64{10}, []float64{1, 2, 3, 4}, 5},
		{"samples that are all the same", "forecast_linear_lower", []float64{1e9}, []float64{0.1, 0.1, 0.1, 0.1}, 0.1},
		{"a gap", "forecast_linear", []float64{10}, []float64{1, nan, 3, inf, 5}, 6},
		{"two samples have a line", "forecast_linear", []float64{10}, []float64{1, 2}, 3},
		{"two samples have no bounds", "forecast_linear_upper", []float64{10}, []float64{1, 2}, sdk.Missing},
		{"one sample has no line", "forecast_linear", []float64{10}, []float64{nan, 1}, sdk.Missing},
		{"samples that follow each other smoothly are few", "forecast_linear_upper", []float64{10}, parabola, inf},
		{"so the lower bound is anywhere, too", "forecast_linear_lower", []float64{10}, parabola, -inf},
		{"no number", "forecast_linear", []float64{nan}, []float64{1, 2, 4}, sdk.Missing},
		{"no confidence", "forecast_linear_upper", []float64{0, nan}, []float64{1, 2, 4}, sdk.Missing},

		{"until a value", "forecast_linear_until", []float64{5}, []float64{1, 2, 4}, (5 - 23/6.) / 0.15},
		{"until one that is now", "forecast_linear_until", []float64{4}, []float64{1, 2, 3, 4}, 0},
		{"until one in the past", "forecast_linear_until", []float64{2}, []float64{1, 2, 3, 4}, inf},
		{"until another than always", "forecast_linear_until", []float64{2}, []float64{1, 1, 1}, inf},
		{"until the one of always", "forecast_linear_until", []float64{1}, []float64{1, 1, 1}, 0},
		{"until at the latest, on a line", "forecast_linear_until_upper", []float64{5}, []float64{1, 2, 3, 4}, 10},
		{"until at the soonest, on a line", "forecast_linear_until_lower", []float64{5}, []float64{1, 2, 3, 4}, 10},
		{"until at the latest, with a slope that may be none", "forecast_linear_until_upper", []float64{5}, []float64{1, 2, 4}, inf},
		{"until at the soonest: it may be now", "forecast_linear_until_lower", []float64{5}, []float64{1, 2, 4}, 0},
		{"nothing can be said: it may be now", "forecast_linear_until_lower", []float64{9999}, parabola, 0},
		{"nothing can be said: it may be never", "forecast_linear_until_upper", []float64{9}, parabola, inf},

		// The season's package has this one on paper: two slots a season, and forecasts of 25.5 and 18.25.
		{"a season", "forecast_seasonal", []float64{10, 20, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16}, 25.5},
		{"a season, some time in the second slot", "forecast_seasonal", []float64{10.1, 20, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16}, 18.25},
		{"a season, the end of the second slot", "forecast_seasonal", []float64{20, 20, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16}, 18.25},
		{"its upper bound", "forecast_seasonal_upper", []float64{20, 20, 0.95, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16}, 18.25 + 2*1.25*1.959963984540054},
		{"its lower bound", "forecast_seasonal_lower", []float64{20, 20, 0.95, 2, 0.5, 0.5, 0.25}, []float64{10, 20, 12, 22, 16}, 18.25 - 2*1.25*1.959963984540054},
		{"less than two seasons of samples", "forecast_seasonal", []float64{10, 20, 2}, []float64{nan, nan, 12, 22, 16}, sdk.Missing},
		{"no season", "forecast_seasonal", []float64{10, nan, 2}, []float64{10, 20, 12, 22, 16}, sdk.Missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := call(tt.function, numbers(tt.args...), tt.samples...)
			if err != nil || sdk.IsMissing(got) != sdk.IsMissing(tt.want) || !sdk.IsMissing(got) && !near(got, tt.want, 1e-12) {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestSeasonIsSlotsOfAnHour has a week of days and leaves all out that may be.
func TestSeasonIsSlotsOfAnHour(t *testing.T) {
	var samples []float64 // every ten seconds, which are hours of a smaller day
	for i := range 24 * 7 {
		samples = append(samples, float64(i%24))
	}
	for ahead, want := range map[float64]float64{10: 0, 60: 5, 230: 22, 240: 23, 250: 0} {
		if got, err := call("forecast_seasonal", numbers(ahead, 240), samples...); err != nil || !near(got, want, 1e-9) && math.Abs(got-want) > 1e-9 {
			t.Errorf("%v s ahead: %v, %v; want %v", ahead, got, err, want)
		}
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	samples := make([]float64, 30)
	for _, tt := range []struct {
		function string
		args     []float64
		want     string
	}{
		{"forecast_linear", []float64{math.Inf(1)}, "seconds is +Inf, must be finite"},
		{"forecast_linear_upper", []float64{1, 95}, "confidence is 95, must be more than 0 and less than 1, as 0.95"},
		{"forecast_linear_lower", []float64{1, 0}, "confidence is 0, must be"},
		{"forecast_linear_until", []float64{math.Inf(-1)}, "value is -Inf, must be finite"},
		{"forecast_linear_until_upper", []float64{1, 1}, "confidence is 1, must be"},
		{"forecast_seasonal", []float64{0, 20, 2}, "seconds is 0, must be more than 0 and at most 3.2e9, a hundred years"},
		{"forecast_seasonal", []float64{1, -20, 2}, "season is -20, must be more than 0 and finite"},
		{"forecast_seasonal", []float64{1, 200, 2}, "the range is 300 s, must be at least 400 s: two seasons"},
		{"forecast_seasonal_upper", []float64{1, 20, 2}, "confidence is 2, must be"},
		{"forecast_seasonal_upper", []float64{1, 20, 0.9, 1}, "slots is 1, must be a whole number between 2 and 100000"},
		{"forecast_seasonal_upper", []float64{1, 20, 0.9, 2, 2}, "alpha is 2, must be between 0 and 1"},
	} {
		_, err := call(tt.function, numbers(tt.args...), samples...)
		if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s%v: %v, want %s", tt.function, tt.args, err, tt.want)
		}
	}
}

// TestForecastsMoveWithTheirSamples moves and stretches all samples.
func TestForecastsMoveWithTheirSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		v := make([]float64, 30+r.IntN(50))
		for i := range v {
			v[i] = r.NormFloat64() + math.Sin(float64(i)*math.Pi/4)
		}
		shift, scale := 100*r.NormFloat64(), math.Exp(3*r.NormFloat64())
		moved := make([]float64, len(v))
		for i := range v {
			moved[i] = shift + scale*v[i]
		}
		for name, args := range map[string][]float64{
			"forecast_linear": {100}, "forecast_linear_lower": {100}, "forecast_linear_upper": {100, 0.5},
			"forecast_seasonal": {30, 80, 4}, "forecast_seasonal_lower": {30, 80, 0.9, 4}, "forecast_seasonal_upper": {30, 80, 0.9, 4},
		} {
			before, err := call(name, numbers(args...), v...)
			after, err2 := call(name, numbers(args...), moved...)
			want := shift + scale*before
			if err != nil || err2 != nil || !(want == after || math.Abs(want-after) <= 1e-9*(1+math.Abs(shift)+scale*math.Abs(before))) {
				t.Errorf("%s: %v, %v with x = %v + %v x; %v, %v", name, before, after, shift, scale, err, err2)
			}
		}
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
			if !strings.Contains(name, "seasonal") {
				args = args[:1+strings.Count(name, "er")]
			}
			if _, err := call(name, args, v...); err != nil && sdk.AsError(err).Code != sdk.CodeInvalidRequest {
				t.Errorf("%s(%v): %v", name, args, err)
			}
		}
	})
}
