// Package arg reads and checks the scalars that functions of PromQL are called with.
package arg

import "github.com/hearth-project/hearth/sdk"

// Number is a scalar argument.
type Number struct {
	Name  string
	At    int                  // its place among the arguments besides the data
	Or    float64              // its value if it is left out
	Valid func(v float64) bool // of numbers; NaN is no number
	Want  string               // what Valid wants: "must be " goes before it
}

// Of returns the number at a step. A query's NaN, which scalar() gives for what is not there, is NaN here.
func (n Number) Of(b *sdk.Batch, step int) float64 { return b.Number(n.At, step, n.Or) }

// Check fails if one of the numbers is not valid at any step, whatever the data is.
func Check(b *sdk.Batch, numbers ...Number) error {
	for _, n := range numbers {
		if n.At >= b.Args() {
			continue
		}
		for step := range b.Steps() {
			if v := n.Of(b, step); v == v && !n.Valid(v) {
				return sdk.Errorf(sdk.CodeInvalidRequest, "%s is %v, must be %s", n.Name, v, n.Want)
			}
		}
	}
	return nil
}

// Finite tells whether v is a number and not infinite.
func Finite(v float64) bool { return v-v == 0 }

// Fraction is an argument between 0 and 1, both not included.
func Fraction(name string, at int, or float64, example string) Number {
	return Number{name, at, or, func(v float64) bool { return v > 0 && v < 1 }, "more than 0 and less than 1, as " + example}
}

// AtLeast is an argument with a least value.
func AtLeast(name string, at int, or, least float64, want string) Number {
	return Number{name, at, or, func(v float64) bool { return v >= least && Finite(v) }, want}
}

// Above0 is an argument that is positive and finite.
func Above0(name string, at int, or float64) Number {
	return Number{name, at, or, func(v float64) bool { return v > 0 && Finite(v) }, "more than 0 and finite"}
}
