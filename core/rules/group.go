package rules

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// group evaluates its rules one after the other. While it runs, its own goroutine alone changes it.
type group struct {
	env   *env
	spec  groupSpec
	rules []*rule
	log   *slog.Logger

	ending  chan struct{} // closed by stop
	endOnce sync.Once
	done    chan struct{} // closed at the end of run

	unrestored atomic.Bool // alerts wait for their stored state
	stale      []ended     // series of rules that a reload took away, still to be marked

	counts struct{ iterations, missed, evaluations, failures atomic.Int64 }
	last   struct {
		sync.Mutex
		at      time.Time // when the last evaluation began
		took    time.Duration
		restore time.Duration
	}
}

func newGroup(e *env, spec groupSpec, restore bool) *group {
	g := &group{
		env:    e,
		spec:   spec,
		log:    e.Logger.With("file", spec.key.file, "group", spec.key.name),
		ending: make(chan struct{}),
		done:   make(chan struct{}),
	}
	for _, s := range spec.rules {
		g.rules = append(g.rules, newRule(e, spec, s))
	}
	g.setRestoring(restore)
	return g
}

// setRestoring says whether alerts wait for their stored state.
func (g *group) setRestoring(restore bool) {
	g.unrestored.Store(restore)
	for _, r := range g.rules {
		if r.alerts != nil {
			r.alerts.setRestored(!restore)
		}
	}
}

func (g *group) restoring() bool { return g.unrestored.Load() }

func (g *group) lastRun() (at time.Time, took time.Duration) {
	g.last.Lock()
	defer g.last.Unlock()
	return g.last.at, g.last.took
}

// iterate evaluates all rules for the time at. A rule that fails does not keep the others from it.
func (g *group) iterate(ctx context.Context, at time.Time) {
	began := g.env.Clock()
	ctx = context.WithValue(ctx, groupKey{}, g.spec.key)
	g.counts.iterations.Add(1)
	for _, r := range g.rules {
		if g.stopping(ctx) {
			return
		}
		g.evaluate(ctx, r, at)
	}
	g.stale = g.markStale(ctx, at.Add(-g.spec.offset), g.stale)
	took := g.env.Clock().Sub(began)
	g.env.metrics.groupSeconds.Observe(took.Seconds())
	g.last.Lock()
	g.last.at, g.last.took = began, took
	g.last.Unlock()
}

// evaluate evaluates one rule and notes how that went.
func (g *group) evaluate(ctx context.Context, r *rule, at time.Time) {
	began := g.env.Clock()
	g.counts.evaluations.Add(1)
	samples, err := g.result(ctx, r, at)
	took := g.env.Clock().Sub(began)
	g.env.metrics.ruleSeconds.Observe(took.Seconds())
	if err != nil {
		g.counts.failures.Add(1)
		if ctx.Err() == nil { // the end of the server is no fault of the rule
			g.log.Warn("evaluating a rule: it is tried again at the next interval", "rule", r.spec.name, "err", err)
		}
	}
	r.record(began, took, samples, err)
}

// result queries, sends the alerts that the result gives, and stores its series. It returns how many these are.
func (g *group) result(ctx context.Context, r *rule, at time.Time) (samples int, err error) {
	then := at.Add(-g.spec.offset)
	vector, err := g.env.Query(ctx, r.spec.expr, then)
	if err != nil {
		return 0, err
	}
	if r.alerts == nil {
		return r.out.write(ctx, then.UnixMilli(), vector, g.spec.limit)
	}
	if vector, err = r.advanceAll(ctx, vector, at); err != nil {
		return 0, err
	}
	g.send(ctx, r, at)
	return r.out.write(ctx, then.UnixMilli(), vector, 0)
}

// takeOver continues old, which has ended: a rule with the same name and labels keeps its series and alerts, and what
// no rule continues is marked stale at the next evaluation. Of equal rules the first continues the first, and so on.
func (g *group) takeOver(old *group) {
	g.setRestoring(old.restoring())
	byIdentity := map[string][]*rule{}
	for _, r := range old.rules {
		id := r.spec.identity()
		byIdentity[id] = append(byIdentity[id], r)
	}
	for _, r := range g.rules {
		id := r.spec.identity()
		if before := byIdentity[id]; len(before) > 0 {
			r.takeOver(before[0])
			byIdentity[id] = before[1:]
		}
	}
	g.stale = old.stale
	for _, left := range byIdentity {
		for _, r := range left {
			g.stale = append(g.stale, r.out.end()...)
		}
	}
	g.counts.iterations.Store(old.counts.iterations.Load())
	g.counts.missed.Store(old.counts.missed.Load())
	g.counts.evaluations.Store(old.counts.evaluations.Load())
	g.counts.failures.Store(old.counts.failures.Load())
	at, took := old.lastRun()
	g.last.Lock()
	g.last.at, g.last.took = at, took
	g.last.Unlock()
}

// close gives up what the group holds of the storage.
func (g *group) close() {
	for _, r := range g.rules {
		r.out.close()
	}
}
