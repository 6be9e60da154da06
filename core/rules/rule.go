package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

var (
	errSameSeries = errors.New("vector contains metrics with the same labelset after applying rule labels")
	errSameAlert  = errors.New("vector contains metrics with the same labelset after applying alert labels")
)

// rule is a rule in force: what it is, what it has written, how it went.
type rule struct {
	env   *env
	group groupSpec
	spec  ruleSpec

	alerts *alerts // nil for a recording rule
	out    *output

	last struct {
		sync.Mutex
		evaluation
	}
}

// evaluation is how an evaluation of a rule went.
type evaluation struct {
	at      time.Time // when it began; zero before the first
	took    time.Duration
	samples int
	health  Health
	err     error
}

func newRule(e *env, g groupSpec, s ruleSpec) *rule {
	r := &rule{env: e, group: g, spec: s, out: newOutput(e.Storage, s)}
	if s.alerting {
		r.alerts = newAlerts()
	}
	r.last.health = HealthUnknown
	return r
}

// result evaluates the rule for the time at and returns the series that it writes.
func (r *rule) result(ctx context.Context, at time.Time) (model.Vector, error) {
	if r.alerts != nil {
		return r.alertResult(ctx, at)
	}
	return r.recordResult(ctx, at)
}

// recordResult names the result of the query and sets the rule's labels on it.
func (r *rule) recordResult(ctx context.Context, at time.Time) (model.Vector, error) {
	result, err := r.env.Query(ctx, r.spec.expr, at.Add(-r.group.offset))
	if err != nil {
		return nil, err
	}
	out := make(model.Vector, len(result)) // the query's is its own
	seen := make(map[uint64]int, len(result))
	b := labels.NewBuilder(labels.EmptyLabels())
	for i, s := range result {
		b.Reset(s.Labels)
		b.Set(commonmodel.MetricNameLabel, r.spec.name)
		r.spec.labels.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
		out[i] = model.VectorSample{Labels: b.Labels(), Sample: s.Sample}
		h := out[i].Labels.Hash()
		if j, ok := seen[h]; ok && labels.Equal(out[j].Labels, out[i].Labels) {
			return nil, errSameSeries
		}
		seen[h] = i
	}
	if r.group.limit > 0 && len(out) > r.group.limit {
		return nil, fmt.Errorf("exceeded limit of %d with %d series", r.group.limit, len(out))
	}
	return out, nil
}

// record notes how an evaluation went.
func (r *rule) record(at time.Time, took time.Duration, samples int, err error) {
	e := evaluation{at: at, took: took, samples: samples, health: HealthGood, err: err}
	if err != nil {
		e.health = HealthBad
	}
	r.last.Lock()
	defer r.last.Unlock()
	r.last.evaluation = e
}

func (r *rule) lastRun() evaluation {
	r.last.Lock()
	defer r.last.Unlock()
	return r.last.evaluation
}

// takeOver continues a rule of the same identity that a reload has replaced.
func (r *rule) takeOver(old *rule) {
	r.out = old.out
	if r.alerts != nil {
		r.alerts = old.alerts
	}
}
