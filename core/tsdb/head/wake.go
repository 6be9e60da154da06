package head

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// After a start groups sleep: the index knows their series, but their rows are still what the snapshot and the log have
// of them. Decoding those is most of the work of a start, and nobody has to wait for all of it. Who needs a group wakes
// it, and Wake wakes all, group by group, on several cores.
//
// Source of the idea: Graefe, Guy, Sauer, "Instant Recovery with Write-Ahead Logging", 2nd ed. 2016, chapter 3.

// asleep is what the rows of a group are made of.
type asleep struct {
	open   tile     // the open rows of the snapshot; none if there are no rows
	queued rowQueue // the rows of the log
	slots  int      // of which states tells what the first of those rows is written against
	states []byte   // in the snapshot
	known  bool     // what the next row of the log is written against is known; the loader's

	mu    sync.Mutex
	ended bool   // rows are made, or will not be
	rows  *group // what all that makes, once it is decoded: ts, slabs, tiles, base, low and full
	by    *waker // that decoded it, and has the memory of rows
}

// waker is what decoding a group needs.
type waker struct {
	arena *arena
	sealer
	decoder
	states stateCodec
	entry  entry
}

func newWaker() any { return &waker{arena: newHeapArena()} }

// groupAt returns a group, awake. The writer calls it.
func (h *Head) groupAt(id uint32) *group {
	g := h.dir.groups.get(id)
	if g != nil {
		h.wake(g)
	}
	return g
}

// wake wakes the group. The writer calls it.
func (h *Head) wake(g *group) {
	if s := g.asleep.Load(); s != nil {
		s.decode(h, g)
		h.install(g, s)
	}
}

// rouse is wake for those who do not hold the writer's lock.
func (h *Head) rouse(g *group) {
	if s := g.asleep.Load(); s != nil {
		s.decode(h, g)
		h.w.Lock()
		h.install(g, s)
		h.w.Unlock()
	}
}

// Wake wakes all groups, until ctx ends. It need not be called: it takes the wait from those who need them first.
func (h *Head) Wake(ctx context.Context) {
	var groups []*group
	h.w.Lock()
	h.dir.groups.all(func(_ uint32, g *group) { groups = append(groups, g) })
	h.w.Unlock()
	slices.Reverse(groups) // who reads or writes all begins with the first: so they do not meet at each
	h.rouseAll(ctx, groups, max(1, runtime.GOMAXPROCS(0)-1))
}

// rouseAll wakes groups in some goroutines, until ctx ends.
func (h *Head) rouseAll(ctx context.Context, groups []*group, goroutines int) {
	groups = slices.DeleteFunc(groups, func(g *group) bool { return g.asleep.Load() == nil })
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(goroutines, len(groups)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(groups) {
					return
				}
				h.rouse(groups[i])
			}
		})
	}
	wg.Wait()
}

// install gives the group its rows. The writer calls it.
func (h *Head) install(g *group, s *asleep) {
	if g.asleep.Load() != s { // somebody else did, or the head is closed
		return
	}
	mu := h.lock(g)
	mu.Lock()
	w := s.rows
	for i := range w.tiles {
		if w.tiles[i].file == nil {
			h.m.tiles.Inc()
			h.m.tileBytes.Add(float64(len(w.tiles[i].blob)))
		}
	}
	g.tiles, g.low, g.full = w.tiles, w.low, w.full
	for r, t := range w.ts {
		g.insert(h.w.arena, r, t)
		copy(g.row(r), w.row(r))
	}
	g.asleep.Store(nil)
	mu.Unlock()
	w.freeSlabs(s.by.arena)
	h.wakers.Put(s.by)
	s.rows, s.by = nil, nil
	h.sleepers.release()
}

// bury has nobody wake the group any more: the head is closed. The writer calls it.
func (h *Head) bury(g *group) {
	if s := g.asleep.Load(); s != nil {
		s.mu.Lock() // nobody is at it
		s.ended = true
		s.mu.Unlock()
		g.asleep.Store(nil)
		h.sleepers.release()
	}
}

