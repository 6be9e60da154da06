package rules

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// slot returns the last time at or before t at which the group is evaluated: a multiple of the interval, shifted by
// a hash of the group's identity. So groups spread over the interval, and one is evaluated at the same times after a
// restart as before it. The hash is upstream's, and with it the times.
func (s groupSpec) slot(t time.Time) time.Time {
	hash := labels.FromStrings("file", s.key.file, "name", s.key.name).Hash()
	shift := int64(hash % uint64(s.interval))
	since := (t.UnixNano() - shift) % int64(s.interval)
	return t.Add(-time.Duration(since)).UTC().Round(0)
}

// run evaluates the group at its slots until it is stopped or ctx ends. A group that restores does so after its second
// evaluation: by then targets have been scraped, and recording rules that alerts look at have results.
func (g *group) run(ctx context.Context) {
	defer close(g.done)
	at := g.spec.slot(g.env.Clock())
	for n := 1; ; n++ {
		var missed int64
		var ok bool
		if at, missed, ok = g.next(ctx, at); !ok {
			return
		}
		if n > 1 { // slots before the first are not missed
			g.counts.missed.Add(missed)
			g.counts.iterations.Add(missed)
		}
		g.iterate(ctx, at)
		if n >= 2 && g.restoring() && !g.stopping(ctx) {
			g.restore(ctx, g.env.Clock())
		}
	}
}

// next waits for the slot after prev and returns it, or, where that has long passed, the latest slot and how many
// went by in between. It returns false when the group is to end.
func (g *group) next(ctx context.Context, prev time.Time) (at time.Time, missed int64, ok bool) {
	interval := g.spec.interval
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		passed := g.env.Clock().Sub(prev)
		if passed < 0 { // the clock was set back: go on from there
			prev = g.spec.slot(g.env.Clock())
			passed = g.env.Clock().Sub(prev)
		}
		if slots := int64(passed / interval); slots > 0 {
			return prev.Add(time.Duration(slots) * interval), slots - 1, !g.stopping(ctx)
		}
		timer.Reset(interval - passed)
		select {
		case <-ctx.Done():
			return prev, 0, false
		case <-g.ending:
			return prev, 0, false
		case <-timer.C:
		}
	}
}

// stop asks the group to end after the rule that it is at. done is closed when it has.
func (g *group) stop() { g.endOnce.Do(func() { close(g.ending) }) }

// stopping tells whether the group is to end.
func (g *group) stopping(ctx context.Context) bool {
	select {
	case <-g.ending:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}
