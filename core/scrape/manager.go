package scrape

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"hash/maphash"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/discovery"
)

// Manager runs the pools of all jobs.
type Manager struct {
	opts    Options
	log     *slog.Logger
	metrics *metrics
	env     env
	scratch sync.Pool // of *scratch
	replies sync.Pool // of *reply
	pace    pace

	// What changes pools holds change from beginning to end, and mu as well while it writes: so it may read under
	// change alone, and whoever lists targets need not wait for plugins to open.
	change   sync.Mutex
	features features // guarded by change
	mu       struct {
		sync.Mutex
		ctx      context.Context // while Run runs
		pools    map[string]*pool
		retiring map[uint64]*loop // by hash of the labels of the target; they wait for a successor
		seed     uint64           // moves all targets within the interval, so that two servers do not ask at the same time
	}
	running sync.WaitGroup // loops, and what waits for them
}

// NewManager returns a manager without jobs.
func NewManager(opts Options) *Manager {
	m := &Manager{opts: opts, log: opts.Logger, metrics: newMetrics(opts.Registerer)}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.env = env{storage: opts.Storage, exemplars: opts.Exemplars, metrics: m.metrics, seed: maphash.MakeSeed()}
	m.scratch.New = func() any { return newScratch() }
	m.replies.New = func() any { return new(reply) }
	m.mu.pools = map[string]*pool{}
	m.mu.retiring = map[uint64]*loop{}
	return m
}

// ApplyConfig makes the jobs those of cfg. Loops go on undisturbed where nothing has changed for them. On an error,
// which tells all that is wrong, nothing has changed at all.
func (m *Manager) ApplyConfig(cfg *config.Config) error {
	m.change.Lock()
	defer m.change.Unlock()
	ctx := m.mu.ctx
	if ctx == nil {
		ctx = context.Background()
	}
	before := m.features
	m.features = featuresOf(&cfg.Global)
	jobs := map[string]*job{}
	var errs []error
	for _, sc := range cfg.ScrapeConfigs {
		var old *job
		if p := m.mu.pools[sc.JobName]; p != nil {
			old = p.job
		}
		j, err := m.newJob(ctx, sc, old)
		if err != nil {
			errs = append(errs, fmt.Errorf("job %q: %w", sc.JobName, err))
			continue
		}
		jobs[sc.JobName] = j
	}
	if len(errs) > 0 {
		m.features = before
		for name, j := range jobs {
			if p := m.mu.pools[name]; p == nil || p.job.method != j.method {
				errs = append(errs, j.source.close())
			}
		}
		return errors.Join(errs...)
	}
	m.setSeed(cfg.Global.ExternalLabels)
	m.swap(jobs)
	return nil
}

// swap makes jobs those of the pools. m.change is held.
func (m *Manager) swap(jobs map[string]*job) {
	var old []*method
	var changed []*pool
	m.mu.Lock()
	for name, p := range m.mu.pools {
		if jobs[name] != nil {
			continue
		}
		for _, l := range p.loops {
			m.retire(l)
		}
		delete(m.mu.pools, name)
		m.adaptPace()
		m.metrics.forget(name)
		old = append(old, p.job.method)
	}
	for name, j := range jobs {
		p := m.mu.pools[name]
		switch {
		case p == nil:
			p = &pool{loops: map[string]*loop{}}
			m.mu.pools[name] = p
		case p.job.method != j.method:
			old = append(old, p.job.method)
		}
		if p.job == nil || p.job.method != j.method || !sameJob(p.job.cfg, j.cfg) {
			changed = append(changed, p)
		}
		p.job = j
	}
	m.mu.Unlock()
	if m.mu.ctx != nil {
		for _, p := range changed {
			m.sync(p)
		}
	}
	for _, method := range old {
		m.running.Go(func() {
			if err := method.close(); err != nil {
				m.log.Warn("What a job used to read its targets does not close", "err", err)
			}
		})
	}
}

// adaptPace adapts the pace to the loops that there are. mu is held.
func (m *Manager) adaptPace() {
	rate := 0.0
	for _, p := range m.mu.pools {
		rate += p.rate
	}
	m.pace.adapt(rate)
}

// setSeed derives the seed from the host and the external labels: what tells two servers with the same targets apart.
func (m *Manager) setSeed(external map[string]string) {
	host, _ := os.Hostname() // without it, the labels have to do
	h := fnv.New64a()
	h.Write([]byte(host + labels.FromMap(external).String()))
	m.mu.Lock()
	m.mu.seed = h.Sum64()
	m.mu.Unlock()
}

// SetTargets replaces the target groups of a job.
func (m *Manager) SetTargets(job string, groups []discovery.Group) {
	m.change.Lock()
	defer m.change.Unlock()
	p := m.mu.pools[job]
	if p == nil {
		return // the job has been removed
	}
	p.groups = groups
	if m.mu.ctx != nil {
		m.sync(p)
	}
}

// Run scrapes until ctx ends, and waits for all loops. A failing target is a sample (up 0), not an error.
func (m *Manager) Run(ctx context.Context) error {
	m.change.Lock()
	m.mu.Lock()
	m.mu.ctx = ctx
	m.mu.Unlock()
	for _, p := range m.mu.pools {
		m.sync(p)
	}
	m.change.Unlock()

	<-ctx.Done()
	m.change.Lock()
	defer m.change.Unlock()
	m.mu.Lock()
	m.mu.ctx = nil // from here no loop starts
	pools := m.mu.pools
	m.mu.pools = map[string]*pool{}
	m.mu.Unlock()
	m.running.Wait()
	var errs []error
	for _, p := range pools {
		errs = append(errs, p.job.method.close())
	}
	return errors.Join(errs...)
}

// start starts the loop of a target, which goes on where one that retires has ended if that had the same labels. mu is
// held.
func (m *Manager) start(j *job, t *target) *loop {
	hash := t.public.Hash()
	before := m.mu.retiring[hash]
	if before != nil && labels.Equal(before.target.public, t.public) {
		delete(m.mu.retiring, hash)
		close(before.yielded)
	} else {
		before = nil
	}
	l := m.newLoop(j, t, m.mu.seed, before)
	j.using.Add(1)
	ctx := m.mu.ctx
	m.running.Go(func() { l.run(ctx) })
	return l
}

// retire stops a loop and lets it wait for a successor. mu is held.
func (m *Manager) retire(l *loop) {
	close(l.stopped)
	hash := l.target.public.Hash()
	if m.mu.retiring[hash] == nil { // else there are two targets with the same labels: one can have a successor
		m.mu.retiring[hash] = l
	}
}

// expire ends the wait of a loop that retires. It returns false if the loop has got a successor meanwhile.
func (m *Manager) expire(l *loop) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-l.yielded:
		return false
	default:
	}
	if hash := l.target.public.Hash(); m.mu.retiring[hash] == l {
		delete(m.mu.retiring, hash)
	}
	return true
}

// sortedLoops returns all loops, sorted by the name of the job and the labels of the target.
func (m *Manager) sortedLoops() []*loop {
	m.mu.Lock()
	var all []*loop
	for _, p := range m.mu.pools {
		for _, l := range p.loops {
			all = append(all, l)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(all, func(a, b *loop) int {
		return cmp.Or(strings.Compare(a.job.cfg.JobName, b.job.cfg.JobName), labels.Compare(a.target.labels, b.target.labels))
	})
	return all
}
