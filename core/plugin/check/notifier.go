package check

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
)

// message is Alertmanager's webhook message of version 4 about one alert.
const message = `{"version":"4","groupKey":"{}:{alertname=\"Test\"}","truncatedAlerts":0,"status":"firing","receiver":"ops",
"groupLabels":{"alertname":"Test"},"commonLabels":{"alertname":"Test","severity":"info"},"commonAnnotations":{"summary":"A test: Zażółć \"it\" <b>"},
"externalURL":"http://localhost:9090","alerts":[{"status":"firing","labels":{"alertname":"Test","instance":"host:9100","severity":"info"},
"annotations":{"summary":"A test: Zażółć \"it\" <b>"},"startsAt":"2026-01-02T03:04:05.000000006Z","endsAt":"0001-01-01T00:00:00Z",
"generatorURL":"http://localhost:9090/graph","fingerprint":"c4e1a0b7d3f2a956"}]}`

func notifyRequest(left time.Duration) []byte {
	b, err := json.Marshal(abi.NotifyRequest{Payload: json.RawMessage(message), DeadlineMS: abi.DeadlineMS(left)})
	if err != nil { // texts and numbers always encode
		panic(err)
	}
	return b
}

func (r *run) notifier(ctx context.Context) {
	if !r.command { // for which the host writes the request anew
		r.nonsense(ctx)
	}
	const name = "it delivers a message"
	if !r.o.Send {
		r.say(name, Skipped, "no message is sent without --send")
	} else {
		_, err := r.call(ctx, abi.OpNotify, notifyRequest(9*time.Second))
		if err != nil {
			r.say(name, Failed, "%v", err)
		} else {
			r.say(name, OK, "")
			r.deadline(ctx, abi.OpNotify, notifyRequest(time.Millisecond))
		}
	}
	r.measure(ctx, abi.OpDescribe, nil)
}

// nonsense sends what no message is.
func (r *run) nonsense(ctx context.Context) {
	var problems []string
	for _, x := range []struct{ what, request string }{
		{"no JSON", `{`}, {"no message", `{}`}, {"a message of version 3", `{"payload": {"version": "3"}}`}, {"a list", `{"payload": []}`},
	} {
		_, err := r.call(ctx, abi.OpNotify, []byte(x.request))
		if p := refusal(err, abi.CodeInvalidRequest); p != "" {
			problems = append(problems, x.what+": "+p)
		}
	}
	r.hold("a message that is none is refused", strings.Join(problems, "; "))
}
