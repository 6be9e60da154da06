package plugin

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
)

func doubles(values ...float64) *abi.Batch {
	return &abi.Batch{Function: "test_double", Start: 5, Step: 1, Steps: 2, Series: len(values) / 2, Values: values}
}

func TestAFunctionIsComputedInTheGuest(t *testing.T) {
	w := newWorld(t, installGuest(t))
	c := w.open(Use{})
	missing := math.Float64frombits(abi.MissingBits)
	for range 2 {
		b := doubles(1, missing, -0.5, math.Inf(1), 1e300, 2)
		b.Args = []abi.Arg{{Numbers: []float64{1, 10}}}
		out := make([]float64, 6)
		if err := c.Eval(t.Context(), b, out); err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{2, missing, -1, math.Inf(1), 2e300, 40} {
			if math.Float64bits(out[i]) != math.Float64bits(want) {
				t.Errorf("cell %d: %v, want %v", i, out[i], want)
			}
		}
	}
	if err := c.Eval(t.Context(), &abi.Batch{Function: "test_double", Steps: 3}, nil); err != nil {
		t.Errorf("no series: %v", err)
	}
	known, err := w.Functions("test/guest")
	if err != nil || len(known) != 2 || known[0].Name != "test_double" {
		t.Errorf("functions: %v, %v", known, err)
	}
	installNode(t)
	if _, err := w.Functions("hearth/node"); err == nil || !strings.Contains(err.Error(), "plugin hearth/node: it has no functions, it is a exporter") {
		t.Errorf("functions of an exporter: %v", err)
	}
}

func TestAFunctionThatMisbehavesFailsItsCall(t *testing.T) {
	w := newWorld(t, copyGuest(t, "test/guest", func(s string) string { return strings.Replace(s, "[limits]", "[limits]\ntimeout = \"300ms\"", 1) }))
	c := w.open(Use{})
	do := func(what string) *abi.Batch {
		return &abi.Batch{Function: "test_do", Start: 7, Steps: 1, Series: 1, Values: []float64{1}, Args: []abi.Arg{{Text: what}}}
	}
	for _, tt := range []struct {
		what string
		b    *abi.Batch
		code string
		text string
	}{
		{"an endless loop", do("loop"), abi.CodeTimeout, "stopped at its deadline, after "},
		{"a panic", do("panic"), abi.CodePanic, "panic: told to"},
		{"all memory", do("memory"), abi.CodePanic, "memory"},
		{"an error", do("fail"), abi.CodeInvalidRequest, "told to fail at 7"},
		{"a function that is not there", &abi.Batch{Function: "test_other"}, abi.CodeUnknownFunction, `no function "test_other"`},
		{"more than a request may have", &abi.Batch{Function: "test_double", Steps: 1 << 21, Series: 1, Values: make([]float64, 1<<21)}, abi.CodeInvalidRequest, "at most 16777216 are allowed"},
	} {
		start := time.Now()
		err := c.Eval(t.Context(), tt.b, make([]float64, tt.b.Series*tt.b.Steps))
		var call *CallError
		if !errors.As(err, &call) || call.Code != tt.code || !strings.Contains(call.Message, tt.text) {
			t.Errorf("%s: %v, want %s %q", tt.what, err, tt.code, tt.text)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s took %v", tt.what, d)
		}
		out := make([]float64, 2)
		if err := c.Eval(t.Context(), doubles(1, 2), out); err != nil || out[1] != 4 {
			t.Fatalf("after %s: %v, %v", tt.what, out, err)
		}
	}
}

func TestAManifestThatHasMoreFunctionsThanTheModuleIsRefused(t *testing.T) {
	w := newWorld(t, copyGuest(t, "test/guest", func(s string) string { return strings.Replace(s, "test_double", "test_treble", 1) }))
	_, err := w.Open(t.Context(), Use{ID: "test/guest"})
	if want := "its manifest has the function test_treble, the plugin has test_do, test_double: build it again"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}
