// Package limits keeps the server alive and fair when there is too much of something: series, memory, disk.
//
// A Gate stands where the database would add a series that is new to it. Series that it knows go on whatever happens.
// What runs out is shared out in one order: each job keeps what it usually has, and the job that has grown most beyond
// that is the first whose new series are refused (worst.go). Near the memory budget the database is asked to let go of
// what is on disk as well, then new series are refused, then large queries (memory.go). When the disk fills up, jobs of
// low priority stop being stored before others (disk.go). Whatever is refused is counted and explained (refusals.go), and
// Report says how far away each limit is.
//
// The package knows no database, no scrape and no configuration file: core/host joins them.
package limits

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is what may change while the server runs. A limit of 0 is none.
type Config struct {
	MaxSeries          int // in memory, of all jobs
	MaxSeriesPerJob    int // of each job that has no own
	MaxSeriesPerTarget int // of each target whose job has no own

	MaxLabels     int // of a series
	MaxLabelName  int // bytes
	MaxLabelValue int // bytes
	MaxMetricName int // bytes
	Memory        int64
	QueryMemory   int64          // bytes that all queries together may hold while there is memory
	MinFree       int64          // bytes of disk below which jobs stop being stored, by priority: disk.go
	Jobs          map[string]Job // by name
}

// Job is what a job has of its own.
type Job struct {
	MaxSeries          int // of the job
	MaxSeriesPerTarget int
	Priority           Priority
}

// Options is what a Gate needs. Logger must be set.
type Options struct {
	Config     Config
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      func() time.Time      // time.Now if nil

	// Memory measures the process; Measure if nil.
	Memory func() Usage

	// Machine is the memory budget of a configuration that says none, in bytes, and where that comes from; 0 is none.
	Machine       int64
	MachineSource string

	// Pending is what the database will need for the series it has, beyond what it needs now, in bytes. May be nil.
	Pending func() int64

	// Relieve asks the database to let go of what it can, which may take a while. Run calls it. May be nil.
	Relieve func(context.Context) error

	// Queries bounds what all queries together may hold, in bytes, and returns what they hold now. May be nil.
	Queries func(bytes int64) (held int64)

	// Runtime bounds the memory of the Go runtime, in bytes: debug.SetMemoryLimit. May be nil.
	Runtime func(bytes int64)
}

// Gate decides. It implements the head's Gate. Safe for concurrent use.
type Gate struct {
	opts Options
	mu   struct {
		sync.Mutex
		cfg    Config
		series tally
		memory memory
		disk   disk
	}
	floor    atomic.Int32 // the lowest priority that is stored: the fast path of Open
	refusals refusals
}

// New returns a gate that lets everything pass until it hears of series, memory or disk.
func New(o Options) *Gate {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Memory == nil {
		o.Memory = Measure
	}
	g := &Gate{opts: o}
	g.mu.series.jobs = map[string]*job{}
	g.refusals.of = map[refusalKey]*Rejection{}
	g.refusals.counts = map[countKey]float64{}
	g.Apply(o.Config)
	if o.Registerer != nil {
		o.Registerer.MustRegister(collector{g})
	}
	return g
}

// Apply makes c what counts from now on.
func (g *Gate) Apply(c Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.cfg = c
	g.mu.memory.budget, g.mu.memory.source = c.Memory, "[limits] memory"
	if c.Memory <= 0 {
		g.mu.memory.budget, g.mu.memory.source = g.opts.Machine, g.opts.MachineSource
	}
	g.mu.disk.update(c.MinFree)
	g.floor.Store(int32(g.mu.disk.floor()))
}

// Machine returns the memory budget of a configuration that says none, in bytes; 0 is none.
func (g *Gate) Machine() int64 { return g.opts.Machine }

// Run measures once a second, and acts, until ctx ends. It returns nil.
func (g *Gate) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var relieving sync.WaitGroup
	defer relieving.Wait()
	var busy atomic.Bool
	for {
		if due := g.Tick(); due && g.opts.Relieve != nil && busy.CompareAndSwap(false, true) {
			relieving.Go(func() {
				defer busy.Store(false)
				if err := g.opts.Relieve(ctx); err != nil && ctx.Err() == nil {
					g.opts.Logger.Error("Memory is short, and the database cannot let go of any", "err", err)
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Tick measures and sets what follows; Run calls it. It tells whether the database should let go of memory.
func (g *Gate) Tick() (relieve bool) {
	now := g.opts.Clock()
	u, pending := g.opts.Memory(), int64(0)
	if g.opts.Pending != nil {
		pending = g.opts.Pending()
	}
	g.mu.Lock()
	m := &g.mu.memory
	m.measured(u, pending)
	queries, runtime := m.shares(g.mu.cfg.QueryMemory)
	relieve = m.relieveDue(now)
	p, _ := g.pressure()
	g.mu.series.measure(now, p > 0)
	g.mu.Unlock()
	if g.opts.Runtime != nil && runtime > 0 {
		g.opts.Runtime(runtime)
	}
	if g.opts.Queries != nil {
		held := g.opts.Queries(queries)
		g.mu.Lock()
		m.held = held
		g.mu.Unlock()
	}
	g.refusals.tell(g.opts.Logger, now)
	return relieve
}

// pressure returns how near the nearest of the limits is that all jobs share, and the reason a refusal has for it. The
// lock is held.
func (g *Gate) pressure() (float64, string) {
	series := pressure(float64(g.mu.series.total), float64(g.mu.cfg.MaxSeries))
	if memory := g.mu.memory.pressure(); memory > series {
		return memory, reasonMemory
	}
	return series, reasonSeries
}
