package rules

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

const (
	metricAlerts   = "ALERTS"           // 1 while an alert is pending or firing
	metricForState = "ALERTS_FOR_STATE" // Unix seconds since when it is active
	labelState     = "alertstate"
)

var errSameAlert = errors.New("vector contains metrics with the same labelset after applying alert labels")

// resolvedRetention is how long a resolved alert is kept and sent, so that an alert manager that was out of reach or
// restarts hears of it all the same. It is upstream's.
const resolvedRetention = 15 * time.Minute

// alerts are the alerts of a rule: pending and firing ones, and those resolved a short while ago.
type alerts struct {
	mu       sync.Mutex
	active   map[string]*model.Alert // by label set
	restored bool                    // the state before the last restart has been looked for; only then is it written
}

func newAlerts() *alerts { return &alerts{active: map[string]*model.Alert{}} }

func (a *alerts) setRestored(yes bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restored = yes
}

// current returns copies of the alerts that are pending or firing, in order of labels.
func (a *alerts) current() []*model.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []*model.Alert{}
	for _, one := range a.active {
		if one.ResolvedAt.IsZero() {
			anew := *one
			out = append(out, &anew)
		}
	}
	slices.SortFunc(out, func(x, y *model.Alert) int { return labels.Compare(x.Labels, y.Labels) })
	return out
}

// advanceAll moves each alert to its next state by the result of an evaluation. The series it returns tell the states.
func (r *rule) advanceAll(ctx context.Context, result model.Vector, at time.Time) (model.Vector, error) {
	found, err := r.found(ctx, result, at)
	if err != nil {
		return nil, err
	}
	r.alerts.mu.Lock()
	defer r.alerts.mu.Unlock()
	for key, a := range found {
		if known, ok := r.alerts.active[key]; ok && known.State != model.AlertInactive {
			known.Value, known.Annotations = a.Value, a.Annotations
		} else {
			r.alerts.active[key] = a
		}
	}
	var vector model.Vector
	t := at.Add(-r.group.offset).UnixMilli()
	b := labels.NewBuilder(labels.EmptyLabels())
	n := 0
	for _, key := range slices.Sorted(maps.Keys(r.alerts.active)) {
		a := r.alerts.active[key]
		if !r.advance(key, a, found[key] != nil, at) {
			continue
		}
		n++
		if !r.alerts.restored {
			continue
		}
		b.Reset(a.Labels)
		b.Set(commonmodel.MetricNameLabel, metricForState)
		since := b.Labels()
		b.Set(commonmodel.MetricNameLabel, metricAlerts)
		b.Set(labelState, string(a.State))
		vector = append(vector,
			model.VectorSample{Labels: b.Labels(), Sample: model.Sample{T: t, V: 1}},
			model.VectorSample{Labels: since, Sample: model.Sample{T: t, V: float64(a.ActiveAt.Unix())}})
	}
	if r.group.limit > 0 && n > r.group.limit {
		clear(r.alerts.active)
		return nil, fmt.Errorf("exceeded limit of %d with %d alerts", r.group.limit, n)
	}
	return vector, nil
}

// advance moves one alert on by an evaluation at the time at, which matched it or not, and forgets it when its time is
// over. It tells whether the alert is pending or firing.
func (r *rule) advance(key string, a *model.Alert, matched bool, at time.Time) bool {
	if matched {
		a.KeepFiringSince = time.Time{}
	} else {
		if a.State == model.AlertFiring && r.spec.keepFiring > 0 && a.KeepFiringSince.IsZero() {
			a.KeepFiringSince = at
		}
		if a.State != model.AlertFiring || r.spec.keepFiring <= 0 || at.Sub(a.KeepFiringSince) >= r.spec.keepFiring {
			switch a.State {
			case model.AlertPending:
				delete(r.alerts.active, key)
			case model.AlertFiring:
				a.State, a.ResolvedAt = model.AlertInactive, at
			case model.AlertInactive:
				if at.Sub(a.ResolvedAt) > resolvedRetention {
					delete(r.alerts.active, key)
				}
			}
			return false
		}
	}
	age := at.Sub(a.ActiveAt)
	switch {
	case a.State == model.AlertPending && age >= r.spec.hold:
		a.State, a.FiredAt = model.AlertFiring, at
	case a.State == model.AlertFiring && age < r.spec.hold: // a reload made `for` longer
		a.State, a.FiredAt = model.AlertPending, time.Time{}
		a.LastSentAt, a.KeepFiringSince = time.Time{}, time.Time{}
	}
	return true
}

// found returns the alerts that a result stands for, pending, by label set.
func (r *rule) found(ctx context.Context, result model.Vector, at time.Time) (map[string]*model.Alert, error) {
	out := make(map[string]*model.Alert, len(result))
	b := labels.NewBuilder(labels.EmptyLabels())
	var annotations labels.ScratchBuilder
	for _, s := range result {
		t := newTemplates(ctx, r, s, at)
		b.Reset(s.Labels)
		b.Del(commonmodel.MetricNameLabel)
		r.spec.labels.Range(func(l labels.Label) { b.Set(l.Name, t.expand(l.Value)) })
		b.Set(labels.AlertName, r.spec.name)
		annotations.Reset()
		r.spec.annotations.Range(func(l labels.Label) { annotations.Add(l.Name, t.expand(l.Value)) })

		ls := b.Labels()
		key := string(ls.Bytes(nil))
		if out[key] != nil {
			return nil, errSameAlert
		}
		out[key] = &model.Alert{
			Labels:       ls,
			Annotations:  annotations.Labels(),
			State:        model.AlertPending,
			Value:        s.V,
			ActiveAt:     at,
			GeneratorURL: r.link(),
		}
	}
	return out, nil
}

// forStateMatchers select the series that tell since when alerts of the rule are active. Labels that are templates
// have other values in the series.
func (r *rule) forStateMatchers() ([]*labels.Matcher, error) {
	want := map[string]string{}
	r.spec.labels.Range(func(l labels.Label) {
		if !strings.Contains(l.Value, "{{") {
			want[l.Name] = l.Value
		}
	})
	want[commonmodel.MetricNameLabel], want[labels.AlertName] = metricForState, r.spec.name
	ms := make([]*labels.Matcher, 0, len(want))
	for name, value := range want {
		m, err := labels.NewMatcher(labels.MatchEqual, name, value)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(x, y *labels.Matcher) int { return cmp.Compare(x.Name, y.Name) })
	return ms, nil
}
