package exec

import (
	"math"

	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// limitRatio is limit_ratio: a share of the series, those whose hash is low, or with a negative ratio the others.
type limitRatio struct {
	*plan.Aggregate
	of    operator
	param scalar
	ss    []series
}

func (op *limitRatio) open(q *query) (_ []series, err error) {
	op.ss, err = op.of.open(q)
	return op.ss, err
}

func (op *limitRatio) run(q *query, out sink) error {
	ratios, err := op.param.eval(q)
	if err != nil {
		return err
	}
	b := boundsOf(ratios)
	bad := b.nan && !(b.max == 0 && b.min == 0)
	if b.max > 1 {
		q.annotate(annotations.NewInvalidRatioWarning(b.max, 1, op.Param.Pos()))
	}
	if b.min < -1 {
		q.annotate(annotations.NewInvalidRatioWarning(b.min, -1, op.Param.Pos()))
	}
	err = op.of.run(q, func(i int, col column) error {
		if bad {
			return nil
		}
		ls := op.ss[i].metric()
		offset := float64(ls.Hash()) / float64(math.MaxUint64)
		for k := range col.v {
			if !chosen(ratios[k], offset) {
				col.clear(k)
			}
		}
		return out(i, col)
	})
	if err == nil && bad {
		err = fn.Error("Ratio value is NaN")
	}
	return err
}

// chosen tells whether a series is within the ratio. offset, of its hash, is in [0, 1].
func chosen(ratio, offset float64) bool {
	ratio = math.Max(-1, math.Min(1, ratio))
	return ratio >= 0 && offset < ratio || ratio < 0 && offset >= 1+ratio
}
