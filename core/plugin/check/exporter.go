package check

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk/abi"
)

func collectRequest(target string, left time.Duration) []byte {
	b, err := json.Marshal(abi.CollectRequest{Address: target, DeadlineMS: abi.DeadlineMS(left)})
	if err != nil { // texts and numbers always encode
		panic(err)
	}
	return b
}

func (r *run) exporter(ctx context.Context) {
	if !r.command { // for which the host writes the request anew
		_, err := r.call(ctx, abi.OpCollect, []byte("{"))
		r.hold("a collect request that is none is refused", refusal(err, abi.CodeInvalidRequest))
	}
	const name = "what it collects is an exposition that Prometheus reads"
	request := collectRequest(r.o.Target, 9*time.Second)
	out, err := r.call(ctx, abi.OpCollect, request)
	switch {
	case outside(err):
		r.say(name, Skipped, "%v: give --target, --settings and --grant-... with which it can measure", err)
		r.measure(ctx, abi.OpDescribe, nil)
		return
	case err != nil:
		r.say(name, Failed, "%v", err)
		return
	}
	e, err := parse(out)
	if err != nil {
		r.say(name, Failed, "%v", err)
		return
	}
	r.say(name, OK, "%d series of %d metrics", e.series, len(e.names))
	r.hold("every metric has a type and a help text", e.undescribed())
	r.deadline(ctx, abi.OpCollect, collectRequest(r.o.Target, time.Millisecond))
	r.measure(ctx, abi.OpCollect, request)
}

// outside tells whether a call has failed for want of something that is not the plugin's: its target, its rights.
func outside(err error) bool {
	var call *plugin.CallError
	if !errors.As(err, &call) {
		return false
	}
	switch call.Code {
	case abi.CodeDenied, abi.CodeUnavailable, abi.CodeUnauthenticated, abi.CodeInvalidRequest:
		return true
	case abi.CodeTimeout: // its own, not the host's
		return call.Unwrap() == nil
	}
	return false
}
