package exec

import (
	"math"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// quantile aggregates by quantile. It needs all values of a group at once.
func quantile(a *plan.Aggregate, of operator, param scalar) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		qs, err := param.eval(q)
		if err != nil {
			return nil, err
		}
		in, err := collect(q, of)
		if err != nil {
			return nil, err
		}
		b := boundsOf(qs)
		if b.nan {
			q.annotate(annotations.NewInvalidQuantileWarning(math.NaN(), a.Param.Pos()))
		}
		if b.max > 1 {
			q.annotate(annotations.NewInvalidQuantileWarning(b.max, a.Param.Pos()))
		}
		if b.min < 0 {
			q.annotate(annotations.NewInvalidQuantileWarning(b.min, a.Param.Pos()))
		}
		g := newGrouping(in.series, a, a.Grouping)
		members := make([][][]float64, len(g.groups))
		for i, col := range in.cols {
			if col.native() {
				q.annotate(annotations.NewHistogramIgnoredInAggregationInfo("quantile", a.Of.Pos()))
			}
			members[g.of[i]] = append(members[g.of[i]], col.v)
		}
		m := &matrix{}
		for i, cols := range members {
			out, err := q.column(len(qs))
			if err != nil {
				return nil, err
			}
			m.series = append(m.series, g.groups[i])
			m.cols = append(m.cols, column{v: out})
			const steps = 64 // at a time
			err = q.share((len(qs)+steps-1)/steps, 8*len(cols)*len(qs), func(block int) error {
				quantileSteps(qs, cols, out, block*steps, min((block+1)*steps, len(qs)))
				return q.ctx.Err()
			})
			if err != nil {
				return nil, err
			}
		}
		in.release(q)
		return m.nonEmpty(q), nil
	}}
}

// quantileSteps computes quantiles of cols at the steps from..to-1.
func quantileSteps(qs []float64, cols [][]float64, out []float64, from, to int) {
	buf := make([]float64, 0, len(cols))
	for k := from; k < to; k++ {
		if buf = present(buf[:0], cols, k); len(buf) == 0 {
			out[k] = storage.Absent
		} else {
			out[k] = fn.Quantile(qs[k], buf)
		}
	}
}

// present appends the values that columns have at step k.
func present(dst []float64, cols [][]float64, k int) []float64 {
	for _, col := range cols {
		if !storage.IsAbsent(col[k]) {
			dst = append(dst, col[k])
		}
	}
	return dst
}

// bounds is what the values of a parameter over all steps lie between. With NaN among them, min and max are NaN too.
type bounds struct {
	min, max float64
	nan      bool
}

func boundsOf(col []float64) bounds {
	b := bounds{math.MaxFloat64, -math.MaxFloat64, false}
	for _, x := range col {
		b.min, b.max = math.Min(b.min, x), math.Max(b.max, x)
		b.nan = b.nan || math.IsNaN(x)
	}
	return b
}

// isFold tells whether op is aggregated by fold.
func isFold(op parser.ItemType) bool { return fn.FoldCells(op) > 0 }
