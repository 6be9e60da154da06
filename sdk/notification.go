package sdk

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/hearth-project/hearth/sdk/abi"
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

	// Texts are the templates of the plugin's manifest as hearth has filled them in for this message, by the name of
	// their setting, as "headers.Subject".
	Texts map[string]string `json:"-"`

	// State is what the last message about the same group to the same receiver left with Keep, as the number of a message
	// that is to be edited. It is empty at the first, and once hearth has forgotten the group.
	State string `json:"-"`

	keep *string // where Keep puts it; nil outside of a call
}

// Keep leaves a state for the next message about the same group: text of at most 64 KiB. It counts if Notify returns
// nil; without it the state stays. Empty means none.
func (n Notification) Keep(state string) error {
	if len(state) > abi.MaxState {
		return Errorf(CodeInternal, "state of %d bytes, at most %d can be kept", len(state), abi.MaxState)
	}
	if !utf8.ValidString(state) {
		return Errorf(CodeInternal, "the state is not UTF-8, encode it: %.40q", state)
	}
	if n.keep != nil {
		*n.keep = state
	}
	return nil
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
