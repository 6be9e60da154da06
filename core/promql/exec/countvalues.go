package exec

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// countValues aggregates by count_values: a series for each value that occurs in a group, counting it.
func countValues(a *plan.Aggregate, of operator, n int) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		label := a.Param.(*plan.Text).Val
		if !model.UTF8Validation.IsValidLabelName(label) {
			return nil, fmt.Errorf("invalid label name %q", label)
		}
		names := a.Grouping
		if !a.Without {
			names = append(slices.Clone(names), label)
			slices.Sort(names)
		}
		ss, err := of.open(q)
		if err != nil {
			return nil, err
		}
		out := &matrix{}
		at := map[uint64]int{} // by the hash of the result's labels
		lb := labels.NewBuilder(labels.EmptyLabels())
		err = of.run(q, func(i int, col column) error {
			known := map[uint64]int{} // of this series: where its floats are counted, by their bits
			ls := ss[i].metric()
			for k, x := range col.v {
				if !col.has(k) {
					continue
				}
				h := col.hist(k)
				to, ok := known[math.Float64bits(x)]
				if !ok || h != nil {
					lb.Reset(ls)
					if h != nil {
						lb.Set(label, h.String())
					} else {
						lb.Set(label, strconv.FormatFloat(x, 'f', -1, 64))
					}
					counted := groupLabels(lb, lb.Labels(), a.Without, names)
					if to, ok = at[counted.Hash()]; !ok {
						fresh, err := q.holes(n)
						if err != nil {
							return err
						}
						to = len(out.series)
						at[counted.Hash()] = to
						out.series = append(out.series, series{labels: counted})
						out.cols = append(out.cols, column{v: fresh})
					}
					if h == nil {
						known[math.Float64bits(x)] = to
					}
				}
				counts := out.cols[to].v
				if storage.IsAbsent(counts[k]) {
					counts[k] = 0
				}
				counts[k]++
			}
			return nil
		})
		return out, err
	}}
}