// decode makes the rows, unless that is done. While a group sleeps nobody changes it, so that this needs no lock of it.
func (s *asleep) decode(h *Head, g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.by = h.wakers.Get().(*waker)
	w := newGroup(g.id, g.common)
	w.own, w.series, w.sparse = g.own, g.series, g.sparse
	w.low, w.full, w.tiles = g.low, g.full, g.tiles
	w.widen(s.by.arena, len(g.series))
	s.rows = w
	damaged := func(err error) {
		h.m.damage.Inc()
		h.opts.Logger.Error("Rows of the head's files are damaged: they are lost, the rest is served", "group", g.common.String(), "err", err)
	}
	if s.open.rows > 0 {
		if err := s.by.snapshot(w, &s.open); err != nil {
			damaged(fmt.Errorf("open rows in the snapshot: %w", err))
		}
	}
	bs, known := base{slots: make([]slotState, s.slots)}, true
	if len(s.queued.bytes) > 0 && s.slots > 0 {
		if err := s.by.states.read(s.states, bs.slots, s.by.states.newestOf(s.slots, len(w.ts), w.row)); err != nil {
			damaged(fmt.Errorf("snapshot: %w", err))
			known = false
		}
	}
	lost := 0
	s.queued.each(&s.by.entry, &bs, known, func(e *entry) {
		if err := s.by.store(h, w, e); err != nil {
			damaged(fmt.Errorf("row of the log at %d: %w", e.t, err))
		}
	}, func(n int, err error) {
		lost += n
		if err != nil {
			damaged(fmt.Errorf("row of the log: %w", err))
		}
	})
	if lost > 0 {
		h.opts.Logger.Error("Samples of the log are lost", "group", g.common.String(), "samples", lost)
	}
	s.open, s.queued, s.states = tile{}, rowQueue{}, nil
}

// snapshot puts the rows of a tile into the group, which has none.
func (w *waker) snapshot(g *group, t *tile) error {
	ts := make([]int64, t.rows)
	if err := t.times(ts); err != nil {
		return err
	}
	rows := make([][]float64, len(ts))
	for r, at := range ts {
		g.insert(w.arena, r, at)
		rows[r] = g.row(r)
	}
	for s := range t.slots() {
		if len(t.column(uint32(s))) == 0 {
			continue
		}
		vals, err := w.values(t, uint32(s))
		if err != nil {
			return err
		}
		for r, v := range vals {
			rows[r][s] = v
		}
	}
	return nil
}

// store puts a row of the log in its place, whether that is open or sealed, and over what is there.
func (w *waker) store(h *Head, g *group, e *entry) error {
	if n := len(g.tiles); n > 0 && e.t <= g.tiles[n-1].maxt {
		i, _ := slices.BinarySearchFunc(g.tiles, e.t, func(t tile, at int64) int {
			if t.maxt < at {
				return -1
			}
			return 1
		})
		fresh, err := patched(&g.tiles[i], len(g.series), e.t, e.slots, e.vals, &w.decoder, &w.sealer)
		if err == nil {
			g.tiles = slices.Replace(slices.Clone(g.tiles), i, i+1, fresh...)
		}
		return err
	}
	r := g.find(e.t)
	if r == len(g.ts) || g.ts[r] != e.t {
		g.insert(w.arena, r, e.t)
	}
	row := g.row(r)
	for i, s := range e.slots {
		row[s] = e.vals[i]
	}
	if k := g.due(); k > 0 {
		g.markSparse(k, h.facet)
		t := w.seal(g.ts[:k], len(g.series), g.row)
		g.tiles = append(g.tiles, t)
		g.low = max(g.low, t.maxt)
		g.dropRows(w.arena, k)
	}
	return nil
}

// unloadEvery is the number of groups that wake before what was read of the snapshot leaves memory: else it would stay until
// the last of them does.
const unloadEvery = 512

// sleepers counts the groups that sleep, and keeps the snapshot that they lie in readable.
type sleepers struct {
	n    atomic.Int64
	file *tileFile // nil if there is none
}

func (s *sleepers) release() {
	n := s.n.Add(-1)
	switch {
	case s.file == nil:
	case n == 0:
		s.file.release()
		s.file = nil
	case n%unloadEvery == 0:
		vfs.Unload(s.file.mapping)
	}
}
