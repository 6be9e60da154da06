package sdktest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// functions holds every function of the manifest to what a host relies on.
func (s Suite) functions(t *testing.T) {
	for _, f := range s.manifest(t).Functions {
		t.Run(f.Name, func(t *testing.T) { s.function(t, f) })
	}
	t.Run("a function it does not have is unknown", func(t *testing.T) {
		_, err := s.configured(t, s.Settings).Call(t.Context(), abi.OpEval, (&abi.Batch{Function: "no_such_function"}).Append(nil))
		if e := sdk.AsError(err); e == nil || e.Code != abi.CodeUnknownFunction {
			t.Errorf("got %v, want %s", err, abi.CodeUnknownFunction)
		}
	})
	t.Run("a batch that is none is refused", func(t *testing.T) {
		_, err := s.configured(t, s.Settings).Call(t.Context(), abi.OpEval, []byte("{}"))
		if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest {
			t.Errorf("got %v, want %s", err, sdk.CodeInvalidRequest)
		}
	})
}

const (
	batchSeries = 7
	batchSteps  = 25
)

func (s Suite) function(t *testing.T, f manifest.Function) {
	b := s.batch(f)
	whole := s.eval(t, b)
	t.Run("the same call has the same answer, in another instance too", func(t *testing.T) {
		i := s.configured(t, s.Settings)
		for range 2 {
			if got := s.evalOn(t, i, b); !sameBits(got, whole) {
				t.Error("it has not")
			}
		}
	})
	t.Run("a series has the same answer whatever else is in the batch", func(t *testing.T) {
		for i := range b.Series {
			if got := s.eval(t, only(b, i)); !sameBits(got, whole[i*b.Steps:(i+1)*b.Steps]) {
				t.Errorf("series %d has not", i)
			}
		}
	})
	t.Run("an argument that is the same at each step is as one that is said once", func(t *testing.T) {
		said := *b
		said.Args = slices.Clone(b.Args)
		for i, a := range b.Args {
			if len(a.Numbers) == 1 {
				said.Args[i].Numbers = slices.Repeat(a.Numbers, b.Steps)
			}
		}
		if got := s.eval(t, &said); !sameBits(got, whole) {
			t.Error("it is not")
		}
	})
	t.Run("any number as an argument is answered or refused", func(t *testing.T) {
		for i, a := range b.Args {
			for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 0.5, 1e300, 5e-324} {
				if a.Numbers == nil {
					break
				}
				odd := *b
				odd.Args = slices.Clone(b.Args)
				odd.Args[i].Numbers = []float64{x}
				_, err := s.configured(t, s.Settings).Call(t.Context(), abi.OpEval, odd.Append(nil))
				if e := sdk.AsError(err); e != nil && (e.Code != sdk.CodeInvalidRequest || e.Retryable) {
					t.Errorf("argument %d is %v: got %s %q (retryable %v), want an answer or %s", i+1, x, e.Code, e.Message, e.Retryable, sdk.CodeInvalidRequest)
				}
			}
		}
	})
	t.Run("a batch without series has no answer", func(t *testing.T) {
		none := only(b, 0)
		none.Series, none.Values, none.Times, none.Samples = 0, nil, nil, nil
		if none.Offsets != nil {
			none.Offsets = []uint32{0}
		}
		s.eval(t, none)
	})
	t.Run("it ends in time", func(t *testing.T) {
		endsInTime(t, func(ctx context.Context) error {
			_, err := s.configured(t, s.Settings).Call(ctx, abi.OpEval, b.Append(nil))
			return err
		})
	})
}

// batch makes a batch of all that series can be: counters, gauges, constants, without any value, with NaN and infinities.
func (s Suite) batch(f manifest.Function) *abi.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	b := &abi.Batch{Function: f.Name, Start: 1_700_000_000_000, Step: 15_000, Steps: batchSteps, Series: batchSeries, Args: s.Arguments[f.Name]}
	series := func(kind, n int) []float64 {
		v := make([]float64, n)
		for k := range v {
			switch kind {
			case 0:
				v[k] = float64(k * 10)
			case 1:
				v[k] = r.NormFloat64()
			case 2:
				v[k] = 42
			case 3:
				v[k] = []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.MaxFloat64}[r.IntN(6)]
			default:
				v[k] = float64(r.IntN(5))
			}
		}
		return v
	}
	if !slices.Contains(f.Args, "matrix") {
		for i := range b.Series {
			v := series(i, b.Steps)
			for k := range v {
				if i == 5 || i == 6 && k%3 == 0 {
					v[k] = sdk.Missing
				}
			}
			b.Values = append(b.Values, v...)
		}
	} else {
		b.Range = 120_000
		b.Offsets = []uint32{0}
		for i := range b.Series {
			n := batchSteps + 8
			if i == 5 {
				n = 0
			}
			for k, v := range series(i, n) {
				if i == 6 && k%3 == 0 {
					continue
				}
				b.Times, b.Samples = append(b.Times, b.Start-b.Range+int64(k)*15_000), append(b.Samples, v)
			}
			b.Offsets = append(b.Offsets, uint32(len(b.Times)))
		}
	}
	if b.Args != nil {
		return b
	}
	for _, a := range f.Args {
		switch a {
		case "scalar":
			b.Args = append(b.Args, abi.Arg{Numbers: []float64{1}})
		case "string":
			b.Args = append(b.Args, abi.Arg{})
		}
	}
	return b
}

// only returns a batch of series i of b alone.
func only(b *abi.Batch, i int) *abi.Batch {
	one := *b
	one.Series = 1
	if b.Offsets == nil {
		one.Values = b.Values[i*b.Steps : (i+1)*b.Steps]
		return &one
	}
	lo, hi := b.Offsets[i], b.Offsets[i+1]
	one.Offsets, one.Times, one.Samples = []uint32{0, hi - lo}, b.Times[lo:hi], b.Samples[lo:hi]
	return &one
}

func (s Suite) eval(t *testing.T, b *abi.Batch) []float64 {
	t.Helper()
	return s.evalOn(t, s.configured(t, s.Settings), b)
}

func (s Suite) evalOn(t *testing.T, i Instance, b *abi.Batch) []float64 {
	t.Helper()
	out, err := i.Call(t.Context(), abi.OpEval, b.Append(nil))
	if err != nil {
		t.Fatalf("%s: %v", b.Function, err)
	}
	if len(out) != 8*b.Series*b.Steps {
		t.Fatalf("%s: %d bytes for %d series and %d steps", b.Function, len(out), b.Series, b.Steps)
	}
	return slices.Clone(abi.Cells(out))
}

func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}
