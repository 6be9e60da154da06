package tools

import (
	"context"
	"math"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// eachHeadSeries calls f with the samples of each series of the head, as eachSeries does; a series that changed its group
// comes once for each.
func eachHeadSeries(ctx context.Context, h *head.Head, f func(c storage.Columns, i int, ts []int64, vals []float64) error) error {
	lease := head.NewLease()
	defer lease.Close()
	lists, err := h.Select(ctx, lease, math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	for _, cs := range lists {
		for _, c := range cs {
			err := eachSeries(c, func(i int, ts []int64, vals []float64) error { return f(c, i, ts, vals) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// eachSeries calls f with the samples of each series of c; the slices are reused.
func eachSeries(c storage.Columns, f func(i int, ts []int64, vals []float64) error) error {
	var vals []float64
	var ts []int64
	for i := range c.Len() {
		lo, hi := c.Rows(i)
		var err error
		if vals, err = c.Values(i, lo, hi, vals); err != nil {
			return err
		}
		ts = ts[:0]
		n := 0
		for r, v := range vals {
			if !storage.IsAbsent(v) {
				ts = append(ts, c.Times()[lo+r])
				vals[n] = v
				n++
			}
		}
		if err := f(i, ts, vals[:n]); err != nil {
			return err
		}
	}
	return nil
}
