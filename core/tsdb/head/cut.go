package head

import (
	"math"
	"sort"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/tsdb/index"
)

// A cut moves what is before a time into a part. It has three steps: Barrier closes the rows before t, so that
// nothing is added to them; the caller selects them and writes the part; Truncate, once the part is in the
// manifest, lets go of them. A sample before t that comes between or later is late: it goes into a new group,
// which this cut does not touch, and into a part with the next one.

// Barrier closes all rows before t.
func (h *Head) Barrier(t int64) {
	for _, g := range h.allGroups() {
		h.w.Lock()
		mu := h.lock(g)
		mu.Lock()
		g.low = max(g.low, t-1)
		g.cut = t
		mu.Unlock()
		h.w.Unlock()
	}
}

// NextTime returns the time of the first row at or after t; math.MaxInt64 if there is none.
func (h *Head) NextTime(t int64) int64 {
	next := int64(math.MaxInt64)
	for _, g := range h.allGroups() {
		mu := h.lock(g)
		mu.RLock()
		next = min(next, g.nextTime(t))
		mu.RUnlock()
	}
	return next
}

func (g *group) nextTime(t int64) int64 {
	t = max(t, g.floor)
	next := int64(math.MaxInt64)
	if i := sort.Search(len(g.tiles), func(i int) bool { return g.tiles[i].maxt >= t }); i < len(g.tiles) {
		if next = g.tiles[i].mint; next < t {
			next = g.tiles[i].nextTime(t)
		}
	}
	if r := g.find(t); r < len(g.ts) {
		next = min(next, g.ts[r])
	}
	return next
}

// allGroups returns the groups there are now, in order of their ids, all awake.
func (h *Head) allGroups() []*group {
	h.w.Lock()
	var gs []*group
	h.dir.groups.all(func(_ uint32, g *group) { gs = append(gs, g) })
	h.w.Unlock()
	for _, g := range gs {
		h.rouse(g)
	}
	return gs
}

// Truncate lets go of all rows before t, which Barrier(t) closed, and of series that have no sample left.
func (h *Head) Truncate(t int64) {
	groups := h.allGroups()
	for _, g := range groups {
		h.w.Lock()
		if g.cut == t && !h.w.closed {
			h.truncate(g, t)
		}
		h.w.Unlock()
	}
	if dropped := h.dropSeries(groups); dropped > 0 {
		h.m.dropped.Add(float64(dropped))
		h.renewAll(groups)
		h.rebuildIndex()
	}
	h.w.Lock()
	defer h.w.Unlock()
	mint := int64(math.MaxInt64)
	h.dir.groups.all(func(_ uint32, g *group) { mint = min(mint, g.mint()) })
	h.mint.Store(mint)
}

// truncate is Truncate for one group. The writer calls it.
func (h *Head) truncate(g *group, t int64) {
	mu := h.lock(g)
	mu.Lock()
	defer mu.Unlock()
	g.floor, g.cut = max(g.floor, t), math.MinInt64
	k := sort.Search(len(g.tiles), func(i int) bool { return g.tiles[i].maxt >= t })
	g.tiles = append([]tile(nil), g.tiles[k:]...)
	if r := g.find(t); r > 0 {
		g.dropRows(h.w.arena, r)
	}
}

// dropSeries forgets the series of which the head has no sample, and groups without series. It returns how
// many series went.
func (h *Head) dropSeries(groups []*group) int {
	h.idx() // it is made of what goes now
	n := 0
	for _, g := range groups {
		h.w.Lock()
		if !h.w.closed {
			n += h.dropFrom(g)
		}
		h.w.Unlock()
	}
	h.w.Lock()
	defer h.w.Unlock()
	if n > 0 {
		for hd := range h.w.handles {
			hd.noteDropped()
		}
		clear(h.w.dropped)
	}
	return n
}

// noteDropped keeps the labels of series that left the head: the slot stays valid.
func (hd *Handle) noteDropped() {
	for s, id := range hd.refs {
		if ls, ok := hd.h.w.dropped[id]; ok {
			if hd.lost == nil {
				hd.lost = map[uint32]labels.Labels{}
			}
			hd.lost[uint32(s)] = ls
		}
	}
}

// dropFrom drops the places of a group that have no sample. The writer calls it.
func (h *Head) dropFrom(g *group) int {
	n, alive := 0, false
	for s, id := range g.series {
		if id == deadID {
			continue
		}
		slot := uint32(s)
		if g.present(slot) {
			alive = true
			continue
		}
		if here := (loc{g.id, slot}); h.dir.locs.get(id) != here {
			h.dropOlder(id, here)
		} else if len(h.dir.older[id]) > 0 {
			alive = true // its samples are in an older place
			continue
		} else {
			h.dropCurrent(g, slot, id)
			n++
		}
		mu := h.lock(g)
		mu.Lock()
		h.sets.drop(g.own[s])
		g.own[s], g.series[s] = 0, deadID
		g.rank.Store(nil)
		mu.Unlock()
	}
	if alive || len(g.tiles) > 0 || len(g.ts) > 0 {
		return n
	}
	if k := g.joinKey(nil); h.w.byLabel[string(k)] == g {
		delete(h.w.byLabel, string(k))
	}
	h.dir.Lock()
	h.dir.groups.set(g.id, nil)
	h.dir.ngroups--
	h.dir.Unlock()
	mu := h.lock(g)
	mu.Lock()
	g.freeSlabs(h.w.arena)
	mu.Unlock()
	return n
}

func (h *Head) dropOlder(id uint32, at loc) {
	h.dir.Lock()
	defer h.dir.Unlock()
	var rest []loc
	for _, o := range h.dir.older[id] {
		if o != at {
			rest = append(rest, o)
		}
	}
	if len(rest) == 0 {
		delete(h.dir.older, id)
	} else {
		h.dir.older[id] = rest
	}
}

func (h *Head) dropCurrent(g *group, slot, id uint32) {
	full := h.full(g, slot)
	h.w.table.remove(h.w.hash.sum(full), id)
	if len(h.w.handles) > 0 {
		h.w.dropped[id] = full
	}
	h.w.moves++
	h.dir.Lock()
	h.dir.locs.set(id, noLoc)
	h.dir.Unlock()
	h.series.Add(-1)
	h.counted(full, -1)
}

// rebuildIndex makes an index without the series that were dropped.
func (h *Head) rebuildIndex() {
	fresh := index.NewMem()
	h.w.Lock()
	next := h.w.nextID
	h.w.Unlock()
	add := func(id uint32, at loc) {
		g := h.dir.groups.get(at.group)
		h.indexed(fresh, id, g, g.own[at.slot])
	}
	const step = 1024
	for lo := uint32(0); lo < next; lo += step { // a little at a time: appends go on between
		h.w.Lock()
		for id := lo; id < min(next, lo+step); id++ {
			if at := h.dir.locs.get(id); at != noLoc {
				add(id, at)
			}
		}
		h.w.Unlock()
	}
	h.w.Lock()
	defer h.w.Unlock()
	for id := next; id < h.w.nextID; id++ {
		if at := h.dir.locs.get(id); at != noLoc {
			add(id, at)
		}
	}
	h.index.Store(fresh)
}
