package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
)

// maxPause bounds how long a receiver that is overrun may keep us away, so that a mistake of a plugin does not
// silence it for good.
const maxPause = 5 * time.Minute

// Notifier tells somebody. Calls may come concurrently, one for each group. Close ends it; no call is running then.
//
// Notify delivers one message, with the texts that Templates asks for, and leaves in n.State what it wants to be given
// with the next one about the same group. An error is taken as temporary, and the call repeated, unless it has a method Retryable() bool that says no. If it
// has a method RetryAfter() time.Duration, the notifier is left alone for that long.
type Notifier interface {
	Notify(ctx context.Context, n *model.Notification) error
	Templates(ctx context.Context) ([]model.Template, error)
	Close() error
}

// verdictOf tells what an error of a Notifier asks for.
func verdictOf(err error) (retry bool, after time.Duration) {
	var (
		says   interface{ Retryable() bool }
		pauses interface{ RetryAfter() time.Duration }
	)
	retry = true
	if errors.As(err, &says) {
		retry = says.Retryable()
	}
	if retry && errors.As(err, &pauses) {
		after = min(max(pauses.RetryAfter(), 0), maxPause)
	}
	return retry, after
}

// opened is a notifier in use. It outlives a reload that does not touch its settings.
type opened struct {
	Notifier
	use config.PluginUse

	mu struct {
		sync.Mutex
		notBefore time.Time // the receiver asked for rest until then
		last      Attempt
	}
}

// Attempt is the outcome of one call of a notifier.
type Attempt struct {
	At       time.Time     // when it began; zero if there was none yet
	Took     time.Duration // until its answer
	GroupKey string
	Alerts   int   // in the message
	Err      error // nil if it was delivered
}

func (o *opened) rest() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Until(o.mu.notBefore)
}

func (o *opened) record(a Attempt, pause time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.last = a
	if pause > 0 {
		o.mu.notBefore = time.Now().Add(pause)
	}
}

func (o *opened) last() Attempt {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mu.last
}

// integration is one notifier of one receiver as the library's pipeline calls it.
type integration struct {
	*opened
	cfg    *config.Notifier
	tmpl   *template.Template
	log    *slog.Logger
	cut    context.Context // ends when attempts in flight must not go on
	states *states
	state  stateKey // without the group
}

// SendResolved implements notify.ResolvedSender.
func (i *integration) SendResolved() bool { return i.cfg.SendResolved }

// Notify implements notify.Notifier: one attempt. The library repeats it, waiting longer each time, while retry is
// true and the time of the group lasts.
func (i *integration) Notify(ctx context.Context, alerts ...*amalert.Alert) (retry bool, err error) {
	text, data, err := message(ctx, i.tmpl, alerts, i.cfg.MaxAlerts, i.log)
	if err != nil {
		return false, err
	}
	if d := i.rest(); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return true, fmt.Errorf("%s asked to be left alone for %s: %w", i.use.Plugin, d.Round(time.Second), ctx.Err())
		}
	}
	call, cancel := i.attempt(ctx)
	defer cancel()
	key, _ := notify.GroupKey(ctx)
	a := Attempt{At: time.Now(), GroupKey: key, Alerts: len(data.Alerts)}
	err = i.tell(call, key, text, data)
	a.Took = time.Since(a.At)
	if err == nil {
		i.record(a, 0)
		return false, nil
	}
	retry, after := verdictOf(err)
	reason := notify.ServerErrorReason
	switch {
	case !retry:
		reason = notify.ClientErrorReason
	case after > 0:
		reason = notify.RateLimitedReason
	case errors.Is(call.Err(), context.DeadlineExceeded):
		reason = notify.ContextDeadlineExceededReason
		err = fmt.Errorf("no answer within %s: %w", a.Took.Round(time.Millisecond), err)
	}
	a.Err = err
	i.record(a, after)
	return retry, notify.NewErrorWithReason(reason, err)
}

// tell makes the call of an attempt. The state of the group is kept as long as the notification log remembers what was
// told, which is two repeat intervals.
func (i *integration) tell(ctx context.Context, group string, text []byte, data *template.Data) error {
	list, err := i.Templates(ctx)
	if err != nil {
		return err
	}
	texts, err := fill(i.tmpl, list, data)
	if err != nil {
		return final{err}
	}
	key := i.state
	key.Group = group
	n := &model.Notification{Message: text, Texts: texts, State: i.states.get(key)}
	if err := i.Notifier.Notify(ctx, n); err != nil {
		return err
	}
	repeat, _ := notify.RepeatInterval(ctx)
	if err := i.states.put(key, n.State, time.Now().Add(2*repeat)); err != nil {
		i.log.Warn("what a notifier left for its next message is forgotten", "plugin", i.use.Plugin, "err", err)
	}
	return nil
}

// final is an error that another attempt does not mend.
type final struct{ error }

func (final) Retryable() bool { return false }

// attempt returns the context of one call. It ends with the time of the group, but not when the group is stopped by a
// reload or the end of the server: the answer is waited for, because a message that arrived without our noting
// it would be sent again.
func (i *integration) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	end := time.Now().Add(i.cfg.Timeout.Std())
	if group, ok := ctx.Deadline(); ok && group.Before(end) {
		end = group
	}
	call, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
	stop := context.AfterFunc(i.cut, cancel)
	return call, func() { stop(); cancel() }
}
