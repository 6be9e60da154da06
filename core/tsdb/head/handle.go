package head

import (
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Handle is a writer's view of a group: it implements storage.Group. Its slots name series, wherever those
// are: in the group, in another that had the series first, or in one of their own.
type Handle struct {
	h      *Head
	common labels.Labels

	// The rest is the writer's, under the head's lock.
	refs  []uint32                 // by storage.Slot: the series
	locs  []loc                    // and where it is, as of moves
	lost  map[uint32]labels.Labels // by slot: series that left the head since
	moves uint64
}

// Group implements storage.Writer. The group itself is made with its first series.
func (h *Head) Group(common labels.Labels) (storage.Group, error) {
	if !common.IsEmpty() {
		if err := checkLabels(common); err != nil {
			return nil, fmt.Errorf("common labels of a group: %w", err)
		}
	}
	h.w.Lock()
	defer h.w.Unlock()
	if h.w.closed {
		return nil, storage.ErrClosed
	}
	hd := &Handle{h: h, common: detached(common), moves: h.w.moves}
	h.w.handles[hd] = struct{}{}
	return hd, nil
}

// Slot implements storage.Group.
func (hd *Handle) Slot(ls labels.Labels) (storage.Slot, error) {
	h := hd.h
	h.w.Lock()
	defer h.w.Unlock()
	if err := h.writable(); err != nil {
		return 0, err
	}
	at, err := h.seriesAt(h.w.hash.sum(ls), ls, hd, nil)
	if err != nil {
		return 0, err
	}
	hd.refs = append(hd.refs, h.dir.groups.get(at.group).series[at.slot])
	hd.locs = append(hd.locs, at)
	return storage.Slot(len(hd.refs) - 1), nil
}

// Append implements storage.Group.
func (hd *Handle) Append(t int64, slots []storage.Slot, values []float64) error {
	if len(slots) != len(values) {
		return fmt.Errorf("a row of %d slots and %d values", len(slots), len(values))
	}
	pos, err := hd.append(t, slots, values)
	if err != nil {
		hd.h.m.reject(err, len(slots))
		return err
	}
	if err := hd.h.commit(pos); err != nil {
		return err
	}
	hd.h.samples.Add(int64(len(slots)))
	return nil
}

// Put is Append for a writer of several rows: they are in the log as promised once Head.Commit returns for the
// position, or a later one. It counts no samples.
func (hd *Handle) Put(t int64, slots []storage.Slot, values []float64) (wal.Pos, error) {
	if len(slots) != len(values) {
		return 0, fmt.Errorf("a row of %d slots and %d values", len(slots), len(values))
	}
	return hd.append(t, slots, values)
}

// Commit waits until the log has all up to pos as the sync setting promises, and counts n samples.
func (h *Head) Commit(pos wal.Pos, n int) error {
	err := h.commit(pos)
	if err == nil {
		h.samples.Add(int64(n))
	}
	return err
}

// Refused counts a sample that was not stored.
func (h *Head) Refused(err error) { h.m.reject(err, 1) }

func (hd *Handle) append(t int64, slots []storage.Slot, values []float64) (wal.Pos, error) {
	h := hd.h
	h.w.Lock()
	defer h.w.Unlock()
	if err := h.writable(); err != nil {
		return 0, err
	}
	if err := h.open(hd.common); err != nil {
		return 0, fmt.Errorf("row of %s: %w", hd.common, err)
	}
	b := &h.w.batch
	b.begin(h)
	if t < b.lo || t > b.hi {
		return 0, fmt.Errorf("row of %s: %w", hd.common, h.timeError(t, b))
	}
	if len(slots) == 0 {
		return h.log.End(), nil
	}
	if err := hd.refresh(slots); err != nil {
		return 0, err
	}
	if pos, done, err := hd.appendDense(b, t, slots, values); done {
		return pos, err
	}
	if err := hd.distinct(b, t, slots); err != nil {
		return 0, err
	}
	var g *group
	for i, s := range slots {
		at := hd.locs[s]
		if g == nil || g.id != at.group {
			g = h.groupAt(at.group)
		}
		if err := h.refusal(g, at.slot, t, values[i]); err != nil {
			return 0, err
		}
	}
	for i, s := range slots {
		if len(b.cells) == maxBatch {
			if err := h.flush(b); err != nil {
				return 0, err
			}
			b.next(h)
			if err := hd.refresh(slots); err != nil {
				return 0, err
			}
		}
		b.stage(h.groupAt(hd.locs[s].group), hd.locs[s].slot, t, values[i])
	}
	if err := h.flush(b); err != nil {
		return 0, err
	}
	return h.log.End(), b.first
}

// distinct returns an error if the slots name a series twice.
func (hd *Handle) distinct(b *batch, t int64, slots []storage.Slot) error {
	b.ids = b.ids[:0]
	for _, s := range slots {
		b.ids = append(b.ids, hd.refs[s])
	}
	slices.Sort(b.ids)
	for i := 1; i < len(b.ids); i++ {
		if b.ids[i] == b.ids[i-1] {
			at := hd.h.dir.locs.get(b.ids[i])
			return hd.h.twice(hd.h.dir.groups.get(at.group), at.slot, t)
		}
	}
	return nil
}

func (h *Head) twice(g *group, slot uint32, t int64) error {
	return fmt.Errorf("row at %d names series %s twice", t, h.full(g, slot))
}

// refusal returns why the sample cannot be stored, or nil, without storing anything.
func (h *Head) refusal(g *group, slot uint32, t int64, v float64) error {
	was, ok := math.NaN(), false
	if t <= g.low || h.narrow(g, t) {
		last := h.lastTime(g, slot)
		if t > last {
			return nil
		}
		if was, ok = h.sampleAt(g, slot, t); !ok {
			if h.inWindow(t) {
				return nil
			}
			return h.outOfOrder(g, slot, t, last)
		}
	} else if r := g.find(t); r < len(g.ts) && g.ts[r] == t {
		was = g.row(r)[slot]
		ok = !storage.IsAbsent(was)
	}
	if ok && math.Float64bits(was) != math.Float64bits(v) {
		return h.duplicate(g, cell{t: t, v: v, slot: slot}, was)
	}
	return nil
}

// appendDense is the common case: all series are in one group, and the row is new and the last. done is false
// if it is not that.
func (hd *Handle) appendDense(b *batch, t int64, slots []storage.Slot, values []float64) (pos wal.Pos, done bool, err error) {
	h := hd.h
	id := hd.locs[slots[0]].group
	g := h.groupAt(id)
	if t <= g.low || len(slots) > maxBatch || len(g.ts) > 0 && t <= g.ts[len(g.ts)-1] {
		return 0, false, nil
	}
	b.slots = b.slots[:0]
	for _, s := range slots {
		at := hd.locs[s]
		if at.group != id || g.sparse[at.slot] {
			return 0, false, nil
		}
		b.slots = append(b.slots, at.slot)
	}
	b.vals = append(b.vals[:0], values...)
	for i, v := range b.vals {
		if math.Float64bits(v) == storage.AbsentBits {
			b.vals[i] = math.NaN()
		}
	}
	segment := h.since(h.log.Room(maxEntry + len(slots)*maxCell))
	mu := h.lock(g)
	mu.Lock()
	r := len(g.ts)
	g.insert(h.w.arena, r, t)
	row := g.row(r)
	for i, s := range b.slots {
		if !storage.IsAbsent(row[s]) {
			g.remove(r)
			mu.Unlock()
			return 0, true, h.twice(g, s, t)
		}
		row[s] = b.vals[i]
	}
	mu.Unlock()
	h.noteTime(t)
	b.rec = appendEntry(b.rec, &b.ctx, &g.base, segment, g.id, t, b.slots, b.vals)
	if k := g.due(); k > 0 {
		h.seal(g, k)
	}
	pos, err = h.log.Append(recRows, b.rec)
	return pos, true, err
}

// refresh makes locs true for the slots; a series that left the head comes back.
func (hd *Handle) refresh(slots []storage.Slot) error {
	h := hd.h
	for _, s := range slots {
		if int(s) >= len(hd.refs) {
			return fmt.Errorf("slot %d was never given out by this group", s)
		}
	}
	if hd.moves != h.w.moves {
		for i, id := range hd.refs {
			hd.locs[i] = h.dir.locs.get(id)
		}
		hd.moves = h.w.moves
	}
	if len(hd.lost) == 0 && len(h.w.dropped) == 0 {
		return nil
	}
	for _, s := range slots {
		l, ok := hd.lost[uint32(s)]
		if !ok && hd.locs[s] == noLoc { // dropped a moment ago
			l, ok = h.w.dropped[hd.refs[s]]
		}
		if !ok {
			continue
		}
		at, err := h.seriesAt(h.w.hash.sum(l), l, hd, nil)
		if err != nil {
			return err
		}
		hd.refs[s] = h.dir.groups.get(at.group).series[at.slot]
		hd.locs[s] = at
		delete(hd.lost, uint32(s))
	}
	return nil
}

// Close implements storage.Group.
func (hd *Handle) Close() {
	hd.h.w.Lock()
	defer hd.h.w.Unlock()
	delete(hd.h.w.handles, hd)
	hd.refs, hd.locs, hd.lost = nil, nil, nil
}
