package sdk

import (
	"encoding/json"
	"time"
)

// Notification is one message about a group of alerts: Alertmanager's webhook message, version 4.
type Notification struct {
	Version           string            `json:"version"` // "4"
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"` // alerts of the group that are not in Alerts
	Status            string            `json:"status"`          // StatusFiring or StatusResolved
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []Alert           `json:"alerts"`

	// Raw is the message as it came, with members this type does not know.
	Raw json.RawMessage `json:"-"`
}

// Alert is one alert of a Notification.
type Alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // zero or in the future while firing
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

// States of an alert and of a notification.
const (
	StatusFiring   = "firing"
	StatusResolved = "resolved"
)
