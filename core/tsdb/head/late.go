package head

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/hearth-project/hearth/core/storage"
)

// A sample is late when its group's rows of that time are closed: they are sealed, or a part has them. What to
// do about it depends on its own series.

// late takes a sample that comes after its group's rows of that time were closed: if it is in order for its
// series, the series goes on in a group of its own. It returns false if the sample is not in order but within
// the window.
func (h *Head) late(b *batch, g *group, c cell) bool {
	last := h.lastTime(g, c.slot)
	if c.t > last {
		h.move(b, g, c)
		return true
	}
	switch was, ok := h.sampleAt(g, c.slot, c.t); {
	case ok && math.Float64bits(was) == math.Float64bits(c.v):
		b.stored++
	case ok:
		b.reject(h, h.duplicate(g, c, was))
	case h.inWindow(c.t):
		return false
	default:
		b.reject(h, h.outOfOrder(g, c.slot, c.t, last))
	}
	return true
}

// inWindow tells whether t is within the window, which ends with the newest sample; but what was stored while the clock
// was ahead does not shut out what comes once it is right.
func (h *Head) inWindow(t int64) bool {
	w := h.opts.OutOfOrderWindow.Milliseconds()
	return w > 0 && t >= min(h.newest(), h.opts.Clock().Add(maxFuture).UnixMilli())-w
}

// narrow tells whether t is late though it lies among the open rows: a group of one series, made for what came late, may
// reach back further than the window with them.
func (h *Head) narrow(g *group, t int64) bool {
	n := len(g.ts)
	return g.solo && n > 0 && t < g.ts[n-1] && !h.inWindow(t)
}

func (h *Head) outOfOrder(g *group, slot uint32, t, last int64) error {
	return fmt.Errorf("series %s at %d, its newest sample is at %d: %w", h.full(g, slot), t, last, storage.ErrOutOfOrder)
}

// reopen stores samples out of order in a sealed tile, or if a part holds or is getting their time, each in a
// new group.
func (h *Head) reopen(b *batch, g *group, t int64, cells []cell) {
	n := len(g.tiles)
	if n == 0 || t > g.tiles[n-1].maxt || t < g.floor || t < g.cut {
		for _, c := range cells {
			h.move(b, g, c)
		}
		return
	}
	b.slots, b.vals = b.slots[:0], b.vals[:0]
	for _, c := range cells {
		if !slices.Contains(b.slots, c.slot) { // twice in one batch: the first counts
			b.slots = append(b.slots, c.slot)
			b.vals = append(b.vals, c.v)
		}
	}
	if err := h.patch(g, t, b.slots, b.vals); err != nil {
		for range cells {
			b.reject(h, fmt.Errorf("group %s at %d: %w", g.common, t, err))
		}
		return
	}
	b.stored += len(cells)
	b.rec = appendEntry(b.rec, &b.ctx, &g.base, b.segment, g.id, t, b.slots, b.vals)
}

// move gives the series of the cell a group of its own and stores the cell there.
func (h *Head) move(b *batch, g *group, c cell) {
	rec := binary.AppendUvarint(nil, uint64(g.id))
	rec = binary.AppendUvarint(rec, uint64(c.slot))
	rec = binary.AppendUvarint(rec, uint64(h.w.nextGrp))
	if _, err := h.log.Append(recMove, rec); err != nil {
		b.reject(h, err)
		return
	}
	to := h.moveTo(h.w.nextGrp, g, c.slot)
	h.appendCells(b, to, c.t, []cell{{t: c.t, v: c.v, next: -1}})
}

// moveTo makes the group id of one series, for that in the slot of g.
func (h *Head) moveTo(id uint32, g *group, slot uint32) *group {
	to := h.addGroup(id, g.common)
	to.solo = true
	h.addSlot(to, h.sets.use(g.own[slot]), g.series[slot])
	h.place(g.series[slot], loc{to.id, 0})
	h.m.moved.Inc()
	return to
}

// lastTime returns the time of the newest sample of the slot in this place of its series or an older one;
// math.MinInt64 if there is none.
func (h *Head) lastTime(g *group, slot uint32) int64 {
	last := g.lastTime(h, slot)
	for _, at := range h.dir.older[g.series[slot]] {
		if o := h.groupAt(at.group); o != nil && o != g {
			last = max(last, o.lastTime(h, at.slot))
		}
	}
	return last
}

func (g *group) lastTime(h *Head, slot uint32) int64 {
	for r := len(g.ts) - 1; r >= 0; r-- {
		if !storage.IsAbsent(g.row(r)[slot]) {
			return g.ts[r]
		}
	}
	for i := len(g.tiles) - 1; i >= 0; i-- {
		ts, vals, ok := h.w.decode(&g.tiles[i], slot)
		for r := len(ts) - 1; ok && r >= 0; r-- {
			if !storage.IsAbsent(vals[r]) {
				return ts[r]
			}
		}
	}
	return math.MinInt64
}

// sampleAt returns the sample of the slot at t, in any place of its series.
func (h *Head) sampleAt(g *group, slot uint32, t int64) (float64, bool) {
	if v, ok := g.sampleAt(h, slot, t); ok {
		return v, true
	}
	for _, at := range h.dir.older[g.series[slot]] {
		if o := h.groupAt(at.group); o != nil {
			if v, ok := o.sampleAt(h, at.slot, t); ok {
				return v, true
			}
		}
	}
	return 0, false
}

func (g *group) sampleAt(h *Head, slot uint32, t int64) (float64, bool) {
	if r := g.find(t); r < len(g.ts) && g.ts[r] == t {
		v := g.row(r)[slot]
		return v, !storage.IsAbsent(v)
	}
	for i := range g.tiles {
		if t < g.tiles[i].mint || t > g.tiles[i].maxt {
			continue
		}
		ts, vals, ok := h.w.decode(&g.tiles[i], slot)
		if !ok {
			continue
		}
		if r, found := slices.BinarySearch(ts, t); found && !storage.IsAbsent(vals[r]) {
			return vals[r], true
		}
	}
	return 0, false
}
