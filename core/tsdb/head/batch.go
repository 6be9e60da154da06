package head

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hearth-project/hearth/core/storage"
)

// maxBatch is how many cells one record of the log holds.
const maxBatch = 1 << 16

// cell is one sample on its way into the head.
type cell struct {
	t    int64
	v    float64
	slot uint32
	next int32 // in the same group
}

// batch gathers the cells of one append, group by group. It belongs to the writer.
type batch struct {
	seq      uint64
	cells    []cell
	groups   []*group
	run      []cell
	slots    []uint32
	ids      []uint32
	vals     []float64
	rec      []byte
	ctx      rowContext
	segment  uint64 // from which on rows may be written against those before
	stored   int
	rejected int
	first    error
	lo, hi   int64  // times taken
	moves    uint64 // that were done when the cells found their places
}

func (b *batch) begin(h *Head) {
	b.stored, b.rejected, b.first = 0, 0, nil
	b.lo, b.hi = math.MinInt64, h.opts.Clock().Add(maxFuture).UnixMilli()
	if r := h.retention.Load(); r > 0 {
		if newest := min(h.newest(), b.hi); newest != math.MinInt64 {
			b.lo = newest - r
		}
	}
	b.next(h)
}

// next begins another record.
func (b *batch) next(h *Head) {
	b.seq++
	b.moves = h.w.moves
	b.cells, b.groups, b.rec, b.ctx = b.cells[:0], b.groups[:0], b.rec[:0], rowContext{}
}

func (b *batch) reject(h *Head, err error) {
	b.rejected++
	if b.first == nil || errors.Is(err, storage.ErrNoSpace) && !errors.Is(b.first, storage.ErrNoSpace) { // that may pass
		b.first = err
	}
	h.m.reject(err, 1)
}

// stage adds a sample to the batch.
func (b *batch) stage(g *group, slot uint32, t int64, v float64) {
	if math.Float64bits(v) == storage.AbsentBits {
		v = math.NaN()
	}
	i := int32(len(b.cells))
	if g.last != b.seq {
		g.last, g.chain = b.seq, i
		b.groups = append(b.groups, g)
	} else {
		b.cells[g.tail].next = i
	}
	g.tail = i
	b.cells = append(b.cells, cell{t: t, v: v, slot: slot, next: -1})
}

// flush stores the cells of the batch and appends their record to the log.
func (h *Head) flush(b *batch) error {
	if len(b.cells) == 0 {
		return nil
	}
	b.segment = h.since(h.log.Room(len(b.cells)*maxCell + len(b.cells)*maxEntry))
	for _, g := range b.groups {
		b.run = b.run[:0]
		sorted := true
		for i := g.chain; i >= 0; i = b.cells[i].next {
			c := b.cells[i]
			sorted = sorted && (len(b.run) == 0 || b.run[len(b.run)-1].t <= c.t)
			b.run = append(b.run, c)
		}
		if !sorted {
			slices.SortStableFunc(b.run, func(x, y cell) int {
				switch {
				case x.t < y.t:
					return -1
				case x.t > y.t:
					return 1
				}
				return 0
			})
		}
		for lo := 0; lo < len(b.run); {
			hi := lo + 1
			for hi < len(b.run) && b.run[hi].t == b.run[lo].t {
				hi++
			}
			h.appendCells(b, g, b.run[lo].t, b.run[lo:hi])
			lo = hi
		}
	}
	if len(b.rec) == 0 {
		return nil
	}
	_, err := h.log.Append(recRows, b.rec)
	return err
}

// since returns the first segment whose rows a row in this segment may be written against: the first since the start. Where
// nothing is synced, a power cut may take the end of a segment that has another after it, so there each stands for itself.
func (h *Head) since(segment uint64) uint64 {
	if h.opts.SyncNever {
		return segment
	}
	return h.w.since
}

// appendCells stores samples of the group at time t and logs those that it took.
func (h *Head) appendCells(b *batch, g *group, t int64, cells []cell) {
	if b.moves != h.w.moves {
		cells = h.forward(b, g, cells)
	}
	if t <= g.low || h.narrow(g, t) {
		var old []cell
		for _, c := range cells {
			if at := h.dir.locs.get(g.series[c.slot]); at != (loc{g.id, c.slot}) { // an earlier cell moved it
				h.appendCells(b, h.groupAt(at.group), t, []cell{{t: t, v: c.v, slot: at.slot}})
				continue
			}
			if !h.late(b, g, c) {
				old = append(old, c)
			}
		}
		if len(old) > 0 {
			h.reopen(b, g, t, old)
		}
		return
	}
	if len(cells) == 0 {
		return
	}
	b.slots, b.vals = b.slots[:0], b.vals[:0]
	r := g.find(t)
	exists := r < len(g.ts) && g.ts[r] == t
	var leave []cell
	mu := h.lock(g)
	mu.Lock()
	if !exists {
		g.insert(h.w.arena, r, t)
	}
	row := g.row(r)
	for _, c := range cells {
		if g.sparse[c.slot] {
			leave = append(leave, c)
			continue
		}
		was := row[c.slot]
		if storage.IsAbsent(was) {
			row[c.slot] = c.v
			b.slots = append(b.slots, c.slot)
			b.vals = append(b.vals, c.v)
		} else if math.Float64bits(was) != math.Float64bits(c.v) {
			b.reject(h, h.duplicate(g, c, was))
			continue
		}
		b.stored++
	}
	if !exists && len(b.slots) == 0 {
		g.remove(r)
	}
	mu.Unlock()
	if len(b.slots) > 0 {
		h.noteTime(t)
		b.rec = appendEntry(b.rec, &b.ctx, &g.base, b.segment, g.id, t, b.slots, b.vals)
	}
	if k := g.due(); k > 0 {
		h.seal(g, k)
	}
	for _, c := range leave {
		g.sparse[c.slot] = false
		if h.dir.locs.get(g.series[c.slot]) == (loc{g.id, c.slot}) && c.t > h.lastTime(g, c.slot) {
			h.move(b, g, c)
		} else {
			h.appendCells(b, g, t, []cell{c})
		}
	}
}

// forward stores the cells whose series moved during this batch where those are now, and returns the others.
func (h *Head) forward(b *batch, g *group, cells []cell) []cell {
	var rest []cell
	for _, c := range cells {
		now := h.dir.locs.get(g.series[c.slot])
		if now == (loc{g.id, c.slot}) {
			rest = append(rest, c)
			continue
		}
		c.slot = now.slot
		h.appendCells(b, h.groupAt(now.group), c.t, []cell{c})
	}
	return rest
}

func (h *Head) duplicate(g *group, c cell, was float64) error {
	return fmt.Errorf("series %s at %d has value %v, came %v: %w", h.full(g, c.slot), c.t, was, c.v, storage.ErrDuplicate)
}
