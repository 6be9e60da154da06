// Package rules evaluates recording and alerting rules on a clock. Rule files are Prometheus's YAML, unchanged, and
// so are the semantics: groups with their own interval, whose rules run one after the other so that later ones see
// what earlier ones recorded; evaluation times that are spread over the interval and never drift; alerts that wait
// (`for`), hold on (keep_firing_for) and are sent again; staleness markers for what vanishes.
//
// The path of an evaluation: schedule.go wakes a group at its slot, group.go goes through its rules, rule.go and
// alerting.go turn a query's result into series, output.go writes them as one row, send.go hands alerts on. What
// happens on a reload is in manager.go and in takeOver of group.go; what happens after a restart in restore.go.
package rules

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// QueryFunc evaluates an instant query. A scalar comes as one sample without labels. GroupOf tells for which group.
type QueryFunc func(ctx context.Context, expr string, t time.Time) (model.Vector, error)

// NotifyFunc takes alerts that fire or have been resolved. What it refuses is handed over again at the next evaluation.
type NotifyFunc func(ctx context.Context, alerts []*model.Alert) error

// Storage is where results go, and where the state of alerts is found again after a restart.
type Storage interface {
	storage.Writer
	storage.Queryable
}

// Options says what a Manager works with. Query, Storage and Parser must be set.
type Options struct {
	Query       QueryFunc
	Storage     Storage
	Notify      NotifyFunc // nil: alerts are sent to nobody
	ExternalURL *url.URL   // how users reach hearth; in links and templates
	Parser      parser.Parser

	ResendDelay     time.Duration // between two sends of an alert that goes on; 0 means 1m
	OutageTolerance time.Duration // how old stored alert state may be to be taken up again; 0 means 1h
	ForGracePeriod  time.Duration // least time between a restart and the firing of a restored alert; 0 means 10m

	Logger     *slog.Logger          // nothing is logged if nil
	Registerer prometheus.Registerer // no metrics if nil
	Clock      func() time.Time      // time.Now if nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{}
	}
	if o.Notify == nil {
		o.Notify = func(context.Context, []*model.Alert) error { return nil }
	}
	o.ResendDelay = cmp.Or(o.ResendDelay, time.Minute)
	o.OutageTolerance = cmp.Or(o.OutageTolerance, time.Hour)
	o.ForGracePeriod = cmp.Or(o.ForGracePeriod, 10*time.Minute)
	return o
}

// Manager runs the rule groups of the configuration in force. Its methods are safe for concurrent use.
type Manager struct {
	env *env

	apply sync.Mutex // one change of the set of groups at a time; taken before mu
	mu    struct {
		sync.Mutex
		groups  map[groupKey]*group
		run     context.Context // of Run; nil before it
		stopped bool            // Run has ended, or is about to
		loaded  bool            // a configuration has been applied
	}
	running sync.WaitGroup
}

// env is what every group needs of the Manager.
type env struct {
	Options
	metrics *metrics
	outputs func() []*output // of all rules in force
}

// NewManager returns a Manager without rules; ApplyConfig gives it some and Run evaluates them.
func NewManager(o Options) *Manager {
	m := &Manager{env: &env{Options: o.withDefaults()}}
	m.env.metrics = newMetrics(m, o.Registerer)
	m.env.outputs = m.outputs
	return m
}

// ApplyConfig loads the rule files and puts their groups in force. Unchanged groups go on as if nothing had happened;
// changed ones keep the state of the rules that have the same name and labels. If anything is wrong with a file, the
// error is a config.Problems that names every problem's place, and nothing changes. After Run has ended it does
// nothing.
func (m *Manager) ApplyConfig(cfg *config.Config) error {
	specs, err := load(cfg, m.env.Parser, m.env.Logger)
	if err != nil {
		return err
	}
	m.apply.Lock()
	defer m.apply.Unlock()
	m.mu.Lock()
	old, run, first := m.mu.groups, m.mu.run, !m.mu.loaded
	stopped := m.mu.stopped
	m.mu.Unlock()
	if stopped {
		return nil
	}

	groups := make(map[groupKey]*group, len(specs))
	var fresh []*group
	for _, spec := range specs {
		before := old[spec.key]
		if before != nil && before.spec.equal(spec) {
			groups[spec.key] = before
			continue
		}
		g := newGroup(m.env, spec, first)
		groups[spec.key] = g
		fresh = append(fresh, g)
	}
	var going []*group
	for key, g := range old {
		if groups[key] != g {
			g.stop()
			going = append(going, g)
		}
	}
	for _, g := range going { // all are stopping already: this takes as long as the slowest
		if run != nil {
			<-g.done
		}
		if after := groups[g.spec.key]; after != nil {
			after.takeOver(g)
		}
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.groups, m.mu.loaded = groups, true
	active := run != nil && !m.mu.stopped
	if active {
		for _, g := range fresh {
			m.start(run, g)
		}
	}
	for _, g := range going {
		switch {
		case groups[g.spec.key] != nil: // has taken over what g held
		case active:
			m.running.Go(func() { g.retire(run) })
		default:
			g.close()
		}
	}
	return nil
}

// start runs g. m.mu is held.
func (m *Manager) start(ctx context.Context, g *group) { m.running.Go(func() { g.run(ctx) }) }

// Run evaluates the groups, those that ApplyConfig brings later too, until ctx ends; then it waits for the
// evaluations in flight and returns nil. It may be called once.
func (m *Manager) Run(ctx context.Context) error {
	m.apply.Lock()
	m.mu.Lock()
	m.mu.run = ctx
	for _, g := range m.mu.groups {
		m.start(ctx, g)
	}
	m.mu.Unlock()
	m.apply.Unlock()

	<-ctx.Done()
	m.mu.Lock()
	m.mu.stopped = true
	m.mu.Unlock()
	m.apply.Lock() // one in progress ends first
	defer m.apply.Unlock()
	m.running.Wait()
	for _, g := range m.sorted() {
		g.close()
	}
	return nil
}

// sorted returns the groups in force, by file and name.
func (m *Manager) sorted() []*group {
	m.mu.Lock()
	groups := make([]*group, 0, len(m.mu.groups))
	for _, g := range m.mu.groups {
		groups = append(groups, g)
	}
	m.mu.Unlock()
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.spec.key.file, b.spec.key.file), cmp.Compare(a.spec.key.name, b.spec.key.name))
	})
	return groups
}

// outputs returns those of all rules in force.
func (m *Manager) outputs() (out []*output) {
	for _, g := range m.sorted() {
		for _, r := range g.rules {
			out = append(out, r.out)
		}
	}
	return out
}
