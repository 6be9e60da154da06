package tsdb

import (
	"context"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

var _ storage.SeriesQuerier = (*querier)(nil)

// Series implements storage.SeriesQuerier. Where samples were deleted it selects them to see of what series some are left.
func (q *querier) Series(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]labels.Labels, error) {
	mint, maxt = max(mint, q.mint), min(maxt, q.maxt)
	if mint > maxt {
		return nil, nil
	}
	out, err := q.seriesOfHead(ctx, mint, maxt, ms)
	if err != nil {
		return nil, fmt.Errorf("series of the head: %w", err)
	}
	parts, err := q.overlapping(mint, maxt)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		some, err := seriesOfPart(ctx, p, mint, maxt, ms)
		if err != nil {
			return nil, fmt.Errorf("series of part %s: %w", p.dir, err)
		}
		out = append(out, some...)
	}
	return index.Sort(out), nil
}

func (q *querier) seriesOfHead(ctx context.Context, mint, maxt int64, ms []*labels.Matcher) ([]labels.Labels, error) {
	hidden := q.db.headMask() // before the head is read: what it lets go of may be forgotten
	if hidden.Empty() {
		return q.db.head.Labels(ctx, mint, maxt, ms...)
	}
	recent, err := q.db.head.Select(ctx, q.lease, mint, maxt, ms...)
	if err != nil {
		return nil, err
	}
	var out []labels.Labels
	for _, cs := range recent {
		if cs, err = hidden.Apply(cs); err != nil {
			return nil, err
		}
		out = appendVisible(out, cs)
	}
	return out, nil
}

func seriesOfPart(ctx context.Context, p *part, mint, maxt int64, ms []*labels.Matcher) ([]labels.Labels, error) {
	hidden := p.mask()
	if hidden.Empty() {
		return p.block.Labels(ctx, mint, maxt, ms...)
	}
	cs, err := p.block.Select(ctx, mint, maxt, ms...)
	if err == nil {
		cs, err = hidden.Apply(cs)
	}
	return appendVisible(nil, cs), err
}

// appendVisible appends the label sets of selections of the database as its readers know them.
func appendVisible(out []labels.Labels, cs []storage.Columns) []labels.Labels {
	for _, c := range cs {
		facets := facet.Has(c)
		for i := range c.Len() {
			ls := c.Labels(i)
			if facets {
				var samples bool
				if ls, samples = facet.Split(ls); !samples {
					continue
				}
			}
			out = append(out, ls)
		}
	}
	return out
}
