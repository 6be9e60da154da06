package exec

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/promql/plan"
)

func (b builder) scalars(ns []plan.Node) ([]scalar, error) {
	out := make([]scalar, len(ns))
	for i, n := range ns {
		if n.Type() == parser.ValueTypeString {
			continue
		}
		var err error
		if out[i], err = b.scalar(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scalar makes the evaluation of an expression of type scalar.
func (b builder) scalar(n plan.Node) (scalar, error) {
	switch n := n.(type) {
	case *plan.Number:
		return number{n.Val, b.grid.N}, nil
	case *plan.Invariant:
		inner, err := b.once()
		if err != nil {
			return nil, err
		}
		s, err := inner.scalar(n.Of)
		return scalarInvariant{s, b.grid.N}, err
	case *plan.Plus:
		return b.scalar(n.Of)
	case *plan.Negate:
		s, err := b.scalar(n.Of)
		return scalarMap{[]scalar{s}, func(args [][]float64, k int) float64 { return -args[0][k] }}, err
	case *plan.Binary:
		args, err := b.scalars([]plan.Node{n.LHS, n.RHS})
		if err != nil {
			return nil, err
		}
		return scalarBinary{n.Op, args[0], args[1]}, nil
	case *plan.Call:
		return b.scalarCall(n)
	}
	return nil, fmt.Errorf("unhandled expression of type: %T", n)
}

func (b builder) scalarCall(n *plan.Call) (scalar, error) {
	switch n.Func {
	case "time":
		return clock{b.grid}, nil
	case "pi":
		return number{math.Pi, b.grid.N}, nil
	case "scalar":
		of, err := b.vector(n.Args[0])
		return only{of, b.grid.N}, err
	}
	args, err := b.scalars(n.Args)
	if err != nil {
		return nil, err
	}
	switch n.Func {
	case "max_of":
		return scalarMap{args, func(a [][]float64, k int) float64 { return math.Max(a[0][k], a[1][k]) }}, nil
	case "min_of":
		return scalarMap{args, func(a [][]float64, k int) float64 { return math.Min(a[0][k], a[1][k]) }}, nil
	}
	return nil, fmt.Errorf("unknown function %s", n.Func)
}
