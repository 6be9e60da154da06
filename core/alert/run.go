package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hearth-project/hearth/core/config"
)

// ApplyConfig puts the routes, receivers, inhibitions, time intervals and templates of cfg in force. On an error the
// old ones stay, untouched. Alerts, silences and the memory of what was told remain; notifiers whose settings are the
// same stay open; an attempt in flight is waited for.
//
// Without a [route] alerts are kept and shown, but nobody is told.
func (m *Manager) ApplyConfig(cfg *config.Config) error {
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	old, flow, state, started := m.current()
	if state == closed {
		return errors.New("apply the configuration of alerting: it has ended")
	}
	next, err := m.plan(cfg, old)
	if err != nil {
		return err
	}
	if next.routes == nil && (old == nil || old.routes != nil) {
		m.log.Info("there is no [route]: alerts are shown, but nobody is told of them")
	}
	m.warn(next)
	if state == running {
		if flow != nil {
			flow.stop()
		}
		flow = m.start(next, started)
	}
	m.mu.Lock()
	m.mu.plan, m.mu.flow = next, flow
	m.mu.Unlock()
	m.metrics.receivers.Set(float64(next.used()))
	m.metrics.notifiers.Set(float64(len(next.opened)))
	if old != nil {
		gone := slices.DeleteFunc(slices.Clone(old.opened), func(o *opened) bool { return slices.Contains(next.opened, o) })
		if err := closeAll(gone); err != nil {
			m.log.Warn("a notifier that is no longer used did not close well", "err", err)
		}
	}
	return nil
}

func (m *Manager) current() (*plan, *flow, lifecycle, time.Time) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.mu.plan, m.mu.flow, m.mu.state, m.mu.started
}

// Run tells people until ctx ends. Then attempts in flight are waited for, notifiers closed, and what was told is
// written to disk. It can be called once.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.begin(); err != nil {
		return err
	}
	m.maintain(ctx)

	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	plan, flow, _, _ := m.current()
	if flow != nil {
		flow.stop()
	}
	m.mu.Lock()
	m.mu.state = closed
	m.mu.Unlock()
	var errs []error
	for _, s := range m.stores() {
		if _, err := s.rewrite(); err != nil {
			errs = append(errs, fmt.Errorf("save %s: %w", s.name, err))
		}
	}
	return errors.Join(append(errs, m.release(plan))...)
}

func (m *Manager) begin() error {
	m.applyMu.Lock()
	defer m.applyMu.Unlock()
	plan, _, state, _ := m.current()
	if state != idle {
		return errors.New("alerting was started twice, or after its end")
	}
	started := time.Now()
	var flow *flow
	if plan != nil {
		flow = m.start(plan, started)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.flow, m.mu.state, m.mu.started = flow, running, started
	return nil
}

// maintain keeps the journals until ctx ends.
func (m *Manager) maintain(ctx context.Context) {
	rewrite := time.NewTicker(rewriteEvery)
	defer rewrite.Stop()
	for {
		wait := syncEvery // more changes may come meanwhile; one sync is for all of them
		select {
		case <-ctx.Done():
			return
		case <-rewrite.C:
			for _, s := range m.stores() {
				if _, err := s.rewrite(); err != nil {
					m.log.Error("what was told, or is silenced, could not be written to disk", "journal", s.name, "err", err)
				}
			}
			continue
		case <-m.toldStore.changed:
		case <-m.silentStore.changed:
		case <-m.stateStore.changed:
		}
		for again := true; again; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			again = false
			for _, s := range m.stores() {
				if err := s.keep(); err != nil {
					m.log.Error("changes are in force but not on disk: a crash would forget them", "journal", s.name, "retry", retryEvery, "err", err)
					again, wait = true, retryEvery
				}
			}
		}
	}
}

func (m *Manager) stores() []*store { return []*store{m.toldStore, m.silentStore, m.stateStore} }
