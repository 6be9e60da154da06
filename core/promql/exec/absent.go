package exec

import (
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// absent is 1 at the steps where no series of its input has a value.
func absent(of operator, ls labels.Labels, n int) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		if _, err := of.open(q); err != nil {
			return nil, err
		}
		col, err := q.column(n)
		if err != nil {
			return nil, err
		}
		fill(col, 1)
		err = of.run(q, func(_ int, in column) error {
			for k := range in.v {
				if in.has(k) {
					col[k] = storage.Absent
				}
			}
			return nil
		})
		if err != nil || empty(col) {
			return &matrix{}, err
		}
		return &matrix{series: []series{{labels: ls}}, cols: []column{{v: col}}}, nil
	}}
}
