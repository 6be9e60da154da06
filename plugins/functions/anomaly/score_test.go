package main

import (
	"context"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

func TestContract(t *testing.T) {
	sdktest.Suite{
		New:       func() sdk.Plugin { return sdk.Plugin{Functions: functions} },
		Arguments: map[string][]abi.Arg{"anomaly_seasonal": numbers(45, 3, 0.5, 0.1, 0.3)},
	}.Run(t)
}

// TestScores has the values of a pocket calculator.
func TestScores(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, tt := range []struct {
		name        string
		least       []abi.Arg
		samples     []float64
		zscore, mad float64
	}{
		{"a value far above", nil, []float64{2, 4, 4, 4, 5, 5, 7, 9, 11}, 3, 0.6745 * (11 - 4.5) / 0.5},
		{"a value below", nil, []float64{1, 2, 3, 4, 5, 1}, -2 / math.Sqrt2, 0.6745 * -2},
		{"the value of always", nil, []float64{7, 7, 7, 7, 7, 7}, 0, 0},
		{"another than always", nil, []float64{7, 7, 7, 7, 7, 8}, inf, inf},
		{"less than always", nil, []float64{7, 7, 7, 7, 7, 6}, -inf, -inf},
		{"too few", nil, []float64{1, 2, 3, 4, 9}, sdk.Missing, sdk.Missing},
		{"samples that are not finite do not count", nil, []float64{2, nan, 4, 4, inf, 4, 5, 5, -inf, 7, 9, 11}, 3, 0.6745 * (11 - 4.5) / 0.5},
		{"too few that are finite", nil, []float64{1, 2, nan, 3, 4, inf, 9}, sdk.Missing, sdk.Missing},
		{"a newest sample that is no number", nil, []float64{1, 2, 3, 4, 5, nan}, nan, nan},
		{"a newest sample beyond all numbers", nil, []float64{1, 2, 3, 4, 5, inf}, inf, inf},
		{"mostly the same: the mean deviation", nil, []float64{5, 5, 5, 5, 5, 9, 7}, 4 / 3. / math.Sqrt(20/9.), 2 / (meanUnit * 4 / 6)},
		{"enough for the query", []abi.Arg{{Numbers: []float64{2}}}, []float64{1, 3, 4}, 2, 0.6745 * 2},
		{"not even one before", []abi.Arg{{Numbers: []float64{1}}}, []float64{1}, sdk.Missing, sdk.Missing},
		{"NaN for a least number", []abi.Arg{{Numbers: []float64{math.NaN()}}}, []float64{1, 2}, sdk.Missing, sdk.Missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, want := range map[string]float64{"anomaly_zscore": tt.zscore, "anomaly_mad": tt.mad} {
				got, err := newest(name, tt.least, tt.samples)
				if err != nil {
					t.Fatal(err)
				}
				if sdk.IsMissing(want) != sdk.IsMissing(got) || (want != want) != (got != got) || want == want && got != want && math.Abs(got-want) > 1e-12*math.Abs(want) {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
		})
	}
}

// newest calls a function for one window of samples, a second each, that ends with the last.
func newest(name string, args []abi.Arg, samples []float64) (float64, error) {
	b := abi.Batch{Function: name, Steps: 1, Series: 1, Args: args, Samples: samples, Offsets: []uint32{0, uint32(len(samples))}}
	for i := range samples {
		b.Times = append(b.Times, int64(i+1)*1000)
	}
	b.Start = int64(len(samples)) * 1000
	b.Range = b.Start
	out, err := sdk.NewInstance(sdk.Plugin{Functions: functions}).Call(context.Background(), abi.OpEval, b.Append(nil))
	if err != nil {
		return 0, err
	}
	return abi.Cells(out)[0], nil
}

// TestNothingIsLostBesideALargeValue has the data of NIST's StRD NumAcc4, whose standard deviation of a sample is certified to
// be 0.1, and the same with a first sample far away.
func TestNothingIsLostBesideALargeValue(t *testing.T) {
	v := []float64{10000000.2}
	for range 500 {
		v = append(v, 10000000.1, 10000000.3)
	}
	population := 0.1 * math.Sqrt(1000/1001.)
	got, err := newest("anomaly_zscore", nil, append(v, 10000000.5))
	if want := 0.3 / population; err != nil || math.Abs(got-want) > 1e-7*want { // the data itself is rounded to 2e-9
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	far := []float64{1e15}
	for range 10 {
		far = append(far, 0.1, 0.3)
	}
	want := reference(1, far)
	if got, err := newest("anomaly_zscore", nil, append(far, 1)); err != nil || math.Abs(got-want) > 1e-12*math.Abs(want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// reference is a z-score in 400 bits.
func reference(x float64, before []float64) float64 {
	big := func(v float64) *big.Float { return new(big.Float).SetPrec(400).SetFloat64(v) }
	n, mean, squares := big(float64(len(before))), big(0), big(0)
	for _, v := range before {
		mean.Add(mean, big(v))
	}
	mean.Quo(mean, n)
	for _, v := range before {
		d := big(v)
		d.Sub(d, mean)
		squares.Add(squares, d.Mul(d, d))
	}
	squares.Quo(squares, n)
	d := big(x)
	d.Sub(d, mean)
	f, _ := d.Quo(d, squares.Sqrt(squares)).Float64()
	return f
}

// TestSelectionEqualsSorting tries orders that are hard on a selection, too.
func TestSelectionEqualsSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 200; n++ {
		for kind := range 5 {
			v := make([]float64, n)
			for i := range v {
				v[i] = [5]float64{r.NormFloat64(), float64(r.IntN(3)), float64(i), float64(-i), math.Abs(float64(i - n/2))}[kind]
			}
			sorted := slices.Sorted(slices.Values(v))
			want := sorted[n/2]
			if n%2 == 0 {
				want = sorted[n/2-1]/2 + want/2
			}
			if got := median(v); got != want {
				t.Fatalf("%d of kind %d: %v, want %v", n, kind, got, want)
			}
		}
	}
}

// TestScoresDoNotDependOnUnits moves and stretches all samples.
func TestScoresDoNotDependOnUnits(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	args := map[string][]abi.Arg{"anomaly_seasonal": numbers(8, 4)}
	for range 200 {
		v := make([]float64, 30+r.IntN(50))
		for i := range v {
			v[i] = r.NormFloat64() + math.Sin(float64(i)*math.Pi/4)
		}
		shift, scale := 100*r.NormFloat64(), math.Exp(5*r.NormFloat64())
		moved := make([]float64, len(v))
		for i := range v {
			moved[i] = shift + scale*v[i]
		}
		for name := range functions {
			before, err := newest(name, args[name], v)
			after, err2 := newest(name, args[name], moved)
			tolerance := 1e-9 * (1 + math.Abs(before)) * (1 + math.Abs(shift)/scale)
			if err != nil || err2 != nil || !(math.Abs(before-after) <= tolerance) {
				t.Errorf("%s: %v, %v with x = %v + %v x; %v, %v", name, before, after, shift, scale, err, err2)
			}
		}
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	samples := make([]float64, 100)
	for _, tt := range []struct {
		function string
		args     []float64
		want     string
	}{
		{"anomaly_zscore", []float64{0}, "least is 0, must be at least 1 and finite"},
		{"anomaly_mad", []float64{math.Inf(1)}, "least is +Inf, must be at least 1 and finite"},
		{"anomaly_seasonal", []float64{0}, "season is 0, must be more than 0 and finite"},
		{"anomaly_seasonal", []float64{20, 2.5}, "slots is 2.5, must be a whole number between 2 and 100000"},
		{"anomaly_seasonal", []float64{20, 4, 1.1}, "alpha is 1.1, must be between 0 and 1"},
		{"anomaly_seasonal", []float64{20, 4, 1, -1}, "beta is -1, must be between 0 and 1"},
		{"anomaly_seasonal", []float64{20, 4, 1, 1, 2}, "gamma is 2, must be between 0 and 1"},
		{"anomaly_seasonal", []float64{50, 5}, "the range is 100 s, must be at least 110 s: two seasons and a slot"},
		{"anomaly_seasonal", []float64{0.001, 1000}, "the range of 100 s has 100000000 slots of 1e-06 s, at most 1048576 are worked with"},
	} {
		_, err := newest(tt.function, numbers(tt.args...), samples)
		if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s%v: %v, want %s", tt.function, tt.args, err, tt.want)
		}
	}
}

// BenchmarkNative is the benchmark of core/plugin's functions without a sandbox between.
func BenchmarkNative(b *testing.B) {
	batch := &abi.Batch{Function: "anomaly_zscore", Start: 1_700_000_000_000, Step: 15_000, Steps: 241, Series: 1000, Range: 300_000, Offsets: []uint32{0}}
	for range batch.Series {
		for k := range int64(260) {
			batch.Times = append(batch.Times, batch.Start-batch.Range+(k+1)*15_000)
			batch.Samples = append(batch.Samples, rand.NormFloat64())
		}
		batch.Offsets = append(batch.Offsets, uint32(len(batch.Times)))
	}
	i := sdk.NewInstance(sdk.Plugin{Functions: functions})
	for b.Loop() {
		if _, err := i.Call(b.Context(), abi.OpEval, batch.Append(nil)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch.Series*batch.Steps), "ns/cell")
}
