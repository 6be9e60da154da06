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
			"slo_burn_rate": numbers(0.99), "slo_multiwindow_burn_rate": numbers(0.99, 30),
			"slo_budget_remaining": numbers(0.99), "slo_budget_seconds": numbers(0.99, 30),
			"slo_event_burn_rate": numbers(100, 3600), "slo_event_multiwindow_burn_rate": numbers(100, 3600, 30),
			"slo_event_budget_remaining": numbers(100), "slo_event_budget_seconds": numbers(100, 30),
		},
	}.Run(t)
}

// call calls a function for one window of a range of seconds, with samples of every ten seconds that end with the window.
func call(name string, args []abi.Arg, seconds int64, samples ...float64) (float64, error) {
	b := abi.Batch{Function: name, Start: 1_000_000, Steps: 1, Range: seconds * 1000, Series: 1, Args: args, Samples: samples, Offsets: []uint32{0, uint32(len(samples))}}
	for i := range samples {
		b.Times = append(b.Times, b.Start-int64(len(samples)-1-i)*10_000)
	}
	out, err := sdk.NewInstance(sdk.Plugin{Functions: functions}).Call(context.Background(), abi.OpEval, b.Append(nil))
	if err != nil {
		return 0, err
	}
	return abi.Cells(out)[0], nil
}

