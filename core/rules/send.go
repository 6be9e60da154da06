package rules

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// send hands the alerts of a rule on that need it: those that fire, when they start to and after each resend delay;
// those resolved, at once and then the same, until they are forgotten. External labels are the receiver's to add.
func (g *group) send(ctx context.Context, r *rule, at time.Time) {
	due := r.alerts.due(at, g.env.ResendDelay, g.spec.interval)
	if len(due) == 0 {
		return
	}
	out := make([]*model.Alert, len(due))
	for i := range due {
		out[i] = &due[i].alert
	}
	slices.SortFunc(out, func(x, y *model.Alert) int { return labels.Compare(x.Labels, y.Labels) })
	if err := g.env.Notify(ctx, out); err != nil {
		g.env.metrics.unsent.Add(float64(len(out)))
		g.log.Error("handing alerts on: it is tried again at the next interval", "rule", r.spec.name, "alerts", len(out), "err", err)
		r.alerts.unsent(due)
	}
}

// sending is an alert as it is sent.
type sending struct {
	key      string
	alert    model.Alert // a copy
	lastSent time.Time   // before
}

// due returns the alerts that are to be sent, noted as sent. They are valid for four times the longer of resend delay
// and interval, so that some may get lost.
func (a *alerts) due(at time.Time, resend, interval time.Duration) []sending {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []sending
	for key, one := range a.active {
		if one.State == model.AlertPending || !one.ResolvedAt.After(one.LastSentAt) && !one.LastSentAt.Add(resend).Before(at) {
			continue
		}
		before := one.LastSentAt
		one.LastSentAt = at
		one.ValidUntil = at.Add(4 * max(interval, resend))
		out = append(out, sending{key, *one, before})
	}
	return out
}

// unsent takes back that alerts were sent.
func (a *alerts) unsent(list []sending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range list {
		if one := a.active[s.key]; one != nil {
			one.LastSentAt = s.lastSent
		}
	}
}
