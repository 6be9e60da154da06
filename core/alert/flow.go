package alert

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/timeinterval"
)

const (
	// drain bounds how long attempts in flight may go on when their configuration is taken out of force.
	drain = 15 * time.Second
	// maxHold bounds how long after the start an alert that another may inhibit waits for the other.
	maxHold = time.Minute
)

var errStopped = errors.New("the configuration of this group is no longer in force")

// flow is a plan in force: alerts run through it to the notifiers. It is made running and stopped once.
type flow struct {
	*plan
	holdUntil  time.Time // what may be inhibited waits until then
	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher // nil without a [route]
	cut        context.CancelFunc   // ends attempts in flight
	loops      sync.WaitGroup

	flights struct {
		sync.Mutex
		sync.WaitGroup
		stopped bool
	}
}

// start puts p in force: it dispatches the alerts that are there and those to come. started is when the server began.
// Inhibition knows all alerts before the first group is told of.
func (m *Manager) start(p *plan, started time.Time) *flow {
	f := &flow{plan: p}
	if len(p.rules) > 0 {
		f.holdUntil = started.Add(min(p.cfg.Global.EvaluationInterval.Std(), maxHold))
	}
	f.inhibitor = inhibit.NewInhibitor(m.alerts, p.rules, m.log, m.recorder)
	f.loops.Go(f.inhibitor.Run)
	f.inhibitor.WaitForLoading()

	var cut context.Context
	cut, f.cut = context.WithCancel(context.Background())
	if p.routes == nil {
		return f
	}
	stages := m.pipeline.New(p.integrations(m.log, cut, m.states), func() time.Duration { return 0 }, f.inhibitor, m.silencer,
		timeinterval.NewIntervener(p.intervals), m.groupMarker, m.told, nil)
	f.dispatcher = dispatch.NewDispatcher(m.alerts, p.routes, f.gate(stages), m.groupMarker, groupTime,
		groupMaintenance, nil, m.log, m.recorder, m.dispatch, p.tmpl)
	f.loops.Go(func() { f.dispatcher.Run(time.Now()) })
	f.dispatcher.WaitForLoading()
	return f
}

// integrations returns the notifiers of each receiver in use as the library's pipeline takes them.
func (p *plan) integrations(log *slog.Logger, cut context.Context, states *states) map[string][]notify.Integration {
	byReceiver := map[string][]notify.Integration{}
	for _, r := range p.receivers {
		if !r.used {
			continue
		}
		list := []notify.Integration{}
		count := map[string]int{} // of a plugin so far: the notification log tells its uses apart by it
		for k, o := range r.notifiers {
			n := r.cfg.Notifiers[k]
			i := &integration{opened: o, cfg: n, tmpl: p.tmpl, log: log, cut: cut, states: states,
				state: stateKey{Receiver: r.cfg.Name, Plugin: n.Plugin, Index: count[n.Plugin]}}
			list = append(list, notify.NewIntegration(i, i, n.Plugin, count[n.Plugin], r.cfg.Name))
			count[n.Plugin]++
		}
		byReceiver[r.cfg.Name] = list
	}
	return byReceiver
}

// groupTime is how long the notifications of one flush of a group may take, given its group_interval.
func groupTime(interval time.Duration) time.Duration { return max(interval, notify.MinTimeout) }

// gate is the first stage. It counts the flushes in flight, so that stop can wait for them. And for a short time after
// the start of the server it holds alerts that another alert may inhibit: the senders repeat what is firing one by
// one, and the page about a service must not go out because its rule came before that of the host.
func (f *flow) gate(next notify.Stage) notify.Stage {
	var targets []labels.Matchers
	for _, r := range f.rules {
		targets = append(targets, labels.Matchers(r.TargetMatchers))
	}
	return notify.StageFunc(func(ctx context.Context, log *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
		if !f.takeOff() {
			return ctx, nil, errStopped
		}
		defer f.flights.Done()
		hold := time.Until(f.holdUntil)
		if hold > 0 && slices.ContainsFunc(alerts, func(a *amalert.Alert) bool {
			return slices.ContainsFunc(targets, func(ms labels.Matchers) bool { return ms.Matches(a.Labels) })
		}) {
			select {
			case <-time.After(hold):
			case <-ctx.Done():
				return ctx, nil, ctx.Err()
			}
		}
		return next.Exec(ctx, log, alerts...)
	})
}

func (f *flow) takeOff() bool {
	f.flights.Lock()
	defer f.flights.Unlock()
	if f.flights.stopped {
		return false
	}
	f.flights.Add(1)
	return true
}

// stop ends the dispatching. Retries end at once; an attempt in flight may go on for a while, so that what arrived
// is noted as told and not told again.
func (f *flow) stop() {
	f.dispatcher.Stop() // of nil as well
	f.flights.Lock()
	f.flights.stopped = true
	f.flights.Unlock()
	cut := time.AfterFunc(drain, f.cut)
	f.flights.Wait()
	cut.Stop()
	f.cut()
	f.inhibitor.Stop()
	f.loops.Wait()
}
