package rules

import (
	"context"
	"errors"
	"slices"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// What a reload takes away would be seen for the whole lookback, so its series are marked stale; but not those that
// another rule goes on with.

// ended is a series whose rule is gone.
type ended struct {
	labels labels.Labels
	key    string // that output knows it by
}

// retire marks the series of a group stale that a reload has taken away, as of now. It waits two intervals before:
// a rule that was only renamed or moved has a result of its own by then, and its series go on.
func (g *group) retire(ctx context.Context) {
	now := g.env.Clock().Add(-g.spec.offset)
	left := g.stale
	for _, r := range g.rules {
		left = append(left, r.out.end()...)
	}
	if len(left) == 0 {
		return
	}
	timer := time.NewTimer(2 * g.spec.interval)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		g.markStale(ctx, now, left)
	}
}

// markStale writes a staleness marker at t for each of the series that nobody goes on with, and returns those for
// which that has to be tried again.
func (g *group) markStale(ctx context.Context, t time.Time, series []ended) []ended {
	if len(series) == 0 {
		return nil
	}
	newer, err := g.newer(ctx, t, series)
	outputs := g.env.outputs()
	var batch []model.Series
	for _, s := range series {
		if !newer[s.key] && !slices.ContainsFunc(outputs, func(o *output) bool { return o.has(s.key) }) {
			batch = append(batch, model.Series{Labels: s.labels, Samples: []model.Sample{{T: t.UnixMilli(), V: model.Stale}}})
		}
	}
	if err == nil && len(batch) > 0 {
		err = g.env.Storage.Append(ctx, batch)
	}
	var refused *storage.AppendError // somebody else has a sample there
	if err != nil && !errors.As(err, &refused) {
		g.log.Warn("marking the series of rules that were removed as ended", "series", len(series), "err", err)
		return series
	}
	return nil
}

// newer returns which of the series have samples after t: a marker among those would be a gap.
func (g *group) newer(ctx context.Context, t time.Time, series []ended) (map[string]bool, error) {
	mint, maxt := t.UnixMilli()+1, g.env.Clock().UnixMilli()
	q, err := g.env.Storage.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	names, newer := map[string]bool{}, map[string]bool{}
	for _, s := range series {
		name := s.labels.Get(commonmodel.MetricNameLabel)
		if names[name] {
			continue
		}
		names[name] = true
		m, err := labels.NewMatcher(labels.MatchEqual, commonmodel.MetricNameLabel, name)
		if err != nil {
			return nil, err
		}
		groups, err := q.Select(ctx, mint, maxt, m)
		if err != nil {
			return nil, err
		}
		for _, c := range groups {
			for i := range c.Len() {
				newer[string(c.Labels(i).Bytes(nil))] = true
			}
		}
	}
	return newer, nil
}
