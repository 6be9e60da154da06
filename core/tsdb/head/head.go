// Package head is the part of the database in memory: the samples of the last hours that no part holds yet.
//
// Series that are written together are a group: one timestamp column, one row a scrape. The last rows of a
// group are its open tile, kept as they came; older ones are sealed into tiles, column by column. Every row is
// in the write-ahead log before its append returns; checkpoints move tiles to files, so that the log stays
// short. FORMAT.md in the folder above gives the bytes.
//
// One lock serialises writers. Each group has a lock (one of a few hundred, shared) under which readers copy
// what they need of the open tile; sealed tiles never change.
package head

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/index"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// maxFuture is how far ahead of the clock a sample may be: one with a wrong year would let retention delete
// everything else.
const maxFuture = 10 * time.Minute

const stripes = 256

// Options tunes a Head. FS, Dir, Clock and Logger must be set.
type Options struct {
	FS          vfs.FS
	Dir         string // holds wal/ and head/
	SegmentSize int64  // of the log; 0 means wal.DefaultSegmentSize
	SyncAlways  bool
	SyncNever   bool
	Retention   time.Duration // samples older than the newest by this are refused; 0 means none are
	Newest      int64         // time of the newest sample in parts; math.MinInt64 if there is none

	// OutOfOrderWindow is how much older than the newest sample one may be that is neither in order for its
	// series nor in reach of the open rows.
	OutOfOrderWindow time.Duration

	Gate Gate // may be nil

	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      func() time.Time
}

// Head is the part of the database in memory. Safe for concurrent use.
type Head struct {
	opts Options
	log  *wal.Log
	m    *metrics

	// The writer's. Appends, the cut and the checkpoint hold it for moments.
	w struct {
		sync.Mutex
		arena  *arena
		sealer sealer
		decoder
		hash    hasher
		table   table
		byLabel map[string]*group // by joinKey: the group that new series join
		bytes   []byte            // of a record being made
		key     []byte            // of the group that is looked for
		nextID  uint32            // of the next series
		nextGrp uint32
		own     index.Set // of the series being added
		batch   batch
		closed  bool
		handles map[*Handle]struct{}
		since   uint64                   // the segment that the start began
		moves   uint64                   // counts changes of where series are
		dropped map[uint32]labels.Labels // by series, until the handles know
	}

	// Where series are; the writer changes it under the lock and reads without.
	dir struct {
		sync.RWMutex
		groups  paged[*group]
		ngroups int
		locs    paged[loc]
		older   map[uint32][]loc // places that series had before, oldest first
	}
	index atomic.Pointer[index.Mem] // nil until what was loaded is in it: idx waits
	sets  *labelSets

	locks [stripes]sync.RWMutex // by group

	mint, maxt atomic.Int64 // of the samples; MaxInt64 and MinInt64 while there are none
	samples    atomic.Int64 // appended since the start
	series     atomic.Int64
	retention  atomic.Int64 // milliseconds; Options.Retention, unless that has changed since

	scratch sync.Pool // of *scratch
	decs    sync.Pool // of *decoder, for readers

	loading  *indexer
	sleepers sleepers  // the writer's
	wakers   sync.Pool // of *waker

	check checkpointState
}

// loc is where a series is.
type loc struct{ group, slot uint32 }

var noLoc = loc{deadID, deadID}

func (h *Head) lock(g *group) *sync.RWMutex { return &h.locks[g.id%stripes] }

// Stats is a look at the head.
type Stats struct {
	Series     int
	Groups     int
	Samples    int64 // appended since the start
	MinTime    int64 // Unix milliseconds; meaningless while Empty
	MaxTime    int64
	Empty      bool
	OpenBytes  int64 // memory of open tiles
	LogBytes   int64 // of the write-ahead log that a restart would read
	TilesBytes int64 // of sealed tiles on the heap
}

// Stats returns what the head holds now.
func (h *Head) Stats() Stats {
	h.w.Lock()
	open := h.w.arena.inUse
	h.w.Unlock()
	h.dir.RLock()
	groups := h.dir.ngroups
	h.dir.RUnlock()
	s := Stats{
		Series: h.visible(), Groups: groups, Samples: h.samples.Load(), OpenBytes: open,
		MinTime: h.mint.Load(), MaxTime: h.maxt.Load(), LogBytes: h.LogBytes(),
	}
	s.Empty = s.MinTime > s.MaxTime
	return s
}

