package sdktest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
)

func (s Suite) notifier(t *testing.T) {
	t.Run("a message of another version is refused", func(t *testing.T) {
		for why, in := range map[string]string{
			"no JSON": `{`, "no payload": `{}`, "payload of version 3": `{"payload": {"version": "3"}}`, "payload that is a list": `{"payload": []}`,
		} {
			_, err := s.configured(t, s.Settings).Call(t.Context(), abi.OpNotify, []byte(in))
			if e := sdk.AsError(err); e == nil || e.Code != sdk.CodeInvalidRequest || e.Retryable {
				t.Errorf("%s: got %v, want %s", why, err, sdk.CodeInvalidRequest)
			}
		}
	})
	t.Run("it ends in time", func(t *testing.T) {
		endsInTime(t, func(ctx context.Context) error {
			_, err := s.configured(t, s.Settings).Call(ctx, abi.OpNotify, NotifyRequest(1))
			return err
		})
	})
	if s.Unreachable == "" {
		return
	}
	t.Run("trouble with the other end is retryable", func(t *testing.T) {
		_, err := s.configured(t, s.Unreachable).Call(t.Context(), abi.OpNotify, NotifyRequest(1))
		if e := sdk.AsError(err); e == nil || !e.Retryable || (e.Code != sdk.CodeUnavailable && e.Code != sdk.CodeTimeout) {
			t.Errorf("got %#v, want a retryable %s", err, sdk.CodeUnavailable)
		}
	})
}

// Payload returns a webhook message of version 4 with n firing alerts.
func Payload(n int) []byte {
	m := sdk.Notification{
		Version: "4", GroupKey: `{}:{alertname="Test"}`, Status: sdk.StatusFiring, Receiver: "ops", ExternalURL: "http://localhost:9090",
		GroupLabels:  map[string]string{"alertname": "Test"},
		CommonLabels: map[string]string{"alertname": "Test"}, CommonAnnotations: map[string]string{},
		Alerts: make([]sdk.Alert, n),
	}
	for i := range m.Alerts {
		m.Alerts[i] = sdk.Alert{
			Status: sdk.StatusFiring, Labels: map[string]string{"alertname": "Test", "instance": fmt.Sprint("host-", i)},
			Annotations: map[string]string{"summary": "Zażółć \"it\" <b>"}, StartsAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
			GeneratorURL: "http://localhost:9090/graph", Fingerprint: fmt.Sprintf("%016x", i),
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings and times always encode
	}
	return b
}

// NotifyRequest returns the request of the notify operation with such a message and ten seconds of time.
func NotifyRequest(n int) []byte {
	b, err := json.Marshal(abi.NotifyRequest{Payload: Payload(n), DeadlineMS: 10_000})
	if err != nil {
		panic(err)
	}
	return b
}
