package sdk

import (
	"context"
	"math"

	"github.com/hearth-project/hearth/sdk/abi"
)

// Function computes a function of PromQL for a batch: it sets b.Out of every series. It must give the same answer for a
// series whatever else is in the batch, and may use nothing but what the batch has. An error fails the query.
type Function func(ctx context.Context, b *Batch) error

// RegisterFunction says that this program adds a function to PromQL. The name and the types of the arguments stand in
// the manifest. Call it from init, once for each function.
func RegisterFunction(name string, f Function) {
	if registered.Functions == nil {
		registered.Functions = map[string]Function{}
	}
	if registered.Functions[name] != nil {
		panic("sdk: a second RegisterFunction of " + name)
	}
	registered.Functions[name] = f
}

// Batch is what a Function is called with: many series, and the steps at which it is to be computed. What its methods
// return is not to be kept.
type Batch struct {
	in  *abi.Batch
	out []float64
}

// Missing is no value, in data and results. It is a NaN, so ask IsMissing and do not compare.
var Missing = math.Float64frombits(abi.MissingBits)

// IsMissing tells whether there is no value.
func IsMissing(v float64) bool { return math.Float64bits(v) == abi.MissingBits }

// Len returns the number of series.
func (b *Batch) Len() int { return b.in.Series }

// Steps returns the number of steps.
func (b *Batch) Steps() int { return b.in.Steps }

// Time returns the time of step k in Unix milliseconds: for a function of range vectors the end of its window.
func (b *Batch) Time(k int) int64 { return b.in.Start + int64(k)*b.in.Step }

// Range returns the width of the windows in milliseconds, of a function of range vectors.
func (b *Batch) Range() int64 { return b.in.Range }

// Values returns the values of series i at each step, of a function of instant vectors. Some may be Missing.
func (b *Batch) Values(i int) []float64 { return b.in.Values[i*b.in.Steps : (i+1)*b.in.Steps] }

// Samples returns the samples of series i that lie in any window, of a function of range vectors: times in Unix
// milliseconds, rising, and values.
func (b *Batch) Samples(i int) (times []int64, values []float64) {
	lo, hi := b.in.Offsets[i], b.in.Offsets[i+1]
	return b.in.Times[lo:hi], b.in.Samples[lo:hi]
}

// Out returns where the result for series i goes, a cell for each step. The cells are Missing.
func (b *Batch) Out(i int) []float64 { return b.out[i*b.in.Steps : (i+1)*b.in.Steps] }

// EachWindow calls f for every step of series i whose window has samples, and sets what f returns.
func (b *Batch) EachWindow(i int, f func(step int, times []int64, values []float64) float64) {
	times, values := b.Samples(i)
	out := b.Out(i)
	lo, hi := 0, 0
	for k := range out {
		end := b.Time(k)
		for hi < len(times) && times[hi] <= end {
			hi++
		}
		for lo < hi && times[lo] <= end-b.in.Range {
			lo++
		}
		if lo < hi {
			out[k] = f(k, times[lo:hi], values[lo:hi])
		}
	}
}

// Args returns how many arguments there are besides the data.
func (b *Batch) Args() int { return len(b.in.Args) }

// Number returns argument i, a scalar, at a step; standard if it was left out.
func (b *Batch) Number(i, step int, standard float64) float64 {
	if i >= len(b.in.Args) || b.in.Args[i].Numbers == nil {
		return standard
	}
	of := b.in.Args[i].Numbers
	return of[min(step, len(of)-1)]
}

// Text returns argument i, a string; standard if it was left out.
func (b *Batch) Text(i int, standard string) string {
	if i >= len(b.in.Args) {
		return standard
	}
	return b.in.Args[i].Text
}

// eval computes a batch.
func (i *Instance) eval(ctx context.Context, in []byte) ([]byte, error) {
	b, err := abi.ParseBatch(in)
	if err != nil {
		return nil, Errorf(CodeInvalidRequest, "eval: %v", err)
	}
	f := i.plugin.Functions[b.Function]
	if f == nil {
		return nil, Errorf(abi.CodeUnknownFunction, "this plugin has no function %q", b.Function)
	}
	if err := i.ready(ctx); err != nil {
		return nil, err
	}
	n := b.Series * b.Steps
	if n*8 > abi.MaxResult {
		return nil, Errorf(CodeInvalidRequest, "eval: a batch of %d series and %d steps, its result would have more than %d bytes", b.Series, b.Steps, abi.MaxResult)
	}
	if cap(i.cells) < n {
		i.cells = make([]float64, n)
	}
	out := i.cells[:n]
	for k := range out {
		out[k] = Missing
	}
	ctx, cancel := withDeadline(ctx, int64(b.DeadlineMS))
	defer cancel()
	if err := f(ctx, &Batch{in: b, out: out}); err != nil {
		return nil, err
	}
	return abi.CellBytes(out), nil
}