// visible returns how many series there are to users.
func (h *Head) visible() int { return int(h.series.Load()) - h.idx().With(facet.Name) }

// Cardinality counts series by what their labels are; see index.Mem.
func (h *Head) Cardinality(limit int) storage.Cardinality {
	return h.idx().Cardinality(limit, facet.Name)
}

// MinTime returns the time of the oldest sample, about; math.MaxInt64 while there is none.
func (h *Head) MinTime() int64 { return h.mint.Load() }

// MaxTime returns the time of the newest sample; math.MinInt64 while there is none.
func (h *Head) MaxTime() int64 { return h.maxt.Load() }

// newest returns the time of the newest sample of all, math.MinInt64 if there is none.
func (h *Head) newest() int64 { return max(h.maxt.Load(), h.opts.Newest) }

// noteTime widens the head's range; the writer calls it.
func (h *Head) noteTime(t int64) {
	if t < h.mint.Load() {
		h.mint.Store(t)
	}
	if t > h.maxt.Load() {
		h.maxt.Store(t)
	}
}

// SetRetention changes Options.Retention.
func (h *Head) SetRetention(d time.Duration) { h.retention.Store(d.Milliseconds()) }

// Sync makes all that was acknowledged durable.
func (h *Head) Sync() error { return h.log.Sync() }

// Close writes and syncs what is pending. Appends and selections fail from now on. It may be called twice.
func (h *Head) Close() error {
	h.loading.done.Wait()
	h.check.Lock() // no checkpoint is under way
	defer h.check.Unlock()
	h.w.Lock()
	defer h.w.Unlock()
	if h.w.closed {
		return nil
	}
	h.w.closed = true
	err := h.log.Close()
	h.dir.Lock()
	h.dir.groups.all(func(_ uint32, g *group) {
		h.bury(g)
		mu := h.lock(g)
		mu.Lock()
		g.ts, g.tiles, g.stride = nil, nil, 0 // a reader that still has the group finds nothing
		mu.Unlock()
	})
	h.dir.groups = paged[*group]{}
	h.dir.ngroups = 0
	h.dir.Unlock()
	h.free()
	for _, f := range h.check.files {
		f.release()
	}
	h.check.files = nil
	return err
}

// free gives the memory outside of the heap back.
func (h *Head) free() {
	h.w.arena.close()
	h.w.table.free()
	h.sets.table.free()
}

// writable returns why nothing can be written, or nil. The writer calls it.
func (h *Head) writable() error {
	if h.w.closed {
		return storage.ErrClosed
	}
	if err := h.log.Err(); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
	}
	return nil
}

// commit waits until the log has all up to pos, and counts.
func (h *Head) commit(pos wal.Pos) error {
	if err := h.log.Commit(pos); err != nil {
		if errors.Is(err, wal.ErrFailed) {
			return fmt.Errorf("%w: %w", storage.ErrNoSpace, err)
		}
		return err
	}
	return nil
}

// addGroup makes a group. The writer calls it.
func (h *Head) addGroup(id uint32, common labels.Labels) *group {
	g := newGroup(id, common)
	g.traits = h.w.hash.traits(common)
	h.dir.Lock()
	h.dir.groups.set(id, g)
	h.dir.ngroups++
	h.dir.Unlock()
	h.w.nextGrp = max(h.w.nextGrp, id+1)
	return g
}

// addSlot gives the group its next slot, for series id.
func (h *Head) addSlot(g *group, own, id uint32) uint32 {
	slot := uint32(len(g.series))
	mu := h.lock(g)
	mu.Lock()
	g.own = append(g.own, own)
	g.series = append(g.series, id)
	g.sparse = append(g.sparse, false)
	g.widen(h.w.arena, len(g.series))
	g.rank.Store(nil)
	if !g.solo {
		g.noteNames(h.sets.at(own))
	}
	mu.Unlock()
	return slot
}

// place makes slot the place of series id, new or not.
func (h *Head) place(id uint32, to loc) {
	h.dir.Lock()
	defer h.dir.Unlock()
	if was := h.dir.locs.get(id); was != noLoc {
		h.dir.older[id] = append(h.dir.older[id], was)
		h.w.moves++
	}
	h.dir.locs.set(id, to)
}

