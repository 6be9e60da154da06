// Package callout is how PromQL calls functions that the engine does not have: those of plugins. A function has no
// more than this interface. It is given columns of many series at once, so that a call costs little however it is
// made, and never labels: what it returns belongs to the series it was given, without their names.
package callout

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// MaxCells is how many float64 the data of a batch has at most, unless one series alone has more.
const MaxCells = 128 << 10

// Function is one function of PromQL. Call must be safe for concurrent use.
type Function struct {
	Name     string             // as in queries
	Owner    string             // whose it is, for errors: the name of a plugin
	Args     []parser.ValueType // one vector or matrix, which is the data, among scalars and strings
	Variadic int                // how many of the last arguments may be left out; -1: the last may also repeat

	// Call computes the function for all series of b at all steps. out has a row of b.Steps cells for each series,
	// in the order of the batch, and is filled with storage.Absent: no value. It may change what is in b, but keep neither b nor out.
	Call func(ctx context.Context, b *Batch, out []float64) error
}

// Batch is what a function is called with. The data is Values for a function of vectors, Samples for one of matrices.
type Batch struct {
	Start int64 // Unix milliseconds of the first step; of a matrix, the end of its window, so offset and @ are in it
	Step  int64 // milliseconds between steps; 0 if there is one step, or if @ pins the window of all
	Steps int
	Width int64 // milliseconds: windows are (end-Width, end]

	Args []Arg // the scalars and strings, in order

	Series  int
	Values  []float64 // Series rows of Steps cells; storage.Absent where there is no value
	Samples []Samples // of each series, all that is in any of the windows
}

// Arg is an argument that is not data.
type Arg struct {
	Values []float64 // of a scalar, at each step
	Text   string    // of a string
}

// Samples is a stretch of a series.
type Samples struct {
	T []int64 // Unix milliseconds, strictly increasing
	V []float64
}

// data returns the place of the argument that is the data.
func (f *Function) data() int {
	return slices.IndexFunc(f.Args, func(t parser.ValueType) bool {
		return t == parser.ValueTypeVector || t == parser.ValueTypeMatrix
	})
}

// Required returns the types of the arguments that must be there and of the first of the others, which is that of all
// others: so upstream's parser has it, which lets Variadic more than all but the last follow.
func (f *Function) Required() []parser.ValueType {
	return f.Args[:len(f.Args)-max(f.Variadic-1, 0)]
}

// Eval calls the function. Its errors name it.
func (f *Function) Eval(ctx context.Context, b *Batch, out []float64) error {
	if err := f.Call(ctx, b, out); err != nil {
		return fmt.Errorf("function %s of %s: %w", f.Name, f.Owner, err)
	}
	return nil
}

var validName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// check tells what is wrong with f as a function beside PromQL's own.
func (f *Function) check(own map[string]*parser.Function) error {
	last := len(f.Args) - 1
	scalar := func(t parser.ValueType) bool { return t == parser.ValueTypeScalar || t == parser.ValueTypeString }
	switch {
	case !validName.MatchString(f.Name):
		return errors.New("a name has letters, digits and underscores, and begins with no digit")
	case own[f.Name] != nil || keyword(f.Name):
		return errors.New("PromQL has that name itself")
	case f.data() < 0:
		return errors.New("no argument is a vector or a matrix")
	case slices.ContainsFunc(f.Args[f.data()+1:], func(t parser.ValueType) bool { return !scalar(t) }),
		slices.ContainsFunc(f.Args[:f.data()], func(t parser.ValueType) bool { return !scalar(t) }):
		return errors.New("arguments other than the one vector or matrix must be scalars or strings")
	case f.Variadic < -1 || f.Variadic > len(f.Args):
		return fmt.Errorf("variadic is %d, with %d arguments", f.Variadic, len(f.Args))
	case f.Variadic != 0 && f.data() > last-max(f.Variadic, 1):
		return errors.New("the vector or matrix may be left out or repeated: put it first")
	case f.Variadic > 1 && slices.ContainsFunc(f.Args[len(f.Args)-f.Variadic:], func(t parser.ValueType) bool { return t != f.Args[last] }):
		return errors.New("arguments that may be left out must all be scalars or all be strings")
	}
	return nil
}

// keyword tells whether the parser takes name for something else than a name.
func keyword(name string) bool {
	name = strings.ToLower(name)
	for _, s := range parser.ItemTypeStr {
		if s == name {
			return true
		}
	}
	return name == "inf" || name == "nan"
}

// Table is functions by name. The nil table has none.
type Table map[string]*Function

// NewTable makes a table of functions. It is an error if one can't be called beside PromQL's own, which are in own, or
// if two have the same name.
func NewTable(fs []Function, own map[string]*parser.Function) (Table, error) {
	t := make(Table, len(fs))
	var errs []error
	for i := range fs {
		f := &fs[i]
		err := f.check(own)
		if before := t[f.Name]; err == nil && before != nil {
			err = fmt.Errorf("%s has a function of that name, too", before.Owner)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("function %q of %s: %w", f.Name, f.Owner, err))
			continue
		}
		t[f.Name] = f
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return t, nil
}
