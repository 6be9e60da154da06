package model

import (
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// AlertState is where an alert stands between its rule's expression and its receiver.
type AlertState string

// The states of an alert, in the order it passes through them.
const (
	AlertInactive AlertState = "inactive" // the expression does not match
	AlertPending  AlertState = "pending"  // it matches, but not yet for the rule's `for`
	AlertFiring   AlertState = "firing"
)

// Alert is one element of an alerting rule's result. Times are zero until they happen.
type Alert struct {
	Labels      labels.Labels // with alertname, without __name__
	Annotations labels.Labels
	State       AlertState
	Value       float64   // of the expression at the last evaluation
	ActiveAt    time.Time // the expression first matched
	FiredAt     time.Time // it became firing
	ResolvedAt  time.Time // the expression stopped matching after firing

	KeepFiringSince time.Time // the expression stopped matching, keep_firing_for holds it
	LastSentAt      time.Time // last handed to the alert manager
	ValidUntil      time.Time // the manager may call it resolved if it hears nothing until then
	GeneratorURL    string    // link to the expression in hearth's UI
}
