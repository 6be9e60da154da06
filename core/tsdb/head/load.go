package head

import (
	"bytes"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/tsdb/index"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Open reads the newest snapshot, its tiles and the log after it, and returns the head as it was, most of it asleep. What
// is damaged is reported, kept aside and counted; the rest is there.
func Open(o Options) (*Head, error) {
	h := &Head{opts: o}
	h.SetRetention(o.Retention)
	h.m = newMetrics(h, o.Registerer)
	h.w.arena = newArena()
	h.w.hash = newHasher()
	h.sets = newLabelSets(h.w.hash)
	h.w.byLabel = map[string]*group{}
	h.w.handles = map[*Handle]struct{}{}
	h.w.dropped = map[uint32]labels.Labels{}
	h.dir.locs.none = noLoc
	h.dir.older = map[uint32][]loc{}
	h.scratch = sync.Pool{New: func() any { return new(scratch) }}
	h.decs = sync.Pool{New: func() any { return new(decoder) }}
	h.mint.Store(math.MaxInt64)
	h.maxt.Store(math.MinInt64)
	h.check.damaged = map[uint64]bool{}
	for _, d := range []string{o.logDir(), o.headDir()} {
		if err := o.FS.MkdirAll(d); err != nil {
			return nil, err
		}
	}
	if err := o.FS.SyncDir(o.Dir); err != nil {
		return nil, err
	}
	h.wakers = sync.Pool{New: newWaker}
	h.sleepers.n.Store(1) // the loader
	h.loading = &indexer{h: h}
	l := loader{h: h, began: time.Now()}
	err := l.read()
	if err == nil {
		l.finish()
		h.loading.start()
	}
	if err == nil {
		err = l.start()
	}
	h.sleepers.release()
	if err != nil {
		h.loading.done.Wait()
		h.dir.groups.all(func(_ uint32, g *group) { h.bury(g) })
		h.free()
		for _, f := range h.check.files {
			f.release()
		}
		return nil, err
	}
	return h, nil
}

// loader is what Open needs while it reads.
type loader struct {
	h       *Head
	entry   entry
	lost    int        // samples whose predecessors are lost
	created int        // series
	noted   [32]uint64 // names of sets that were noted in the group notedIn, by what they leave
	notedIn *group
	report  wal.Report
	began   time.Time
	sums    []uint32 // by slot of the group being read
	pairs   labels.ScratchBuilder
	own     labels.Labels // made of pairs
	fresh   []uint32      // sets of the snapshot that have a use too many
	mu      struct {
		sync.Mutex
		damage []error
	}
}

func (l *loader) damaged(err error) {
	l.mu.Lock()
	l.mu.damage = append(l.mu.damage, err)
	l.mu.Unlock()
	l.h.m.damage.Inc()
	l.h.opts.Logger.Error("Damage in the head's files: what it covers is lost, the rest is served", "err", err)
}

// read reads all files.
func (l *loader) read() error {
	h := l.h
	number, err := l.snapshot()
	if err != nil {
		return err
	}
	h.check.number, h.check.tried = number, number
	l.report, err = wal.Replay(h.opts.FS, h.opts.logDir(), h.check.segment.Load(), l.record)
	if err != nil {
		return fmt.Errorf("replay of the write-ahead log: %w", err)
	}
	for _, d := range l.report.Damage {
		l.damaged(d)
	}
	return nil
}

// start opens the log for what comes. If there was damage, it makes all that could be read safe at once.
func (l *loader) start() error {
	h, rep := l.h, l.report
	h.w.since = max(rep.Last, h.check.segment.Load()) + 1
	h.log = wal.Open(h.opts.FS, h.opts.logDir(), h.w.since, wal.Options{
		SegmentSize: h.opts.SegmentSize, SyncAlways: h.opts.SyncAlways, SyncNever: h.opts.SyncNever, Registerer: h.opts.Registerer,
	})
	h.check.mark.Store(-rep.Bytes)
	h.opts.Logger.Info("Head loaded", "series", h.series.Load(), "records", rep.Records, "torn_bytes", rep.Torn,
		"lost_samples", l.lost, "duration", time.Since(l.began))
	if len(l.mu.damage) == 0 {
		return nil
	}
	// The damaged files stay for whoever wants to look at them.
	segs, err := wal.Segments(h.opts.FS, h.opts.logDir())
	if err != nil {
		return err
	}
	for _, d := range rep.Damage {
		for _, s := range segs {
			if bytes.HasSuffix([]byte(d.File), []byte(wal.SegmentName(s))) {
				h.check.damaged[s] = true
			}
		}
	}
	if err := h.Checkpoint(); err != nil {
		h.opts.Logger.Error("Damaged files stay in place until a checkpoint succeeds", "err", err)
	}
	return nil
}

// finish makes the loaded head usable.
func (l *loader) finish() {
	h := l.h
	h.dir.groups.all(func(_ uint32, g *group) {
		if mint := g.mint(); mint != math.MaxInt64 {
			h.noteTime(mint)
			h.noteTime(max(g.maxt(), mint))
		}
		if s := g.asleep.Load(); s != nil && s.open.rows == 0 && len(s.queued.bytes) == 0 {
			h.bury(g)
		}
		if !g.solo && len(g.series) < maxGroup {
			h.w.byLabel[string(g.joinKey(nil))] = g
		}
	})
	h.series.Add(int64(l.created))
	h.m.created.Add(float64(l.created))
	h.countLoaded()
}

// keep returns the number of the labels in l.pairs.
func (l *loader) keep() uint32 {
	l.pairs.Overwrite(&l.own)
	return l.h.sets.keep(l.own)
}

// series gives the group its next slot, for the series with these own labels: a new one, or one that was in
// another place before.
func (l *loader) series(g *group, sum, own uint32) {
	h := l.h
	id, ok := h.w.table.get(sum, func(id uint32) bool {
		at := h.dir.locs.get(id)
		o := h.dir.groups.get(at.group)
		return labels.Equal(h.full(o, at.slot), index.Full(g.common, h.sets.get(own)))
	})
	if ok {
		slot := h.addSlot(g, own, id)
		h.place(id, loc{g.id, slot})
		return
	}
	// As newSeries does, without locks: nobody else has the head yet.
	id, slot := h.w.nextID, uint32(len(g.series))
	h.w.nextID++
	h.w.table.put(sum, id)
	h.dir.locs.set(id, loc{g.id, slot})
	g.own, g.series, g.sparse = append(g.own, own), append(g.series, id), append(g.sparse, false)
	if int(slot) >= g.stride {
		g.widen(h.w.arena, len(g.series))
	}
	if set := h.sets.at(own); !g.solo {
		if g != l.notedIn {
			l.notedIn, l.noted = g, [len(l.noted)]uint64{}
		}
		if n := &l.noted[set.traits.names%uint64(len(l.noted))]; *n != set.traits.names {
			*n = set.traits.names
			g.noteNames(set)
		}
	}
	h.loading.add(g, slot)
	l.created++
}

// asleep returns what the rows of the group are made of.
func (l *loader) asleep(g *group) *asleep {
	s := g.asleep.Load()
	if s == nil {
		s = new(asleep)
		g.asleep.Store(s)
		l.h.sleepers.n.Add(1)
	}
	return s
}
