package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

func TestContract(t *testing.T) {
	sdktest.Suite{New: func() sdk.Plugin { return sdk.Plugin{Functions: functions} }}.Run(t)
}

// TestScores has the values of a pocket calculator.
func TestScores(t *testing.T) {
	inf := math.Inf(1)
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
		{"enough for the query", []abi.Arg{{Numbers: []float64{2}}}, []float64{1, 3, 4}, 2, 0.6745 * 2},
		{"not even one before", []abi.Arg{{Numbers: []float64{-1}}}, []float64{1}, sdk.Missing, sdk.Missing},
		{"NaN for a least number", []abi.Arg{{Numbers: []float64{math.NaN()}}}, []float64{1, 2}, sdk.Missing, sdk.Missing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, want := range map[string]float64{"anomaly_zscore": tt.zscore, "anomaly_mad": tt.mad} {
				b := abi.Batch{Function: name, Start: 1000, Steps: 1, Series: 1, Range: 1000, Args: tt.least, Samples: tt.samples, Offsets: []uint32{0, uint32(len(tt.samples))}}
				for i := range tt.samples {
					b.Times = append(b.Times, int64(100+i))
				}
				out, err := sdk.NewInstance(sdk.Plugin{Functions: functions}).Call(t.Context(), abi.OpEval, b.Append(nil))
				if err != nil {
					t.Fatal(err)
				}
				got := abi.Cells(out)[0]
				if sdk.IsMissing(want) != sdk.IsMissing(got) || !sdk.IsMissing(want) && got != want && math.Abs(got-want) > 1e-12*math.Abs(want) {
					t.Errorf("%s: %v, want %v", name, got, want)
				}
			}
		})
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