// TestByHand has windows of a minute, which are six samples.
func TestByHand(t *testing.T) {
	inf, nan, none := math.Inf(1), math.NaN(), sdk.Missing
	for _, tt := range []struct {
		name, function string
		args           []float64
		samples        []float64
		want           float64
	}{
		{"a tenth of the requests fails, a hundredth may", "slo_burn_rate", []float64{0.99}, []float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 10},
		{"half of the time, all", "slo_burn_rate", []float64{0.5}, []float64{1, 0, 1, 0, 1, 0}, 1},
		{"no errors", "slo_burn_rate", []float64{0.99}, []float64{0, 0, 0}, 0},
		{"without traffic there is no ratio", "slo_burn_rate", []float64{0.9}, []float64{nan, 0.1, nan, 0.3, inf}, 2},
		{"no traffic at all", "slo_burn_rate", []float64{0.9}, []float64{nan, nan}, none},
		{"no objective", "slo_burn_rate", []float64{nan}, []float64{1, 1}, none},

		{"errors in both windows", "slo_multiwindow_burn_rate", []float64{0.9, 20}, []float64{0, 0, 0, 0.1, 0.4, 0.1}, 1},
		{"errors that are over", "slo_multiwindow_burn_rate", []float64{0.9, 20}, []float64{1, 1, 1, 1, 0, 0}, 0},
		{"errors that have just begun", "slo_multiwindow_burn_rate", []float64{0.9, 10}, []float64{0, 0, 0, 0, 0, 0.6}, 1},
		{"the short window is a twelfth, in which is the newest sample", "slo_multiwindow_burn_rate", []float64{0.9}, []float64{1, 1, 1, 1, 1, 0.2}, 2},
		{"no traffic in the short window", "slo_multiwindow_burn_rate", []float64{0.9, 10}, []float64{1, 1, 1, 1, 1, nan}, none},

		{"half of the budget is spent", "slo_budget_remaining", []float64{0.9}, []float64{0, 0.1, 0, 0.1, 0, 0.1}, 0.5},
		{"nothing is spent", "slo_budget_remaining", []float64{0.9}, []float64{0, 0, 0, 0, 0, 0}, 1},
		{"more than there was is spent", "slo_budget_remaining", []float64{0.9}, []float64{1, 0, 0, 0, 0, 0.2}, -1},
		{"half of the window is covered, and as much is spent", "slo_budget_remaining", []float64{0.9}, []float64{0.1, 0.1, 0.1}, 0.5},
		{"samples without a number are not a gap", "slo_budget_remaining", []float64{0.9}, []float64{0.1, nan, 0.1, nan, 0.1}, 0},
		{"one sample covers nobody knows how much", "slo_budget_remaining", []float64{0.9}, []float64{0.1}, none},

		{"half of a minute's budget, at twice the rate that is allowed", "slo_budget_seconds", []float64{0.9, 10}, []float64{0, 0.1, 0, 0, 0, 0.2}, 15},
		{"nothing is burning", "slo_budget_seconds", []float64{0.9, 20}, []float64{0.1, 0.1, 0, 0, 0, 0}, inf},
		{"nothing is left", "slo_budget_seconds", []float64{0.9, 20}, []float64{1, 0.1, 0, 0, 0, 0}, 0},
		{"an hour of 30 days is a twelfth of a second", "slo_budget_seconds", []float64{0.9}, []float64{0, 0.1, 0, 0, 0, 0.2}, 15},

		{"6 errors in a minute, 60 are allowed in an hour", "slo_event_burn_rate", []float64{60, 3600}, []float64{10, 10, 11, 12, 14, 16}, 6},
		{"a counter that was reset", "slo_event_burn_rate", []float64{60, 3600}, []float64{10, 12, 1, 2, 0, 1}, 2 + 1 + 1 + 0 + 1},
		{"a counter with a gap", "slo_event_burn_rate", []float64{60, 3600}, []float64{10, nan, 11, inf, 13}, 3},
		{"one sample", "slo_event_burn_rate", []float64{60, 3600}, []float64{10}, none},
		{"nothing is allowed, and nothing happened", "slo_event_burn_rate", []float64{0, 3600}, []float64{10, 10}, 0},
		{"nothing is allowed, and something happened", "slo_event_burn_rate", []float64{0, 3600}, []float64{10, 11}, inf},

		{"events in both windows", "slo_event_multiwindow_burn_rate", []float64{60, 3600, 20}, []float64{0, 2, 4, 5, 6, 6}, 3},
		{"events that are over", "slo_event_multiwindow_burn_rate", []float64{60, 3600, 20}, []float64{0, 20, 40, 50, 50, 50}, 0},
		{"what happened since the sample before the short window", "slo_event_multiwindow_burn_rate", []float64{60, 3600}, []float64{0, 0, 0, 0, 0, 2}, 2},
		{"nothing to compare with", "slo_event_multiwindow_burn_rate", []float64{60, 3600}, []float64{7}, none},

		{"6 errors of 8", "slo_event_budget_remaining", []float64{8}, []float64{10, 10, 11, 12, 14, 16}, 0.25},
		{"6 errors of 4", "slo_event_budget_remaining", []float64{4}, []float64{10, 10, 11, 12, 14, 16}, -0.5},
		{"no errors of none", "slo_event_budget_remaining", []float64{0}, []float64{10, 10}, 1},
		{"2 errors are left, at 0.2 a second", "slo_event_budget_seconds", []float64{8, 20}, []float64{10, 10, 11, 12, 14, 16}, 10},
		{"no errors are left", "slo_event_budget_seconds", []float64{6, 20}, []float64{10, 10, 11, 12, 14, 16}, 0},
		{"no errors come", "slo_event_budget_seconds", []float64{7, 20}, []float64{10, 10, 16, 16, 16, 16}, inf},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := call(tt.function, numbers(tt.args...), 60, tt.samples...)
			if err != nil || sdk.IsMissing(got) != sdk.IsMissing(tt.want) ||
				!sdk.IsMissing(got) && got != tt.want && !(math.Abs(got-tt.want) <= 1e-12*(1+math.Abs(tt.want))) {
				t.Errorf("%v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// TestTheWorkbooksTable has table 5-2 of The Site Reliability Workbook: what a burn rate over a window takes of the budget of 30 days.
func TestTheWorkbooksTable(t *testing.T) {
	const month = 30 * 24 * 3600
	for _, tt := range []struct{ burn, hours, spent float64 }{{14.4, 1, 0.02}, {6, 6, 0.05}, {1, 72, 0.10}} {
		ratio := tt.burn * 0.001
		window := make([]float64, int(tt.hours*360))
		for i := range window {
			window[i] = ratio
		}
		got, err := call("slo_multiwindow_burn_rate", numbers(0.999), int64(tt.hours*3600), window...)
		if err != nil || math.Abs(got-tt.burn) > 1e-9 {
			t.Errorf("burn rate %v, %v; want %v", got, err, tt.burn)
		}
		got, err = call("slo_budget_remaining", numbers(0.999), month, window...)
		if want := 1 - tt.spent; err != nil || math.Abs(got-want) > 1e-9 {
			t.Errorf("%v hours at %v leave %v, %v; want %v", tt.hours, tt.burn, got, err, want)
		}
		got, err = call("slo_budget_seconds", numbers(0.999, 3600), month, window...)
		if want := (1 - tt.spent) * month / tt.burn; err != nil || math.Abs(got-want) > 1e-6*want {
			t.Errorf("what is left at %v lasts %v, %v; want %v", tt.burn, got, err, want)
		}
	}
}

// TestCountersAndRatiosAgree counts requests and errors of random services in one go: where there is as much traffic all the time, the
// counter of errors tells what the ratio does.
func TestCountersAndRatiosAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n, traffic, objective := 20+r.IntN(300), float64(10+r.IntN(1000)), 0.9+0.09*r.Float64()
		width := int64(n * 10)
		var ratios, counter []float64
		value := 0.0
		for k := range n {
			e := math.Floor(traffic * r.Float64() * r.Float64())
			if k == 0 {
				e = 0 // a counter begins with its first sample
			}
			ratios = append(ratios, e/traffic)
			if r.IntN(20) == 0 && e < value { // a reset to more than was counted before can't be seen
				value = 0
			}
			value += e
			counter = append(counter, value)
		}
		allowed := (1 - objective) * traffic * float64(n)
		short := float64(10 * (1 + r.IntN(n)))
		for _, pair := range []struct {
			ratio, event      string
			ofRatio, ofEvents []float64
		}{
			{"slo_burn_rate", "slo_event_burn_rate", []float64{objective}, []float64{allowed, float64(width)}},
			{"slo_multiwindow_burn_rate", "slo_event_multiwindow_burn_rate", []float64{objective, short}, []float64{allowed, float64(width), short}},
			{"slo_budget_remaining", "slo_event_budget_remaining", []float64{objective}, []float64{allowed}},
			{"slo_budget_seconds", "slo_event_budget_seconds", []float64{objective, short}, []float64{allowed, short}},
		} {
			a, err := call(pair.ratio, numbers(pair.ofRatio...), width, ratios...)
			b, err2 := call(pair.event, numbers(pair.ofEvents...), width, counter...)
			if err != nil || err2 != nil || a != b && !(math.Abs(a-b) <= 1e-9*(1+math.Abs(a))) {
				t.Errorf("%s %v, %s %v; %v, %v", pair.ratio, a, pair.event, b, err, err2)
			}
		}
	}
}

func TestArgumentsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		function string
		args     []float64
		want     string
	}{
		{"slo_burn_rate", []float64{99.9}, "objective is 99.9, must be more than 0 and less than 1, as 0.999"},
		{"slo_budget_remaining", []float64{1}, "objective is 1, must be more than 0 and less than 1, as 0.999"},
		{"slo_multiwindow_burn_rate", []float64{0.9, 0}, "short is 0, must be more than 0 and finite"},
		{"slo_multiwindow_burn_rate", []float64{0.9, 61}, "short is 61 s, must be at most the range, which is 60 s"},
		{"slo_budget_seconds", []float64{0.9, 3600}, "recent is 3600 s, must be at most the range, which is 60 s"},
		{"slo_event_burn_rate", []float64{-1, 60}, "allowed is -1, must be at least 0 and finite"},
		{"slo_event_burn_rate", []float64{1, 0}, "period is 0, must be more than 0 and finite"},
		{"slo_event_multiwindow_burn_rate", []float64{1, 60, math.Inf(1)}, "short is +Inf, must be more than 0 and finite"},
		{"slo_event_budget_seconds", []float64{1, 100}, "recent is 100 s, must be at most the range, which is 60 s"},
	} {
		_, err := call(tt.function, numbers(tt.args...), 60, 1, 2, 3)
		if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest || !strings.Contains(e.Message, tt.want) {
			t.Errorf("%s%v: %v, want %s", tt.function, tt.args, err, tt.want)
		}
	}
}

func FuzzFunctions(f *testing.F) {
	f.Add(uint64(1), 10, 0.9, 2.0, 0.5)
	f.Fuzz(func(t *testing.T, seed uint64, n int, a, b, c float64) {
		if n < 1 || n > 200 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 5))
		v := make([]float64, n)
		for i := range v {
			v[i] = []float64{math.NaN(), math.Inf(1), math.MaxFloat64, -math.MaxFloat64, 0, 5e-324, r.Float64(), float64(i)}[r.IntN(8)]
		}
		for name := range functions {
			got, err := call(name, numbers(a, b, c), 1+r.Int64N(10_000), v...)
			if err != nil && sdk.AsError(err).Code != sdk.CodeInvalidRequest {
				t.Errorf("%s(%v, %v, %v): %v", name, a, b, c, err)
			}
			if err == nil && math.IsNaN(got) && !sdk.IsMissing(got) {
				t.Errorf("%s(%v, %v, %v) of %v is no number", name, a, b, c, v)
			}
		}
	})
}
