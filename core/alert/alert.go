// Package alert tells people. Alerts come in from the rules and from other servers; Alertmanager's own packages, run in
// this process, sort them into groups along the routes, hold back what is inhibited, silenced or outside of its hours,
// and remember what was said, so that nobody is told the same thing twice. What is left goes as Alertmanager's webhook
// message (JSON, version 4) to the notifiers of a receiver, which are plugins; this package knows only that they
// have a Notify.
//
// The path of an alert: Put → the set of alerts (provider/mem) → dispatcher: route, group, wait → pipeline: gate,
// inhibition, time intervals, silences, notification log → integration: one attempt at a notifier.
//
// Three things must outlive the process: the notification log, the silences, and what notifiers left for their next
// message about a group. They are journals in Options.Dir:
// an entry is in the operating system's hands before the next step, so kill -9 can lose at most the note of messages
// whose receiver answered in that instant; those are sent once more. A power cut may also take the notes of the last
// second. Silences are on stable storage before Set returns. Alerts are not kept: their senders repeat them.
//
// Time is the machine's: the library's packages ask it themselves, so there is no clock to pass in.
package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/internal/vfs"
)

const (
	alertGC          = 30 * time.Minute // resolved alerts are forgotten then; a reload meanwhile still tells of them
	groupMaintenance = 30 * time.Second // empty groups are dropped then
	silenceRetention = 120 * time.Hour  // silences that have ended stay visible

	// An entry of the notification log lives for two repeat intervals, or for this if it is less, which it never is:
	// who is to be told again every month must not be told again every fifth day.
	notificationRetention = 10 * 365 * 24 * time.Hour

	maxSilences     = 100_000
	maxSilenceBytes = 1 << 20
)

// Options is what a Manager needs of its surroundings.
type Options struct {
	Dir string // of the journals; created with the first entry
	FS  vfs.FS // default the operating system's

	// Notifiers opens a notifier plugin as its receiver configures it. The Manager closes what it opened.
	Notifiers func(ctx context.Context, use config.PluginUse) (Notifier, error)

	ExternalURL *url.URL // of hearth's UI, in messages
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Manager routes alerts to notifiers. Safe for concurrent use.
type Manager struct {
	opts     Options
	log      *slog.Logger
	metrics  *metrics
	pipeline *notify.PipelineBuilder
	dispatch *dispatch.DispatcherMetrics
	recorder eventrecorder.Recorder

	alerts      *mem.Alerts
	silences    *silence.Silences
	silencer    *silence.Silencer
	told        *nflog.Log
	groupMarker marker.GroupMarker
	toldStore   *store
	silentStore *store
	states      *states
	stateStore  *store

	applyMu sync.Mutex // one change of plan and flow at a time: ApplyConfig, Run, Close
	mu      struct {
		sync.RWMutex
		plan    *plan // of the last ApplyConfig; nil before the first
		flow    *flow // the plan in force; nil while nothing runs
		state   lifecycle
		started time.Time // when Run began; zero before
	}
}

type lifecycle int

const (
	idle lifecycle = iota
	running
	closed
)

// New reads the notification log and the silences of opts.Dir. Nobody is told anything before ApplyConfig and Run.
// Close releases a Manager that is not run.
func New(opts Options) (*Manager, error) {
	if opts.FS == nil {
		opts.FS = vfs.OS{}
	}
	if opts.Registerer == nil {
		opts.Registerer = prometheus.NewRegistry()
	}
	if opts.ExternalURL == nil {
		opts.ExternalURL = &url.URL{}
	}
	// The library checks label names by a setting of its own package, which begins as the one of old versions. It is
	// the same for all, and once set only read.
	if !compat.IsValidLabelName("é") {
		compat.InitFromFlags(slog.New(slog.DiscardHandler), featurecontrol.NoopFlags{})
	}
	m := &Manager{
		opts:        opts,
		log:         opts.Logger,
		metrics:     newMetrics(opts.Registerer),
		pipeline:    notify.NewPipelineBuilder(opts.Registerer, flags{}, eventrecorder.NopRecorder()),
		dispatch:    dispatch.NewDispatcherMetrics(false, opts.Registerer, flags{}),
		recorder:    eventrecorder.NopRecorder(),
		groupMarker: marker.NewGroupMarker(),
	}
	if err := m.restore(); err != nil {
		return nil, err
	}
	m.silencer = silence.NewSilencer(m.silences, m.log, m.recorder)
	var err error
	m.alerts, err = mem.NewAlerts(context.Background(), alertGC, 0, m.silencer, m.log, m.recorder, opts.Registerer, flags{})
	if err != nil {
		return nil, errors.Join(err, m.closeStores())
	}
	return m, nil
}

// restore opens the journals and fills what they are of.
func (m *Manager) restore() error {
	told, entries, err := m.open("nflog")
	if err != nil {
		return fmt.Errorf("notification log: %w", err)
	}
	m.toldStore = told
	m.told, err = nflog.New(nflog.Options{
		SnapshotReader: entries,
		Retention:      notificationRetention,
		Logger:         m.log,
		Metrics:        m.opts.Registerer,
	})
	if err != nil {
		return fmt.Errorf("notification log %s: %w; without this file each open group is told once more", filepath.Join(m.opts.Dir, "nflog"), err)
	}
	silent, entries, err := m.open("silences")
	if err != nil {
		return errors.Join(fmt.Errorf("silences: %w", err), told.close())
	}
	m.silentStore = silent
	m.silences, err = silence.New(silence.Options{
		SnapshotReader: entries,
		Retention:      silenceRetention,
		Limits: silence.Limits{
			MaxSilences:         func() int { return maxSilences },
			MaxSilenceSizeBytes: func() int { return maxSilenceBytes },
		},
		Logging: true,
		Logger:  m.log,
		Metrics: m.opts.Registerer,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("silences %s: %w", filepath.Join(m.opts.Dir, "silences"), err), told.close(), silent.close())
	}
	kept, entries, err := m.open("groups")
	if err != nil {
		return errors.Join(fmt.Errorf("states of groups: %w", err), told.close(), silent.close())
	}
	m.stateStore = kept
	if m.states, err = newStates(entries); err != nil {
		err = fmt.Errorf("states of groups %s: %w; without this file notifiers begin anew with each group", filepath.Join(m.opts.Dir, "groups"), err)
		return errors.Join(err, m.closeStores())
	}
	told.follow(m.told)
	silent.follow(m.silences)
	kept.follow(m.states)
	return nil
}

func (m *Manager) closeStores() error {
	var errs []error
	for _, s := range m.stores() {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// Close releases what New and ApplyConfig took, if Run did not do that already. It may be called twice; while Run is
// running it does nothing.
func (m *Manager) Close() error {
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	m.mu.Lock()
	plan, state := m.mu.plan, m.mu.state
	if state == idle {
		m.mu.state = closed
	}
	m.mu.Unlock()
	if state != idle {
		return nil
	}
	return m.release(plan)
}

func (m *Manager) release(p *plan) error {
	m.alerts.Close()
	var errs []error
	if p != nil {
		errs = append(errs, closeAll(p.opened))
	}
	return errors.Join(append(errs, m.closeStores())...)
}

// flags are Alertmanager's feature flags: by receiver is how operators look at failures, and without that flag
// every integration that Alertmanager knows would show with zeros.
type flags struct{ featurecontrol.NoopFlags }

// EnableReceiverNamesInMetrics implements featurecontrol.Flagger.
func (flags) EnableReceiverNamesInMetrics() bool { return true }