// newSeries puts a series, which has no place yet, into the group, without logging it. own is the number of its own
// labels, one use of which is the group's from now on.
func (h *Head) newSeries(g *group, sum, own uint32) loc {
	id := h.w.nextID
	h.w.nextID++
	at := loc{g.id, h.addSlot(g, own, id)}
	h.place(id, at)
	h.w.table.put(sum, id)
	h.series.Add(1)
	h.m.created.Inc()
	return at
}

// overrides tells whether own labels have a name of the common ones of the group.
func (h *Head) overrides(g *group, own uint32) bool {
	set := h.sets.at(own)
	if g.traits.some&set.traits.some == 0 {
		return false
	}
	found := false
	set.ls.Range(func(l labels.Label) { found = found || g.common.Has(l.Name) })
	return found
}

// sumOf returns the hash of the series with these own labels.
func (h *Head) sumOf(g *group, own uint32) uint32 {
	if h.overrides(g, own) {
		return h.w.hash.sum(index.Full(g.common, h.sets.get(own)))
	}
	return g.traits.sum + h.sets.at(own).traits.sum
}

// indexed adds a series to the index. The writer calls it.
func (h *Head) indexed(x *index.Mem, id uint32, g *group, own uint32) {
	if h.overrides(g, own) {
		x.Find(&h.w.own, index.Full(g.common, h.sets.get(own)))
		x.AddSets(id, &h.w.own)
		return
	}
	if !g.found.Of(x) {
		x.Find(&g.found, g.common)
	}
	x.Find(&h.w.own, h.sets.get(own))
	x.AddSets(id, &g.found, &h.w.own)
}

// seal encodes the oldest k open rows of the group as a tile.
func (h *Head) seal(g *group, k int) {
	g.markSparse(k, h.facet)
	t := h.w.sealer.seal(g.ts[:k], len(g.series), g.row)
	mu := h.lock(g)
	mu.Lock()
	g.tiles = append(g.tiles, t)
	g.low = max(g.low, t.maxt)
	g.dropRows(h.w.arena, k)
	mu.Unlock()
	h.m.tiles.Inc()
	h.m.tileBytes.Add(float64(len(t.blob)))
}

type metrics struct {
	created, dropped   prometheus.Counter
	tiles, tileBytes   prometheus.Counter
	rejected           *prometheus.CounterVec
	moved, damage      prometheus.Counter
	checkpoints        prometheus.Histogram
	checkpointFailures prometheus.Counter
}

func newMetrics(h *Head, reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		created:            counter("hearth_head_series_created_total", "Series added to the head."),
		dropped:            counter("hearth_head_series_dropped_total", "Series that left the head because parts hold all their samples."),
		tiles:              counter("hearth_head_tiles_sealed_total", "Tiles sealed."),
		tileBytes:          counter("hearth_head_tiles_sealed_bytes_total", "Bytes of sealed tiles."),
		moved:              counter("hearth_head_series_moved_total", "Series that got a timestamp column of their own."),
		damage:             counter("hearth_head_damage_total", "Damaged places met in the log, the tiles or the snapshot."),
		checkpointFailures: counter("hearth_head_checkpoint_failures_total", "Checkpoints that failed; they are tried again."),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_head_samples_rejected_total", Help: "Samples refused, by reason."}, []string{"reason"}),
		checkpoints: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "hearth_head_checkpoint_seconds", Help: "Duration of a checkpoint.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 8)}),
	}
	if reg != nil {
		reg.MustRegister(m.created, m.dropped, m.tiles, m.tileBytes, m.rejected, m.moved, m.damage, m.checkpoints, m.checkpointFailures,
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "hearth_head_samples_appended_total", Help: "Samples taken."},
				func() float64 { return float64(h.samples.Load()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_head_series", Help: "Series in the head."},
				func() float64 { return float64(h.visible()) }))
	}
	return m
}

// reject counts n samples refused for err.
func (m *metrics) reject(err error, n int) {
	reason := "other"
	for _, r := range []struct {
		err  error
		name string
	}{
		{storage.ErrOutOfOrder, "out_of_order"}, {storage.ErrDuplicate, "duplicate"}, {storage.ErrTooOld, "too_old"},
		{storage.ErrTooNew, "too_new"}, {storage.ErrNoSpace, "no_space"}, {storage.ErrLimit, "limit"}, {storage.ErrClosed, "closed"},
	} {
		if errors.Is(err, r.err) {
			reason = r.name
			break
		}
	}
	m.rejected.WithLabelValues(reason).Add(float64(n))
}
