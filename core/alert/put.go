package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// Put takes alerts of our own rules: those that fire, which end by themselves at ValidUntil if they are not put again,
// and those that were resolved at ResolvedAt. Others are passed over. global.external_labels are added where the alert
// does not have a label of that name. What is valid is taken even if the error tells that some are not.
func (m *Manager) Put(ctx context.Context, alerts []*model.Alert) error {
	var external map[string]string
	if plan, _, _, _ := m.current(); plan != nil {
		external = plan.cfg.Global.ExternalLabels
	}
	return m.put(ctx, alerts, external)
}

// Receive takes alerts of another server, as they are. One with neither ResolvedAt nor ValidUntil ends
// global.resolve_timeout from now; one without FiredAt began now, or when it ended.
func (m *Manager) Receive(ctx context.Context, alerts []*model.Alert) error {
	return m.put(ctx, alerts, nil)
}

func (m *Manager) put(ctx context.Context, alerts []*model.Alert, external map[string]string) error {
	timeout := 5 * time.Minute
	plan, _, state, _ := m.current()
	if state == closed {
		return errors.New("take alerts: alerting has ended")
	}
	if plan != nil {
		timeout = plan.cfg.Global.ResolveTimeout.Std()
	}
	now := time.Now()
	valid := make([]*amalert.Alert, 0, len(alerts))
	var errs []error
	for _, a := range alerts {
		if a.ResolvedAt.IsZero() && (a.State == model.AlertPending || a.State == model.AlertInactive) {
			continue
		}
		am := convert(a, external, now, timeout)
		if err := am.Validate(); err != nil {
			m.metrics.invalid.Inc()
			errs = append(errs, fmt.Errorf("alert %s: %w", a.Labels, err))
			continue
		}
		m.metrics.received.WithLabelValues(string(am.Status())).Inc()
		valid = append(valid, am)
	}
	return errors.Join(append(errs, m.alerts.Put(ctx, valid...))...)
}

// convert gives an alert the library's form and the times that it lacks.
func convert(a *model.Alert, external map[string]string, now time.Time, timeout time.Duration) *amalert.Alert {
	am := &amalert.Alert{
		Alert: commonmodel.Alert{
			Labels:       labelSet(a.Labels),
			Annotations:  labelSet(a.Annotations),
			StartsAt:     a.FiredAt,
			EndsAt:       a.ResolvedAt,
			GeneratorURL: a.GeneratorURL,
		},
		UpdatedAt: now,
	}
	for name, value := range external {
		if _, has := am.Labels[commonmodel.LabelName(name)]; !has && value != "" {
			am.Labels[commonmodel.LabelName(name)] = commonmodel.LabelValue(value)
		}
	}
	if am.EndsAt.IsZero() {
		am.EndsAt = a.ValidUntil
	}
	if am.StartsAt.IsZero() {
		am.StartsAt = now
		if !am.EndsAt.IsZero() && am.EndsAt.Before(now) {
			am.StartsAt = am.EndsAt
		}
	}
	if am.EndsAt.IsZero() {
		am.Timeout, am.EndsAt = true, now.Add(timeout)
	}
	return am
}

// labelSet leaves out labels without a value: they are the same as none.
func labelSet(ls labels.Labels) commonmodel.LabelSet {
	set := make(commonmodel.LabelSet, ls.Len())
	ls.Range(func(l labels.Label) {
		if l.Value != "" {
			set[commonmodel.LabelName(l.Name)] = commonmodel.LabelValue(l.Value)
		}
	})
	return set
}
