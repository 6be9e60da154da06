package discovery

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/config"
)

const (
	settleFirst = 100 * time.Millisecond // from the first change of a calm time to the delivery
	settleBusy  = time.Second            // between deliveries while changes keep coming
)

// Options is what a Manager needs.
type Options struct {
	// Deliver takes all groups of a job, whenever they have changed. It is called from one goroutine at a time.
	Deliver    func(job string, groups []Group)
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil for none
}

// Manager runs the providers of all jobs.
type Manager struct {
	opts    Options
	errors  *prometheus.CounterVec
	updates *prometheus.CounterVec
	targets *prometheus.GaugeVec
	wake    chan struct{}

	mu struct {
		sync.Mutex
		jobs map[string]*job
		ctx  context.Context // while Run runs
		wg   sync.WaitGroup
	}
}

type job struct {
	dirty   bool
	runners map[string]*runner // by key: the kind of provider and its settings
	retired []map[string]Group // of providers that were replaced, until the new ones have reported
}

// runner is one running provider.
type runner struct {
	provider Provider
	cancel   context.CancelFunc // nil until started
	reported bool
	groups   map[string]Group // by source
}

// NewManager returns a manager without jobs.
func NewManager(opts Options) *Manager {
	m := &Manager{
		opts: opts,
		wake: make(chan struct{}, 1),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_discovery_errors_total",
			Help: "Sources of targets that could not be read; their last good state stays in force.",
		}, []string{"job"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_discovery_updates_total",
			Help: "Messages from providers of targets.",
		}, []string{"job"}),
		targets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hearth_discovery_targets",
			Help: "Targets found, before relabelling.",
		}, []string{"job"}),
	}
	if m.opts.Logger == nil {
		m.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(m.errors, m.updates, m.targets)
	}
	m.mu.jobs = map[string]*job{}
	return m
}

// ApplyConfig starts and stops providers so that they are those of cfg; what has not changed goes on undisturbed.
func (m *Manager) ApplyConfig(cfg *config.Config) error {
	want := map[string]map[string]Provider{}
	for _, sc := range cfg.ScrapeConfigs {
		providers, err := m.providers(sc)
		if err != nil {
			return err
		}
		want[sc.JobName] = providers
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, j := range m.mu.jobs {
		if want[name] == nil {
			for _, r := range j.runners {
				r.stop()
			}
			delete(m.mu.jobs, name)
			m.errors.DeleteLabelValues(name)
			m.updates.DeleteLabelValues(name)
			m.targets.DeleteLabelValues(name)
		}
	}
	for name, providers := range want {
		j := m.mu.jobs[name]
		if j == nil {
			j = &job{runners: map[string]*runner{}, dirty: true}
			m.mu.jobs[name] = j
			m.errors.WithLabelValues(name)
		}
		j.replace(providers)
		for _, r := range j.runners {
			m.start(name, j, r)
		}
	}
	m.poke()
	return nil
}

// providers makes the providers of a job, by key.
func (m *Manager) providers(sc *config.Scrape) (map[string]Provider, error) {
	out := map[string]Provider{}
	add := func(kind string, settings any, p Provider) error {
		key, err := json.Marshal(settings)
		if err != nil {
			return fmt.Errorf("job %q, %s: %w", sc.JobName, kind, err)
		}
		out[kind+" "+string(key)] = p
		return nil
	}
	if len(sc.StaticConfigs) > 0 {
		if err := add("static", sc.StaticConfigs, newStatic(sc.StaticConfigs)); err != nil {
			return nil, err
		}
	}
	log := m.opts.Logger.With("job", sc.JobName)
	failed := func() { m.errors.WithLabelValues(sc.JobName).Inc() }
	for _, c := range sc.FileSDConfigs {
		if err := add("file", c, newFileProvider(c, log, failed)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// replace makes the runners those of want. Groups of removed ones are kept until the new ones have reported.
func (j *job) replace(want map[string]Provider) {
	for key, r := range j.runners {
		if want[key] == nil {
			r.stop()
			delete(j.runners, key)
			j.retired = append(j.retired, r.groups)
			j.dirty = true
		}
	}
	for key, p := range want {
		if j.runners[key] == nil {
			j.runners[key] = &runner{provider: p, groups: map[string]Group{}}
			j.dirty = true
		}
	}
}

func (r *runner) stop() {
	if r.cancel != nil {
		r.cancel()
	}
}

// start runs a provider and collects what it sends, if Run runs and it has not been started. mu is held.
func (m *Manager) start(name string, j *job, r *runner) {
	if m.mu.ctx == nil || r.cancel != nil {
		return
	}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(m.mu.ctx)
	updates := make(chan []Group)
	m.mu.wg.Go(func() {
		defer close(updates)
		r.provider.Run(ctx, updates)
	})
	m.mu.wg.Go(func() {
		for groups := range updates {
			m.mu.Lock()
			if ctx.Err() == nil {
				r.take(groups)
				j.dirty = true
				m.updates.WithLabelValues(name).Inc()
			}
			m.mu.Unlock()
			m.poke()
		}
	})
}

func (r *runner) take(groups []Group) {
	r.reported = true
	for _, g := range groups {
		if len(g.Targets) == 0 {
			delete(r.groups, g.Source)
		} else {
			r.groups[g.Source] = g
		}
	}
}

func (m *Manager) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run runs the providers until ctx ends, and waits for them.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	m.mu.ctx = ctx
	for name, j := range m.mu.jobs {
		for _, r := range j.runners {
			m.start(name, j, r)
		}
	}
	m.mu.Unlock()
	defer m.mu.wg.Wait()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		}
		wait := settleFirst
		if time.Since(last) < 5*settleBusy {
			wait = settleBusy
		}
		if !sleep(ctx, wait) {
			return nil
		}
		m.deliver()
		last = time.Now()
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// deliver hands over the jobs that have changed.
func (m *Manager) deliver() {
	type delivery struct {
		job    string
		groups []Group
	}
	var out []delivery
	m.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(m.mu.jobs)) {
		j := m.mu.jobs[name]
		if !j.dirty {
			continue
		}
		j.dirty = false
		groups := j.all()
		n := 0
		for _, g := range groups {
			n += len(g.Targets)
		}
		m.targets.WithLabelValues(name).Set(float64(n))
		out = append(out, delivery{name, groups})
	}
	m.mu.Unlock()
	for _, d := range out {
		m.opts.Deliver(d.job, d.groups)
	}
}

// all returns the groups of the job. The groups of replaced providers count until all others have reported.
func (j *job) all() []Group {
	bySource := map[string]Group{}
	complete := true
	for _, r := range j.runners {
		complete = complete && r.reported
	}
	if complete {
		j.retired = nil
	}
	for _, groups := range j.retired {
		maps.Copy(bySource, groups)
	}
	for _, r := range j.runners {
		maps.Copy(bySource, r.groups)
	}
	return sorted(bySource)
}
