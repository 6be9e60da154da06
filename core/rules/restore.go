package rules

import (
	"context"
	"math"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// restore takes up the state that alerts had before a restart, as ALERTS_FOR_STATE tells it. now is the time of it.
// Rules whose `for` is shorter than the grace period are not restored: starting anew costs them less. From here on
// all of them write their state.
func (g *group) restore(ctx context.Context, now time.Time) {
	began := g.env.Clock()
	for _, r := range g.rules {
		if r.alerts == nil {
			continue
		}
		if r.spec.hold >= g.env.ForGracePeriod {
			if err := g.restoreRule(ctx, r, now); err != nil {
				g.log.Error("restoring alerts: they start anew", "rule", r.spec.name, "err", err)
			}
		}
	}
	g.setRestoring(false)
	g.last.Lock()
	g.last.restore = g.env.Clock().Sub(began)
	g.last.Unlock()
}

func (g *group) restoreRule(ctx context.Context, r *rule, now time.Time) error {
	ms, err := r.forStateMatchers()
	if err != nil {
		return err
	}
	found, err := lastSamples(ctx, g.env.Storage, now.Add(-g.env.OutageTolerance), now, ms)
	if err != nil {
		return err
	}
	r.alerts.mu.Lock()
	defer r.alerts.mu.Unlock()
	for key, a := range r.alerts.active {
		if s, ok := found[key]; ok && !model.IsStale(s.V) { // stale: it was not active
			a.ActiveAt = restoredActiveAt(s, r.spec.hold, g.env.ForGracePeriod, now)
		}
	}
	return nil
}

// restoredActiveAt returns since when an alert counts as active that s was the last to be said of: the time without
// evaluations does not count towards hold, and what is left of hold is at least grace. An alert that had fired does so
// again.
func restoredActiveAt(s model.Sample, hold, grace time.Duration, now time.Time) time.Time {
	down := time.Unix(s.T/1000, 0).UTC()
	since := time.Unix(int64(s.V), 0).UTC()
	left := hold - down.Sub(since)
	switch {
	case left <= 0:
		return since
	case left < grace:
		return now.Add(grace - hold)
	}
	return since.Add(now.Sub(down))
}

// lastSamples returns the last sample within mint and maxt of each series that satisfies the matchers, staleness
// markers included, by label set without the metric name.
func lastSamples(ctx context.Context, from storage.Queryable, mint, maxt time.Time, ms []*labels.Matcher) (map[string]model.Sample, error) {
	q, err := from.Querier(mint.UnixMilli(), maxt.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer q.Close()
	groups, err := q.Select(ctx, mint.UnixMilli(), maxt.UnixMilli(), ms...)
	if err != nil {
		return nil, err
	}
	out := map[string]model.Sample{}
	b := labels.NewBuilder(labels.EmptyLabels())
	var values []float64
	for _, c := range groups {
		times := c.Times()
		for i := range c.Len() {
			lo, hi := c.Rows(i)
			if values, err = c.Values(i, lo, hi, values); err != nil {
				return nil, err
			}
			last := model.Sample{T: math.MinInt64}
			for j, v := range values {
				if !storage.IsAbsent(v) {
					last = model.Sample{T: times[lo+j], V: v}
				}
			}
			b.Reset(c.Labels(i))
			b.Del(commonmodel.MetricNameLabel)
			key := string(b.Labels().Bytes(nil))
			if known, ok := out[key]; last.T > math.MinInt64 && (!ok || known.T < last.T) {
				out[key] = last
			}
		}
	}
	return out, nil
}
