package block

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// Labels returns the label sets of the visible series that satisfy all matchers and have samples in mint..maxt, in no
// order. One may come more than once. What the range has all of is not looked into: each series of a part has a sample.
func (b *Block) Labels(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]labels.Labels, error) {
	ids, err := b.index.SelectContext(ctx, ms...)
	if err != nil {
		return nil, b.indexError(err)
	}
	out := make([]labels.Labels, 0, len(ids))
	var join index.Joiner
	var sets []labels.Labels
	err = b.eachGroup(ctx, ids, func(g index.Group, slots []uint32) error {
		whole, err := b.within(g, mint, maxt)
		if err != nil {
			return err
		}
		sets = sets[:0]
		if whole {
			for _, s := range slots {
				own, err := b.index.Own(&g, s)
				if err != nil {
					return b.indexError(err)
				}
				sets = append(sets, own)
			}
		} else {
			c, err := b.columns(g, slots, mint, maxt)
			if err != nil || c == nil {
				return err
			}
			sets = append(sets, c.own...)
		}
		if slices.Contains(g.OwnNames, facet.Name) {
			sets = visible(sets)
		}
		join.Reset(g.Common, sets)
		for _, own := range sets {
			out = append(out, join.Full(own))
		}
		return nil
	})
	return out, err
}

// within tells whether all samples of the group are in mint..maxt.
func (b *Block) within(g index.Group, mint, maxt int64) (bool, error) {
	if mint <= b.meta.MinTime && maxt >= b.meta.MaxTime {
		return true, nil
	}
	records, err := b.records(g)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(records, func(r blockRecord) bool { return r.mint < mint || r.maxt > maxt }), nil
}

// visible returns what users know of own labels, in their memory.
func visible(own []labels.Labels) []labels.Labels {
	out := own[:0]
	for _, ls := range own {
		if ls, samples := facet.Split(ls); samples {
			out = append(out, ls)
		}
	}
	return out
}
