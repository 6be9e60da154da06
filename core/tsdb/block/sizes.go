package block

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// Size is what one series takes in a part.
type Size struct {
	Samples     int64
	Bytes       int64 // of its columns
	Shared      int64 // of times, directories and records of its group, in equal shares
	First, Last int64 // Unix milliseconds
}

// Sizes calls f for each series of the part. All Bytes and Shared together are the data file, about: shares have
// remainders, and times that several groups share are told for each of them.
func (b *Block) Sizes(ctx context.Context, f func(ls labels.Labels, s Size) error) error {
	var vals []float64
	for n := range b.index.Groups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		g, err := b.Group(n)
		if err != nil {
			return err
		}
		c := g.(*columns)
		shared := int64(0)
		for k := range c.spans {
			shared += int64(c.spans[k].dirLen) + int64(c.spans[k].timesLen) + minRecord
		}
		for i, slot := range c.slots {
			s := Size{Shared: shared / int64(len(c.slots))}
			for k := range c.spans {
				s.Bytes += int64(c.spans[k].entry(slot).length)
			}
			lo, hi := c.Rows(i)
			if vals, err = c.Values(i, lo, hi, vals); err != nil {
				return err
			}
			for r, v := range vals {
				if storage.IsAbsent(v) {
					continue
				}
				if s.Samples == 0 {
					s.First = c.ts[lo+r]
				}
				s.Last = c.ts[lo+r]
				s.Samples++
			}
			if err := f(c.Labels(i), s); err != nil {
				return err
			}
		}
	}
	return nil
}

// count returns how many of the values are samples.
func count(vals []float64) int64 {
	n := int64(0)
	for _, v := range vals {
		if !storage.IsAbsent(v) {
			n++
		}
	}
	return n
}
