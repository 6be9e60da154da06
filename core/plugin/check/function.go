package check

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Sizes of batches: to look at every cell, and to measure.
const (
	fewSeries, fewSteps   = 7, 25
	manySeries, manySteps = 100, 241
)

func (r *run) functions(ctx context.Context) {
	_, err := r.call(ctx, abi.OpEval, (&abi.Batch{Function: "no_such_function"}).Append(nil))
	r.hold("a function it does not have is unknown", refusal(err, abi.CodeUnknownFunction))
	_, err = r.call(ctx, abi.OpEval, []byte("{}"))
	r.hold("a batch that is none is refused", refusal(err, abi.CodeInvalidRequest))
	for _, f := range r.o.Manifest.Functions {
		if !r.function(ctx, f) || r.report.Measured != "" {
			continue
		}
		b := r.o.batch(f, manySeries, manySteps)
		b.DeadlineMS = 1
		r.deadline(ctx, abi.OpEval, b.Append(nil))
		b.DeadlineMS = 9000
		r.measure(ctx, abi.OpEval, b.Append(nil))
	}
}

// function holds one function to what the host relies on, and tells whether it can be computed at all.
func (r *run) function(ctx context.Context, f manifest.Function) bool {
	b := r.o.batch(f, fewSeries, fewSteps)
	whole, err := r.eval(ctx, b)
	name := f.Name + " is computed"
	switch {
	case refusal(err, abi.CodeInvalidRequest) == "":
		r.say(name, Skipped, "%v: give arguments with which it can be computed, as --args %s=1,2", err, f.Name)
		return false
	case err != nil:
		r.say(name, Failed, "%v", err)
		return false
	}
	r.say(name, OK, "")
	again, err := r.eval(ctx, b)
	problem := ""
	switch {
	case err != nil:
		problem = err.Error()
	case !bytes.Equal(again, whole):
		problem = "the second answer differs: it keeps something from call to call, or draws lots"
	}
	r.hold(f.Name+" has the same answer to the same call", problem)
	problem = ""
	for i := range b.Series {
		alone, err := r.eval(ctx, only(b, i))
		if err == nil && !bytes.Equal(alone, whole[8*i*b.Steps:8*(i+1)*b.Steps]) {
			err = fmt.Errorf("series %d has another answer alone", i)
		}
		if err != nil {
			problem = err.Error()
			break
		}
	}
	r.hold(f.Name+" has the same answer whatever else is in the batch", problem)
	none := only(b, 0)
	none.Series, none.Values, none.Times, none.Samples = 0, nil, nil, nil
	if none.Offsets != nil {
		none.Offsets = []uint32{0}
	}
	problem = ""
	if _, err := r.eval(ctx, none); err != nil {
		problem = err.Error()
	}
	r.hold(f.Name+" takes a batch without series", problem)
	return true
}

func (r *run) eval(ctx context.Context, b *abi.Batch) ([]byte, error) {
	out, err := r.call(ctx, abi.OpEval, b.Append(nil))
	if err != nil {
		return nil, err
	}
	if len(out) != 8*b.Series*b.Steps {
		return nil, fmt.Errorf("it answers with %d bytes for %d series and %d steps, it must be %d", len(out), b.Series, b.Steps, 8*b.Series*b.Steps)
	}
	return out, nil
}

// batch makes a batch with what series can be: counters, noise, constants, NaN and infinities, gaps, nothing at all.
func (o *Options) batch(f manifest.Function, series, steps int) *abi.Batch {
	const step = 15_000
	r := rand.New(rand.NewPCG(1, 2))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.MaxFloat64}
	value := func(kind, k int) float64 {
		switch kind % fewSeries {
		case 0:
			return float64(k * 10)
		case 1:
			return r.NormFloat64()
		case 2:
			return 42
		case 3:
			return odd[r.IntN(len(odd))]
		}
		return float64(r.IntN(5))
	}
	gap := func(kind, k int) bool { return kind%fewSeries == 5 || kind%fewSeries == 6 && k%3 == 0 }
	b := &abi.Batch{Function: f.Name, Start: 1_700_000_000_000, Step: step, Steps: steps, Series: series, DeadlineMS: 9000}
	if slices.Contains(f.Args, "matrix") {
		b.Range, b.Offsets = 8*step, []uint32{0}
	}
	for i := range series {
		if b.Offsets == nil {
			for k := range steps {
				v := value(i, k)
				if gap(i, k) {
					v = math.Float64frombits(abi.MissingBits)
				}
				b.Values = append(b.Values, v)
			}
			continue
		}
		for k := range steps + 7 {
			if !gap(i, k) {
				b.Times, b.Samples = append(b.Times, b.Start-b.Range+int64(k+1)*step), append(b.Samples, value(i, k))
			}
		}
		b.Offsets = append(b.Offsets, uint32(len(b.Times)))
	}
	b.Args = o.arguments(f)
	return b
}

// arguments are those that were given, or 1 and "" for each that can't be left out.
func (o *Options) arguments(f manifest.Function) []abi.Arg {
	if given, ok := o.Arguments[f.Name]; ok {
		return given
	}
	var args []abi.Arg
	for _, a := range f.Args[:len(f.Args)-max(f.Variadic, 0)] {
		switch a {
		case "scalar":
			args = append(args, abi.Arg{Numbers: []float64{1}})
		case "string":
			args = append(args, abi.Arg{})
		}
	}
	return args
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
