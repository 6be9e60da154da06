package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/metric"
)

// Plugin is what a program serves.
type Plugin struct {
	Exporter  Exporter
	Notifier  Notifier
	Functions map[string]Function // by name
}

// Instance answers the operations of the ABI for one plugin. Authors need it in tests only: in a program Main does
// this. Not safe for concurrent use.
type Instance struct {
	plugin     Plugin
	configured bool
	writer     *metric.Writer
	out        []byte
	cells      []float64
}

// NewInstance returns an instance that is not configured yet.
func NewInstance(p Plugin) *Instance { return &Instance{plugin: p} }

// Call answers one operation (abi.OpDescribe and so on) with the bytes ABI.md specifies, valid until the next Call.
// The error is always an *Error. A panic of the plugin becomes one with the code abi.CodePanic; the instance should
// then be discarded.
func (i *Instance) Call(ctx context.Context, op string, in []byte) (out []byte, err error) {
	out, err = i.recovering(ctx, op, in)
	if err != nil {
		return nil, AsError(err)
	}
	return out, nil
}

func (i *Instance) recovering(ctx context.Context, op string, in []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			Log().Error("panic", "operation", op, "value", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = &Error{Code: abi.CodePanic, Message: fmt.Sprint("panic: ", r), Retryable: true}
		}
	}()
	if len(in) > abi.MaxRequest {
		return nil, Errorf(CodeInvalidRequest, "%s: request of %d bytes, at most %d are allowed", op, len(in), abi.MaxRequest)
	}
	switch {
	case op == abi.OpDescribe:
		return i.describe()
	case op == abi.OpConfigure:
		return nil, i.configure(ctx, in)
	case op == abi.OpCollect && i.plugin.Exporter != nil:
		var req abi.CollectRequest
		if err := json.Unmarshal(in, &req); err != nil {
			return nil, Errorf(CodeInvalidRequest, "collect: %v", err)
		}
		ctx, cancel := withDeadline(ctx, req.DeadlineMS)
		defer cancel()
		return i.collect(ctx, Target{Address: req.Address}, metric.Text)
	case op == abi.OpNotify && i.plugin.Notifier != nil:
		return i.notify(ctx, in)
	case op == abi.OpEval && len(i.plugin.Functions) > 0:
		return i.eval(ctx, in)
	}
	return nil, Errorf(abi.CodeUnimplemented, "this plugin has no operation %q", op)
}

func (i *Instance) describe() ([]byte, error) {
	d := abi.Description{ABI: abi.Version, SDK: "go", Kinds: []string{}}
	if i.plugin.Exporter != nil {
		d.Kinds = append(d.Kinds, abi.KindExporter)
	}
	if i.plugin.Notifier != nil {
		d.Kinds = append(d.Kinds, abi.KindNotifier)
	}
	if len(i.plugin.Functions) > 0 {
		d.Kinds = append(d.Kinds, abi.KindFunction)
		d.Functions = slices.Sorted(maps.Keys(i.plugin.Functions))
	}
	return json.Marshal(d)
}

func (i *Instance) configure(ctx context.Context, settings []byte) error {
	if i.configured {
		return Errorf(CodeInvalidRequest, "configured already")
	}
	c := Config{settings}
	takes := false
	for _, p := range []any{i.plugin.Exporter, i.plugin.Notifier} {
		if p, ok := p.(Configurer); ok {
			takes = true
			if err := p.Configure(ctx, c); err != nil {
				return err
			}
		}
	}
	if !takes && !c.Empty() {
		return Errorf(CodeInvalidRequest, "settings: this plugin takes none")
	}
	i.configured = true
	return nil
}

// ready configures a plugin whose host had no settings for it.
func (i *Instance) ready(ctx context.Context) error {
	if i.configured {
		return nil
	}
	return i.configure(ctx, nil)
}

func (i *Instance) collect(ctx context.Context, t Target, f metric.Format) ([]byte, error) {
	if err := i.ready(ctx); err != nil {
		return nil, err
	}
	if i.writer == nil || i.writer.Format() != f {
		i.writer = metric.NewWriter(f)
	}
	i.writer.Reset()
	if err := i.plugin.Exporter.Collect(ctx, t, i.writer); err != nil {
		return nil, err
	}
	var err error
	i.out, err = i.writer.AppendTo(i.out[:0])
	return i.out, err
}

func (i *Instance) notify(ctx context.Context, in []byte) ([]byte, error) {
	var req abi.NotifyRequest
	if err := json.Unmarshal(in, &req); err != nil {
		return nil, Errorf(CodeInvalidRequest, "notify: %v", err)
	}
	state := req.State
	n := Notification{Raw: req.Payload, Texts: req.Texts, State: req.State, keep: &state}
	if err := json.Unmarshal(req.Payload, &n); err != nil {
		return nil, Errorf(CodeInvalidRequest, "notify: payload: %v", err)
	}
	if n.Version != "4" {
		return nil, Errorf(CodeInvalidRequest, `notify: payload of version %q, this plugin knows "4"`, n.Version)
	}
	if err := i.ready(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := withDeadline(ctx, req.DeadlineMS)
	defer cancel()
	if err := i.plugin.Notifier.Notify(ctx, n); err != nil {
		return nil, err
	}
	var result abi.NotifyResult
	if state != req.State {
		result.State = &state
	}
	return json.Marshal(result)
}

// withDeadline ends ctx a little before the host's patience does, so that there is time to answer.
func withDeadline(ctx context.Context, ms int64) (context.Context, context.CancelFunc) {
	if ms <= 0 || ms > int64(24*time.Hour/time.Millisecond) {
		return context.WithCancel(ctx)
	}
	d := time.Duration(ms) * time.Millisecond
	return context.WithTimeout(ctx, d-min(d/20, 100*time.Millisecond))
}
