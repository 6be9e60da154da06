package rules

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
)

// Health tells how the last evaluation of a rule went.
type Health string

// The healths of a rule.
const (
	HealthUnknown Health = "unknown" // not evaluated yet
	HealthGood    Health = "ok"
	HealthBad     Health = "err"
)

// StateUnknown is the state of an alerting rule that has not been evaluated yet.
const StateUnknown model.AlertState = "unknown"

// GroupStatus is what there is to know of a group at one moment.
type GroupStatus struct {
	Name, File     string
	Interval       time.Duration // between evaluations
	QueryOffset    time.Duration // how far in the past it is evaluated
	Limit          int           // of series or alerts of a rule; 0 is none
	LastEvaluation time.Time     // when it began; zero before the first
	LastDuration   time.Duration // that it took
	Rules          []RuleStatus  // in the order of evaluation
}

// RuleStatus is what there is to know of a rule at one moment.
type RuleStatus struct {
	Alerting       bool // a recording rule otherwise
	Name           string
	Expr           string        // as the parser prints it
	Labels         labels.Labels // of group and rule; templates as written
	Health         Health
	LastError      string // empty when healthy
	LastEvaluation time.Time
	LastDuration   time.Duration
	Samples        int // of the last result

	// Of an alerting rule.
	Annotations   labels.Labels // templates as written
	For           time.Duration
	KeepFiringFor time.Duration
	State         model.AlertState // the most severe of its alerts
	Alerts        []*model.Alert   // pending and firing ones, in order of labels; copies
}

// Groups returns the state of all groups, by file and name.
func (m *Manager) Groups() []GroupStatus {
	groups := m.sorted()
	out := make([]GroupStatus, len(groups))
	for i, g := range groups {
		out[i] = g.status()
	}
	return out
}

// Alerts returns copies of all pending and firing alerts, in order of group, rule and labels.
func (m *Manager) Alerts() []*model.Alert {
	out := []*model.Alert{}
	for _, g := range m.sorted() {
		for _, r := range g.rules {
			if r.alerts != nil {
				out = append(out, r.alerts.current()...)
			}
		}
	}
	return out
}

func (g *group) status() GroupStatus {
	at, took := g.lastRun()
	s := GroupStatus{
		Name:           g.spec.key.name,
		File:           g.spec.key.file,
		Interval:       g.spec.interval,
		QueryOffset:    g.spec.offset,
		Limit:          g.spec.limit,
		LastEvaluation: at,
		LastDuration:   took,
		Rules:          make([]RuleStatus, len(g.rules)),
	}
	for i, r := range g.rules {
		s.Rules[i] = r.status()
	}
	return s
}

func (r *rule) status() RuleStatus {
	last := r.lastRun()
	s := RuleStatus{
		Name:           r.spec.name,
		Expr:           r.spec.expr,
		Labels:         r.spec.labels,
		Health:         last.health,
		LastEvaluation: last.at,
		LastDuration:   last.took,
		Samples:        last.samples,
	}
	if last.err != nil {
		s.LastError = last.err.Error()
	}
	if r.alerts == nil {
		return s
	}
	s.Alerting = true
	s.Annotations, s.For, s.KeepFiringFor = r.spec.annotations, r.spec.hold, r.spec.keepFiring
	s.Alerts = r.alerts.current()
	s.State = StateUnknown
	if !last.at.IsZero() {
		s.State = model.AlertInactive
		for _, a := range s.Alerts {
			if s.State == model.AlertInactive || a.State == model.AlertFiring {
				s.State = a.State
			}
		}
	}
	return s
}
