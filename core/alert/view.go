package alert

import (
	"cmp"
	"context"
	"slices"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/marker"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// What others may see: copies, as of the moment of the call.

// Status is an alert that has not ended, and why its receivers may not be told of it.
type Status struct {
	Labels       labels.Labels
	Annotations  labels.Labels
	StartsAt     time.Time
	EndsAt       time.Time // when it ends if its sender keeps quiet
	UpdatedAt    time.Time
	GeneratorURL string
	Fingerprint  string // of the labels, 16 hexadecimal digits

	Receivers   []string // that the routes lead to, sorted
	SilencedBy  []string // ids of silences
	InhibitedBy []string // fingerprints of alerts
	MutedBy     []string // names of time intervals, if they hold back all of its groups
}

// Suppressed tells whether anything keeps its receivers from being told.
func (s Status) Suppressed() bool {
	return len(s.SilencedBy)+len(s.InhibitedBy)+len(s.MutedBy) > 0
}

// Group is a set of alerts that a receiver is told of in one message.
type Group struct {
	Labels      labels.Labels // that its alerts share by group_by
	Receiver    string
	RouteLabels labels.Labels
	Key         string // as in messages
	MutedBy     []string
	Alerts      []Status
}

// Receiver is who may be told.
type Receiver struct {
	Name      string
	Used      bool // a route leads to it
	Notifiers []NotifierStatus
}

// NotifierStatus is one way to tell a receiver. Last is the latest attempt.
type NotifierStatus struct {
	Plugin       string
	SendResolved bool
	Timeout      time.Duration
	Last         Attempt
}

// Alerts returns the alerts that have not ended, sorted by their labels as in messages.
func (m *Manager) Alerts(ctx context.Context) ([]Status, error) {
	plan, flow, _, _ := m.current()
	groups, err := m.Groups(ctx)
	if err != nil {
		return nil, err
	}
	muted := map[string][]string{} // by fingerprint
	heard := map[string]bool{}     // is in a group that is not muted
	for _, g := range groups {
		for _, a := range g.Alerts {
			muted[a.Fingerprint] = append(muted[a.Fingerprint], g.MutedBy...)
			heard[a.Fingerprint] = heard[a.Fingerprint] || len(g.MutedBy) == 0
		}
	}
	it := m.alerts.GetPending()
	defer it.Close()
	var found amalert.AlertSlice
	now := time.Now()
	for a := range it.Next() {
		if !a.Data.ResolvedAt(now) {
			found = append(found, a.Data)
		}
	}
	slices.SortFunc(found, func(a, b *amalert.Alert) int {
		return labels.Compare(fromSet(a.Labels), fromSet(b.Labels))
	})
	list := make([]Status, 0, len(found))
	for _, a := range found {
		s := m.status(ctx, flow, a)
		if !heard[s.Fingerprint] {
			slices.Sort(muted[s.Fingerprint])
			s.MutedBy = slices.Compact(muted[s.Fingerprint])
		}
		if plan != nil && plan.routes != nil {
			for _, r := range plan.routes.Match(a.Labels) {
				s.Receivers = append(s.Receivers, r.RouteOpts.Receiver)
			}
			slices.Sort(s.Receivers)
			s.Receivers = slices.Compact(s.Receivers)
		}
		list = append(list, s)
	}
	return list, ctx.Err()
}

// Groups returns the groups with alerts that have not ended, sorted by their labels, then by receiver. There are none
// before Run, and without a [route].
func (m *Manager) Groups(ctx context.Context) ([]Group, error) {
	_, flow, _, _ := m.current()
	if flow == nil || flow.dispatcher == nil {
		return nil, nil
	}
	found, receivers, err := flow.dispatcher.Groups(ctx,
		func(*dispatch.Route) bool { return true },
		func(a *amalert.Alert, now time.Time) bool { return !a.ResolvedAt(now) })
	if err != nil {
		return nil, err
	}
	list := make([]Group, 0, len(found))
	for _, f := range found {
		g := Group{Labels: fromSet(f.Labels), Receiver: f.Receiver, RouteLabels: fromSet(f.RouteLabels), Key: f.GroupKey}
		if by, muted := m.groupMarker.Muted(f.RouteID, f.GroupKey); muted {
			g.MutedBy = slices.Clone(by)
		}
		for _, a := range f.Alerts {
			s := m.status(ctx, flow, a)
			s.MutedBy = g.MutedBy
			s.Receivers = slices.Compact(slices.Clone(receivers[a.Fingerprint()]))
			g.Alerts = append(g.Alerts, s)
		}
		list = append(list, g)
	}
	return list, nil
}

// status asks silences and inhibitions anew: what the group last found may be a group_interval old.
func (m *Manager) status(ctx context.Context, f *flow, a *amalert.Alert) Status {
	marks := marker.NewAlertMarker()
	ctx = marker.WithContext(ctx, marks)
	m.silencer.Mutes(ctx, a.Labels)
	if f != nil {
		f.inhibitor.Mutes(ctx, a.Labels)
	}
	found := marks.Status(a.Fingerprint())
	return Status{
		Labels:       fromSet(a.Labels),
		Annotations:  fromSet(a.Annotations),
		StartsAt:     a.StartsAt,
		EndsAt:       a.EndsAt,
		UpdatedAt:    a.UpdatedAt,
		GeneratorURL: a.GeneratorURL,
		Fingerprint:  a.Fingerprint().String(),
		SilencedBy:   found.SilencedBy,
		InhibitedBy:  found.InhibitedBy,
	}
}

// Receivers returns the receivers of the configuration, sorted by name.
func (m *Manager) Receivers() []Receiver {
	plan, _, _, _ := m.current()
	if plan == nil {
		return nil
	}
	list := make([]Receiver, 0, len(plan.receivers))
	for _, r := range plan.receivers {
		out := Receiver{Name: r.cfg.Name, Used: r.used}
		for k, n := range r.cfg.Notifiers {
			s := NotifierStatus{Plugin: n.Plugin, SendResolved: n.SendResolved, Timeout: n.Timeout.Std()}
			if r.used {
				s.Last = r.notifiers[k].last()
			}
			out.Notifiers = append(out.Notifiers, s)
		}
		list = append(list, out)
	}
	slices.SortFunc(list, func(a, b Receiver) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func fromSet(set commonmodel.LabelSet) labels.Labels {
	b := labels.NewScratchBuilder(len(set))
	for name, value := range set {
		b.Add(string(name), string(value))
	}
	b.Sort()
	return b.Labels()
}
