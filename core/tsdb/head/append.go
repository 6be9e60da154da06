package head

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/index"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Records of the log: FORMAT.md, section 3.
const (
	recGroup  = 1 // a group and its common labels
	recSeries = 2 // a slot of a group and its own labels
	recRows   = 3 // cells
	recMove   = 4 // a series goes on in a group of its own
)

const (
	maxGroup   = 8192    // series of a group; a target that has more gets several
	maxBatch   = 1 << 16 // cells that one record of the log holds
	maxLabels  = 1024    // of a series
	maxSetSize = 1 << 20 // bytes of a label set
)

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
	vals     []float64
	rec      []byte
	ctx      rowContext
	segment  uint64
	stored   int
	rejected int
	first    error
	lo, hi   int64  // times taken
	moves    uint64 // that were done when the cells found their places
}

func (b *batch) begin(h *Head) {
	b.stored, b.rejected, b.first = 0, 0, nil
	b.lo, b.hi = math.MinInt64, h.opts.Clock().Add(maxFuture).UnixMilli()
	if r := h.opts.Retention.Milliseconds(); r > 0 {
		if newest := h.newest(); newest != math.MinInt64 {
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
	if b.first == nil {
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

// scratch is what an append needs outside of the lock.
type scratch struct {
	hash hasher
	keys []key
}

// Append implements storage.Writer.
func (h *Head) Append(ctx context.Context, series []model.Series) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := h.scratch.Get().(*scratch)
	defer h.scratch.Put(s)
	s.keys = s.keys[:0]
	for i := range series {
		s.keys = append(s.keys, s.hash.key(series[i].Labels))
	}
	stored, rejected, first, pos, err := h.appendSeries(series, s.keys)
	if err != nil {
		return err
	}
	if err := h.commit(pos); err != nil {
		return err
	}
	h.samples.Add(int64(stored))
	if rejected > 0 {
		return &storage.AppendError{Rejected: rejected, Stored: stored, First: first}
	}
	return nil
}

func (h *Head) appendSeries(series []model.Series, keys []key) (stored, rejected int, first error, pos wal.Pos, err error) {
	h.w.Lock()
	defer h.w.Unlock()
	if err := h.writable(); err != nil {
		h.m.reject(err, 1)
		return 0, 0, nil, 0, err
	}
	b := &h.w.batch
	b.begin(h)
	var g *group
	for i := range series {
		if len(series[i].Samples) == 0 {
			continue
		}
		at, err := h.seriesAt(keys[i], series[i].Labels, nil)
		if err != nil {
			for range series[i].Samples {
				b.reject(h, err)
			}
			continue
		}
		if g == nil || g.id != at.group {
			g = h.dir.groups.get(at.group)
		}
		for _, s := range series[i].Samples {
			if s.T < b.lo || s.T > b.hi {
				b.reject(h, fmt.Errorf("series %s: %w", series[i].Labels, h.timeError(s.T, b)))
				continue
			}
			b.stage(g, at.slot, s.T, s.V)
			if len(b.cells) == maxBatch {
				if err := h.flush(b); err != nil {
					return 0, 0, nil, 0, err
				}
				b.next(h)
				if now := h.dir.locs.get(g.series[at.slot]); now != at { // it moved
					at = now
					g = h.dir.groups.get(at.group)
				}
			}
		}
	}
	if err := h.flush(b); err != nil {
		return 0, 0, nil, 0, err
	}
	return b.stored, b.rejected, b.first, h.log.End(), nil
}

// timeError says why t is outside of what the batch takes.
func (h *Head) timeError(t int64, b *batch) error {
	if t > b.hi {
		return fmt.Errorf("%w: time %d is more than %v ahead of the clock", storage.ErrTooNew, t, maxFuture)
	}
	return fmt.Errorf("%w: time %d, the oldest that is kept is %d", storage.ErrTooOld, t, b.lo)
}

// seriesAt returns where the series is, making it if there is none: in the group of hd, or for hd nil in one
// by job and instance.
func (h *Head) seriesAt(k key, ls labels.Labels, hd *Handle) (loc, error) {
	if id, ok := h.w.table.get(k); ok {
		return h.dir.locs.get(id), nil
	}
	if err := checkLabels(ls); err != nil {
		return noLoc, err
	}
	ls = detached(ls)
	var common labels.Labels
	if hd != nil {
		common = hd.common
	} else {
		var b labels.ScratchBuilder
		ls.Range(func(l labels.Label) {
			if l.Name == "instance" || l.Name == "job" {
				b.Add(l.Name, l.Value)
			}
		})
		common = b.Labels()
	}
	g, err := h.groupFor(common)
	if err != nil {
		return noLoc, err
	}
	own := index.Own(g.common, ls)
	rec := binary.AppendUvarint(nil, uint64(g.id))
	rec = binary.AppendUvarint(rec, uint64(len(g.series)))
	if _, err := h.log.Append(recSeries, appendLabels(rec, own)); err != nil {
		return noLoc, err
	}
	return h.newSeries(g, k, ls, own), nil
}

// groupFor returns the group that new series with these common labels join.
func (h *Head) groupFor(common labels.Labels) (*group, error) {
	k := h.w.hash.key(common)
	if g := h.w.byLabel[k]; g != nil && len(g.series) < maxGroup {
		return g, nil
	}
	common = detached(common)
	id := h.w.nextGrp
	if _, err := h.log.Append(recGroup, appendLabels(binary.AppendUvarint(nil, uint64(id)), common)); err != nil {
		return nil, err
	}
	g := h.addGroup(id, common)
	h.w.byLabel[k] = g
	return g, nil
}

var errBadLabels = errors.New("bad label set")

func checkLabels(ls labels.Labels) error {
	if ls.IsEmpty() {
		return fmt.Errorf("%w: it is empty", errBadLabels)
	}
	if ls.Len() > maxLabels || ls.ByteSize() > maxSetSize {
		return fmt.Errorf("%w: more than %d labels or %d bytes", errBadLabels, maxLabels, maxSetSize)
	}
	last, bad := "", ""
	ls.Range(func(l labels.Label) {
		if l.Name <= last || l.Value == "" {
			bad = l.Name
		}
		last = l.Name
	})
	if bad != "" || last == "" {
		return fmt.Errorf("%w %s: label %q is empty, double or out of order", errBadLabels, ls, bad)
	}
	return nil
}

// flush stores the cells of the batch and appends their record to the log.
func (h *Head) flush(b *batch) error {
	if len(b.cells) == 0 {
		return nil
	}
	b.segment = h.log.Room(len(b.cells)*maxCell + len(b.cells)*maxEntry)
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

// appendCells stores samples of the group at time t and logs those that it took.
func (h *Head) appendCells(b *batch, g *group, t int64, cells []cell) {
	if b.moves != h.w.moves {
		cells = h.forward(b, g, cells)
	}
	if t <= g.low {
		var old []cell
		for _, c := range cells {
			if at := h.dir.locs.get(g.series[c.slot]); at != (loc{g.id, c.slot}) { // an earlier cell moved it
				h.appendCells(b, h.dir.groups.get(at.group), t, []cell{{t: t, v: c.v, slot: at.slot}})
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
			b.reject(h, duplicate(g, c, was))
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
	if len(g.ts) == openRows {
		h.seal(g, sealRows)
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
		h.appendCells(b, h.dir.groups.get(now.group), c.t, []cell{c})
	}
	return rest
}

func duplicate(g *group, c cell, was float64) error {
	return fmt.Errorf("series %s at %d has value %v, came %v: %w", g.full(c.slot), c.t, was, c.v, storage.ErrDuplicate)
}

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
		b.reject(h, duplicate(g, c, was))
	case h.inWindow(c.t):
		return false
	default:
		b.reject(h, outOfOrder(g, c.slot, c.t, last))
	}
	return true
}

func (h *Head) inWindow(t int64) bool {
	w := h.opts.OutOfOrderWindow.Milliseconds()
	return w > 0 && t >= h.newest()-w
}

func outOfOrder(g *group, slot uint32, t, last int64) error {
	return fmt.Errorf("series %s at %d, its newest sample is at %d: %w", g.full(slot), t, last, storage.ErrOutOfOrder)
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
	h.addSlot(to, h.w.intern.keep(g.own[slot]), g.series[slot])
	h.place(g.series[slot], loc{to.id, 0})
	h.m.moved.Inc()
	return to
}

// lastTime returns the time of the newest sample of the slot in this place of its series or an older one;
// math.MinInt64 if there is none.
func (h *Head) lastTime(g *group, slot uint32) int64 {
	last := g.lastTime(h, slot)
	for _, at := range h.dir.older[g.series[slot]] {
		if o := h.dir.groups.get(at.group); o != nil && o != g {
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
		if o := h.dir.groups.get(at.group); o != nil {
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
