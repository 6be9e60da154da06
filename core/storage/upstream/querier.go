package upstream

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	up "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/storage"
)

// querier implements storage.Querier of upstream.
type querier struct {
	q          storage.Querier
	mint, maxt int64
}

// Select implements storage.Querier of upstream. Of the hints it follows the times, the limit and the shard.
// Series are selected here and decoded when they are iterated, which must be before the querier is closed.
func (q *querier) Select(ctx context.Context, sorted bool, hints *up.SelectHints, ms ...*labels.Matcher) up.SeriesSet {
	mint, maxt := q.mint, q.maxt
	if hints != nil && !hints.DisableTrimming {
		mint, maxt = max(mint, hints.Start), min(maxt, hints.End)
	}
	cs, err := q.q.Select(ctx, mint, maxt, ms...)
	if err != nil {
		return up.ErrSeriesSet(err)
	}
	var all []*series
	for _, c := range cs {
		for i := range c.Len() {
			s := &series{labels: c.Labels(i), c: c, i: i}
			if hints != nil && hints.ShardCount > 0 && labels.StableHash(s.labels)%hints.ShardCount != hints.ShardIndex {
				continue
			}
			all = append(all, s)
		}
	}
	if sorted {
		slices.SortFunc(all, func(a, b *series) int { return labels.Compare(a.labels, b.labels) })
	}
	if hints != nil && hints.Limit > 0 && len(all) > hints.Limit {
		all = all[:hints.Limit]
	}
	return &seriesSet{all: all, at: -1}
}

// LabelNames implements storage.LabelQuerier of upstream.
func (q *querier) LabelNames(ctx context.Context, hints *up.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	names, err := q.q.LabelNames(ctx, ms...)
	return limited(names, hints), nil, err
}

// LabelValues implements storage.LabelQuerier of upstream.
func (q *querier) LabelValues(ctx context.Context, name string, hints *up.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	values, err := q.q.LabelValues(ctx, name, ms...)
	return limited(values, hints), nil, err
}

func limited(s []string, hints *up.LabelHints) []string {
	if hints != nil && hints.Limit > 0 && len(s) > hints.Limit {
		return s[:hints.Limit]
	}
	return s
}

// Close implements storage.LabelQuerier of upstream.
func (q *querier) Close() error { return q.q.Close() }

// Select implements storage.ChunkQuerier of upstream.
func (q chunkQuerier) Select(ctx context.Context, sorted bool, hints *up.SelectHints, ms ...*labels.Matcher) up.ChunkSeriesSet {
	return up.NewSeriesSetToChunkSet(q.Querier.Select(ctx, sorted, hints, ms...))
}

// seriesSet implements storage.SeriesSet of upstream.
type seriesSet struct {
	all []*series
	at  int
}

func (s *seriesSet) Next() bool {
	s.at++
	return s.at < len(s.all)
}

func (s *seriesSet) At() up.Series                     { return s.all[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// series implements storage.Series of upstream over one series of a selection.
type series struct {
	labels labels.Labels
	c      storage.Columns
	i      int
}

func (s *series) Labels() labels.Labels { return s.labels }

func (s *series) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	mine, ok := it.(*iterator)
	if !ok {
		mine = new(iterator)
	}
	mine.begin(s.c, s.i)
	return mine
}
