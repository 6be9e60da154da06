package storage

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// SeriesQuerier is a Querier that can tell which series there are without gathering their samples.
type SeriesQuerier interface {
	// Series returns the label sets of the series that Select finds, in order of labels, each once.
	Series(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]labels.Labels, error)
}

// Series returns the label sets of the series that q selects, in order of labels, each once.
func Series(ctx context.Context, q Querier, mint, maxt int64, ms ...*labels.Matcher) ([]labels.Labels, error) {
	if l, ok := q.(SeriesQuerier); ok {
		return l.Series(ctx, mint, maxt, ms...)
	}
	groups, err := q.Select(ctx, mint, maxt, ms...)
	if err != nil {
		return nil, err
	}
	var out []labels.Labels
	for _, g := range groups {
		for i := range g.Len() {
			out = append(out, g.Labels(i))
		}
	}
	slices.SortFunc(out, labels.Compare)
	return slices.CompactFunc(out, labels.Equal), nil
}
