package arg

import (
	"context"
	"math"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

// TestNumbers has a function that answers with its argument, at three steps.
func TestNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct {
		name   string
		number Number
		args   []abi.Arg
		want   [3]float64
		error  string
	}{
		{"one for all steps", Above0("width", 0, 7), []abi.Arg{{Numbers: []float64{2}}}, [3]float64{2, 2, 2}, ""},
		{"one for each step", Above0("width", 0, 7), []abi.Arg{{Numbers: []float64{1, 2, 3}}}, [3]float64{1, 2, 3}, ""},
		{"one that is left out", Above0("width", 0, 7), nil, [3]float64{7, 7, 7}, ""},
		{"what is left out is not checked", Above0("width", 0, -1), nil, [3]float64{-1, -1, -1}, ""},
		{"the second", Above0("width", 1, 7), []abi.Arg{{Numbers: []float64{2}}, {Numbers: []float64{4}}}, [3]float64{4, 4, 4}, ""},
		{"no number at one step", Above0("width", 0, 7), []abi.Arg{{Numbers: []float64{1, nan, 3}}}, [3]float64{1, nan, 3}, ""},
		{"a bad one at the last step", Above0("width", 0, 7), []abi.Arg{{Numbers: []float64{1, nan, 0}}}, [3]float64{}, "width is 0, must be more than 0 and finite"},
		{"an infinite one", Above0("width", 0, 7), []abi.Arg{{Numbers: []float64{inf}}}, [3]float64{}, "width is +Inf, must be more than 0 and finite"},
		{"a fraction that is none", Fraction("share", 0, 0.5, "0.9"), []abi.Arg{{Numbers: []float64{1}}}, [3]float64{}, "share is 1, must be more than 0 and less than 1, as 0.9"},
		{"too little", AtLeast("least", 0, 5, 1, "at least 1 and finite"), []abi.Arg{{Numbers: []float64{0.5}}}, [3]float64{}, "least is 0.5, must be at least 1 and finite"},
		{"just enough", AtLeast("least", 0, 5, 1, "at least 1 and finite"), []abi.Arg{{Numbers: []float64{1}}}, [3]float64{1, 1, 1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := func(_ context.Context, b *sdk.Batch) error {
				for k := range b.Steps() {
					b.Out(0)[k] = tt.number.Of(b, k)
				}
				return Check(b, tt.number)
			}
			b := abi.Batch{Function: "test_number", Steps: 3, Step: 1, Series: 1, Values: []float64{1, 2, 3}, Args: tt.args}
			out, err := sdk.NewInstance(sdk.Plugin{Functions: map[string]sdk.Function{"test_number": f}}).Call(t.Context(), abi.OpEval, b.Append(nil))
			if tt.error != "" {
				if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest || e.Message != tt.error {
					t.Errorf("%v, want %s", err, tt.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for k, got := range abi.Cells(out) {
				if want := tt.want[k]; got != want && (got == got || want == want) {
					t.Errorf("step %d: %v, want %v", k, got, want)
				}
			}
		})
	}
}
