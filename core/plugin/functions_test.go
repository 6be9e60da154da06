package plugin

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

var builtFunctions struct{ forecast, slo sync.Once }

// functionPlugins are those of this repository.
var functionPlugins = []struct {
	name    string
	install func(testing.TB) string
}{
	{"anomaly", installAnomaly},
	{"forecast", func(t testing.TB) string {
		return install(t, &builtFunctions.forecast, "../../plugins/functions/forecast", "hearth/forecast", "forecast.wasm")
	}},
	{"slo", func(t testing.TB) string {
		return install(t, &builtFunctions.slo, "../../plugins/functions/slo", "hearth/slo", "slo.wasm")
	}},
}

// functionArguments are arguments that fit a window of 20 minutes.
func functionArguments(name string) (args []abi.Arg) {
	var v []float64
	switch name, _ := strings.CutPrefix(name, "anomaly_"); name {
	case "zscore", "mad":
		v = []float64{3}
	case "seasonal":
		v = []float64{300, 5, 0.3, 0.1, 0.3}
	case "forecast_linear", "forecast_linear_until":
		v = []float64{60}
	case "forecast_linear_lower", "forecast_linear_upper", "forecast_linear_until_lower", "forecast_linear_until_upper":
		v = []float64{60, 0.9}
	case "forecast_seasonal":
		v = []float64{90, 300, 5, 0.3, 0.1, 0.3}
	case "forecast_seasonal_lower", "forecast_seasonal_upper":
		v = []float64{90, 300, 0.9, 5, 0.3, 0.1, 0.3}
	case "slo_burn_rate", "slo_budget_remaining":
		v = []float64{0.9}
	case "slo_multiwindow_burn_rate", "slo_budget_seconds":
		v = []float64{0.9, 120}
	case "slo_event_budget_remaining":
		v = []float64{50}
	case "slo_event_burn_rate", "slo_event_budget_seconds":
		v = []float64{50, 600}
	case "slo_event_multiwindow_burn_rate":
		v = []float64{50, 3600, 120}
	}
	for _, x := range v {
		args = append(args, abi.Arg{Numbers: []float64{x}})
	}
	return args
}

// windows makes a batch of all that series can be, with windows of 20 minutes.
func windows(r *rand.Rand, function string, series int) *abi.Batch {
	b := &abi.Batch{Function: function, Start: 1_700_000_000_000, Step: 45_000, Steps: 31, Series: series, Range: 1_200_000,
		Offsets: []uint32{0}, Args: functionArguments(function)}
	for i := range series {
		at, counter := b.Start-b.Range, 0.0
		for at < b.Start+int64(b.Steps)*b.Step && i%7 != 6 {
			at += 10_000 + r.Int64N(10_000)
			if i%7 == 5 && r.IntN(3) == 0 {
				continue
			}
			if counter += float64(r.IntN(10)); r.IntN(50) == 0 {
				counter = 0
			}
			b.Times = append(b.Times, at)
			b.Samples = append(b.Samples, [7]float64{
				r.NormFloat64(), 42, counter, r.Float64() * r.Float64(), 1e9 + math.Sin(float64(at)/3e5*2*math.Pi) + 0.1*r.NormFloat64(),
				[]float64{math.NaN(), math.Inf(1), 0, r.Float64()}[r.IntN(4)], 0,
			}[i%7])
		}
		b.Offsets = append(b.Offsets, uint32(len(b.Times)))
	}
	return b
}

// atStep is the batch of an instant query at a step of b.
func atStep(b *abi.Batch, k int) *abi.Batch {
	at := *b
	at.Start, at.Step, at.Steps = b.Start+int64(k)*b.Step, 0, 1
	at.Times, at.Samples, at.Offsets = nil, nil, []uint32{0}
	for i := range b.Series {
		for j := b.Offsets[i]; j < b.Offsets[i+1]; j++ {
			if t := b.Times[j]; t > at.Start-b.Range && t <= at.Start {
				at.Times, at.Samples = append(at.Times, t), append(at.Samples, b.Samples[j])
			}
		}
		at.Offsets = append(at.Offsets, uint32(len(at.Times)))
	}
	return &at
}

