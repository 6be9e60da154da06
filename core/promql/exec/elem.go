package exec

import (
	"errors"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// sample is what a column has at a step: a float, or if h is not nil a histogram.
type sample struct {
	v float64
	h *histogram.FloatHistogram
}

func (c column) at(k int) sample { return sample{c.v[k], c.hist(k)} }

// element computes l op r. keep tells whether a comparison holds. With an error there is no result; info is only to be
// remarked on.
func element(b *plan.Binary, l, r sample) (out sample, keep bool, info, err error) {
	if l.h == nil && r.h == nil && !fn.OfHistograms(b.Op) {
		v, keep := fn.Binary(b.Op, l.v, r.v)
		return sample{v: v}, keep, nil, nil
	}
	switch {
	case l.h != nil && r.h != nil:
		return ofHistograms(b, l.h, r.h)
	case l.h == nil && r.h != nil && b.Op == parser.MUL:
		return sample{h: r.h.Copy().Mul(l.v).Compact(0)}, true, nil, nil
	case l.h != nil && r.h == nil:
		switch b.Op {
		case parser.MUL:
			return sample{h: l.h.Copy().Mul(r.v).Compact(0)}, true, nil, nil
		case parser.DIV:
			return sample{h: l.h.Copy().Div(r.v).Compact(0)}, true, nil, nil
		case parser.TRIM_LOWER, parser.TRIM_UPPER:
			return sample{h: l.h.Copy().TrimBuckets(r.v, b.Op == parser.TRIM_UPPER)}, true, nil, nil
		}
	}
	return sample{}, false, nil, annotations.NewIncompatibleTypesInBinOpInfo(l.kind(), parser.ItemTypeStr[b.Op], r.kind(), b.Pos())
}

func (s sample) kind() string {
	if s.h != nil {
		return "histogram"
	}
	return "float"
}

// ofHistograms is element for two histograms.
func ofHistograms(b *plan.Binary, l, r *histogram.FloatHistogram) (out sample, keep bool, info, err error) {
	var sum *histogram.FloatHistogram
	var collision, reconciled bool
	operation := annotations.HistogramAdd
	switch b.Op {
	case parser.ADD:
		sum, collision, reconciled, err = l.Copy().Add(r)
	case parser.SUB:
		operation = annotations.HistogramSub
		if sum, collision, reconciled, err = l.Copy().Sub(r); err == nil {
			sum.CounterResetHint = histogram.GaugeType
		}
	case parser.EQLC:
		return sample{h: l}, l.Equals(r), nil, nil
	case parser.NEQ:
		return sample{h: l}, !l.Equals(r), nil, nil
	default:
		return sample{}, false, nil, annotations.NewIncompatibleTypesInBinOpInfo("histogram", parser.ItemTypeStr[b.Op], "histogram", b.Pos())
	}
	if err != nil {
		return sample{}, false, nil, err
	}
	if collision {
		err = annotations.NewHistogramCounterResetCollisionWarning(b.Pos(), operation)
	}
	if reconciled {
		info = annotations.NewMismatchedCustomBucketsHistogramsInfo(b.Pos(), operation)
	}
	return sample{h: sum.Compact(0)}, true, info, err
}

// remarkBinary remarks on what element returned as info or error.
func remarkBinary(q *query, b *plan.Binary, err error) {
	switch {
	case err == nil:
	case errors.Is(err, annotations.PromQLInfo) || errors.Is(err, annotations.PromQLWarning):
		q.annotate(err)
	case errors.Is(err, histogram.ErrHistogramsIncompatibleSchema):
		q.annotate(annotations.NewIncompatibleBucketLayoutInBinOpWarning(parser.ItemTypeStr[b.Op], b.Pos()))
	}
}

// scalarOperator is an operator on a vector and a scalar; swapped if the scalar is on the left. A comparison keeps the
// vector's value.
type scalarOperator struct {
	*plan.Binary
	of      operator
	scalar  scalar
	swapped bool
	last    []error // of each step the last thing to remark on; upstream forgets the others
}

// withScalar makes the operator of b on a vector and a scalar.
func withScalar(b *plan.Binary, of operator, s scalar, swapped bool) operator {
	return &merge{of: &scalarOperator{Binary: b, of: of, scalar: s, swapped: swapped}}
}

func (op *scalarOperator) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	if err == nil && (op.Bool || fn.Arithmetic(op.Op)) {
		ss = unnamed(q, ss)
	}
	return ss, err
}

func (op *scalarOperator) run(q *query, out sink) error {
	s, err := op.scalar.eval(q)
	if err != nil {
		return err
	}
	err = op.of.run(q, func(i int, col column) error {
		if col.h == nil && !fn.OfHistograms(op.Op) {
			elementwise(op.Op, op.Bool, op.swapped, col.v, s)
			return out(i, col)
		}
		for k := range col.v {
			if col.has(k) {
				op.element(&col, k, s[k])
			}
		}
		return out(i, col)
	})
	for _, last := range op.last {
		remarkBinary(q, op.Binary, last)
	}
	return err
}

// element replaces the sample of col at step k.
func (op *scalarOperator) element(col *column, k int, s float64) {
	in := col.at(k)
	l, r := in, sample{v: s}
	if op.swapped {
		l, r = r, l
	}
	v, keep, _, err := element(op.Binary, l, r)
	col.clear(k)
	if err != nil {
		if op.last == nil {
			op.last = make([]error, len(col.v))
		}
		op.last[k] = err
		return
	}
	switch {
	case op.Bool:
		v = sample{v: fn.Truth(keep)}
	case !keep:
		return
	case op.Op.IsComparisonOperator():
		v = in
	}
	if v.h != nil {
		col.h[k] = v.h
	} else {
		col.v[k] = v.v
	}
}