// TestFunctionPluginsAnswerTheSameInBothForms compares a module with a program, and a batch with its series and steps one by one.
func TestFunctionPluginsAnswerTheSameInBothForms(t *testing.T) {
	for _, p := range functionPlugins {
		t.Run(p.name, func(t *testing.T) {
			dir, source := p.install(t), "../../plugins/functions/"+p.name
			m, err := manifest.Load(filepath.Join(source, manifest.FileName))
			if err != nil {
				t.Fatal(err)
			}
			answers := map[string][]float64{} // of the form before
			inBothForms(t, dir, source, "hearth/"+p.name, func(t *testing.T, w world, of func(Use) Use) {
				c := w.open(of(Use{}))
				for _, f := range m.Functions {
					b := windows(rand.New(rand.NewPCG(1, 2)), f.Name, 14)
					out := make([]float64, b.Series*b.Steps)
					if err := c.Eval(t.Context(), b, out); err != nil {
						t.Fatal(err)
					}
					some := 0
					for _, v := range out {
						if math.Float64bits(v) != abi.MissingBits {
							some++
						}
					}
					if some < len(out)/4 {
						t.Errorf("%s: only %d of %d cells have a value", f.Name, some, len(out))
					}
					for i := range b.Series {
						one := *b
						lo, hi := b.Offsets[i], b.Offsets[i+1]
						one.Series, one.Offsets, one.Times, one.Samples = 1, []uint32{0, hi - lo}, b.Times[lo:hi], b.Samples[lo:hi]
						alone := make([]float64, b.Steps)
						if err := c.Eval(t.Context(), &one, alone); err != nil {
							t.Fatal(err)
						}
						if !slices.EqualFunc(alone, out[i*b.Steps:(i+1)*b.Steps], func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }) {
							t.Errorf("%s: series %d has another answer alone", f.Name, i)
						}
					}
					for _, k := range []int{0, 7, b.Steps - 1} {
						at := atStep(b, k)
						alone := make([]float64, b.Series)
						if err := c.Eval(t.Context(), at, alone); err != nil {
							t.Fatal(err)
						}
						for i, v := range alone {
							if math.Float64bits(v) != math.Float64bits(out[i*b.Steps+k]) {
								t.Errorf("%s: series %d has another answer at step %d alone: %v, %v in a range", f.Name, i, k, v, out[i*b.Steps+k])
							}
						}
					}
					for i, want := range answers[f.Name] {
						got := out[i]
						missing := math.Float64bits(got) == abi.MissingBits
						if missing != (math.Float64bits(want) == abi.MissingBits) || (got != got) != (want != want) ||
							got == got && got != want && !(math.Abs(got-want) <= 1e-9*(1+math.Abs(want))) {
							t.Errorf("%s: cell %d is %v, in the other form %v", f.Name, i, got, want)
						}
					}
					answers[f.Name] = out

					b.Args[len(b.Args)-1].Numbers = []float64{math.Inf(-1)}
					var call *CallError
					if err := c.Eval(t.Context(), b, out); !errors.As(err, &call) || call.Code != abi.CodeInvalidRequest || !strings.Contains(call.Message, "is -Inf, must be ") {
						t.Errorf("%s: an argument that is not valid: %v", f.Name, err)
					}
				}
			})
		})
	}
}

// BenchmarkFunctions has windows as rules have them: of ten series one each.
func BenchmarkFunctions(b *testing.B) {
	arguments := func(v ...float64) (args []abi.Arg) {
		for _, x := range v {
			args = append(args, abi.Arg{Numbers: []float64{x}})
		}
		return args
	}
	for _, tt := range []struct {
		plugin   int // of functionPlugins
		function string
		samples  int
		every    int64 // milliseconds
		args     []abi.Arg
	}{
		{0, "anomaly_zscore", 1440, 60_000, nil},
		{0, "anomaly_mad", 1440, 60_000, nil},
		{0, "anomaly_seasonal", 4032, 600_000, arguments(7 * 24 * 3600)},
		{1, "forecast_linear_upper", 360, 60_000, arguments(86400)},
		{1, "forecast_linear_until_upper", 360, 60_000, arguments(0)},
		{1, "forecast_seasonal_upper", 4032, 600_000, arguments(3600, 7*24*3600)},
		{2, "slo_multiwindow_burn_rate", 360, 60_000, arguments(0.999)},
		{2, "slo_budget_remaining", 8640, 300_000, arguments(0.999)},
		{2, "slo_event_budget_remaining", 8640, 300_000, arguments(1000)},
	} {
		p := functionPlugins[tt.plugin]
		b.Run(tt.function, func(b *testing.B) {
			inBothForms(b, p.install(b), "../../plugins/functions/"+p.name, "hearth/"+p.name, func(b *testing.B, w world, of func(Use) Use) {
				c := w.open(of(Use{}))
				r := rand.New(rand.NewPCG(1, 2))
				batch := &abi.Batch{Function: tt.function, Start: 1_700_000_000_000, Steps: 1, Series: 10, Range: int64(tt.samples) * tt.every, Offsets: []uint32{0}, Args: tt.args}
				for range batch.Series {
					for k := range int64(tt.samples) {
						batch.Times = append(batch.Times, batch.Start-batch.Range+(k+1)*tt.every)
						batch.Samples = append(batch.Samples, r.Float64())
					}
					batch.Offsets = append(batch.Offsets, uint32(len(batch.Times)))
				}
				out := make([]float64, batch.Series)
				for b.Loop() {
					if err := c.Eval(b.Context(), batch, out); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Samples)), "ns/sample")
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batch.Series), "us/window")
			})
		})
	}
}
