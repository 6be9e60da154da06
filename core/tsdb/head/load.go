package head

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/tsdb/index"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Open reads the newest snapshot, its tiles and the log after it, and returns the head as it was. What is
// damaged is reported, kept aside and counted; the rest is there.
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
	h.index.Store(index.NewMem())
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
	l := loader{h: h, began: time.Now(), index: newIndexer(h), sealing: newSealing(h)}
	err := l.read()
	l.index.finish()
	l.sealing.finish()
	if err == nil {
		l.finish()
	}
	if err == nil {
		err = l.start()
	}
	if err != nil {
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
	tiles   map[uint32][]tile
	entry   entry
	segment uint64
	lost    int // samples whose predecessors are lost
	report  wal.Report
	began   time.Time
	index   *indexer
	sealing *sealing
	pairs   labels.ScratchBuilder
	own     labels.Labels // made of pairs
	damage  []error
}

func (l *loader) damaged(err error) {
	l.damage = append(l.damage, err)
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
	h.log = wal.Open(h.opts.FS, h.opts.logDir(), max(rep.Last, h.check.segment.Load())+1, wal.Options{
		SegmentSize: h.opts.SegmentSize, SyncAlways: h.opts.SyncAlways, SyncNever: h.opts.SyncNever, Registerer: h.opts.Registerer,
	})
	h.check.mark.Store(-rep.Bytes)
	h.opts.Logger.Info("Head loaded", "series", h.series.Load(), "records", rep.Records, "torn_bytes", rep.Torn,
		"lost_samples", l.lost, "duration", time.Since(l.began))
	if len(l.damage) == 0 {
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
		g.base = base{}
		if mint := g.mint(); mint != math.MaxInt64 {
			h.noteTime(mint)
			h.noteTime(max(g.maxt(), mint))
		}
		if !g.solo && len(g.series) < maxGroup {
			h.w.byLabel[string(g.joinKey(nil))] = g
		}
	})
	h.countLoaded()
}

// snapshot reads the newest snapshot that is whole enough to be used and returns its number.
func (l *loader) snapshot() (uint64, error) {
	h, o := l.h, &l.h.opts
	ns, err := o.numbered(".snap")
	if err != nil || len(ns) == 0 {
		return 0, err
	}
	number := ns[len(ns)-1]
	name := o.snapName(number)
	f, err := o.FS.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := wal.NewReader(f, name, number, 0)
	var sets []uint32 // numbers of h.sets
	ended := false
	bad := false
	for {
		typ, data, err := r.Next()
		if err == io.EOF {
			break
		}
		var d *wal.Damage
		if errors.As(err, &d) {
			l.damaged(d)
			bad = true
			continue
		}
		if err != nil {
			return 0, err
		}
		rd := newReader(data)
		switch typ {
		case snapHeader:
			if v := rd.Uint(); v != snapVersion {
				return 0, fmt.Errorf("%s has version %d, this hearth reads %d: run the hearth that wrote it", name, v, snapVersion)
			}
			l.h.check.segment.Store(rd.Uint())
			l.h.w.nextGrp = rd.id()
			files := make([]uint64, min(rd.Uint(), 1<<20))
			for i := range files {
				files[i] = rd.Uint()
			}
			if rd.Bad {
				return 0, fmt.Errorf("%s: malformed header", name)
			}
			if n := rd.Uint(); n < 1<<28 { // those who wrote none meant none
				h.w.table.rehash(int(n))
			}
			if err := l.tileFiles(files); err != nil {
				return 0, err
			}
		case snapSet:
			if bad { // numbers of sets are counted: after a gap they would be wrong
				continue
			}
			rd.pairs(&l.pairs)
			sets = append(sets, l.keep())
		case snapGroup:
			if err := l.group(&rd, sets); err != nil {
				l.damaged(fmt.Errorf("%s: %w", name, err))
			}
		case snapEnd:
			ended = true
		}
	}
	if !ended {
		l.damaged(fmt.Errorf("%s: it has no end", name))
	}
	if len(l.damage) > 0 {
		if err := copyAside(l, name); err != nil {
			return 0, err
		}
	}
	for _, n := range sets { // the groups have their uses now
		h.sets.drop(n)
	}
	l.tiles = nil
	return number, nil
}

// copyAside keeps a damaged snapshot under another name: the checkpoint that follows deletes the original.
func copyAside(l *loader, name string) error {
	err := l.h.opts.FS.Link(name, name+".damaged")
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// tileFiles maps the tile files and sorts what they hold by group.
func (l *loader) tileFiles(numbers []uint64) error {
	l.tiles = map[uint32][]tile{}
	for _, n := range numbers {
		name := l.h.opts.tilesName(n)
		m, err := l.h.opts.FS.Map(name)
		if errors.Is(err, fs.ErrNotExist) {
			l.damaged(fmt.Errorf("%s is gone, with the tiles in it", name))
			continue
		}
		if err != nil {
			return err
		}
		data := m.Data()
		f := &tileFile{number: n, name: name, mapping: m, mint: math.MaxInt64, maxt: math.MinInt64}
		f.refs.Store(1)
		l.h.check.files = append(l.h.check.files, f)
		r := wal.NewReader(bytes.NewReader(data), name, n, 0)
		for {
			typ, rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				l.damaged(err)
				continue
			}
			if typ != tileRecord || len(rec) < 4 {
				continue
			}
			t, err := parseTile(data[r.Offset()-int64(len(rec))+4 : r.Offset()])
			if err != nil {
				l.damaged(fmt.Errorf("%s at %d: %w", name, r.Offset(), err))
				continue
			}
			t.file = f
			f.mint, f.maxt = min(f.mint, t.mint), max(f.maxt, t.maxt)
			id := binary.LittleEndian.Uint32(rec)
			l.tiles[id] = append(l.tiles[id], t)
		}
	}
	return nil
}

// group makes one group of the snapshot.
func (l *loader) group(rd *reader, sets []uint32) error {
	h := l.h
	id, flags, pos, low, floor := rd.id(), rd.Uint(), wal.Pos(rd.Uint()), rd.Int(), rd.Int()
	common := rd.labels()
	n := rd.Uint()
	if rd.Bad || n > maxGroup || n > uint64(len(rd.B)) || h.dir.groups.get(id) != nil {
		return errors.New("malformed group")
	}
	refs := make([]uint64, n)
	for i := range refs {
		refs[i] = rd.Uint()
	}
	var open tile
	if !rd.Bad && len(rd.B) > 0 {
		t, err := parseTile(rd.B)
		if err != nil || t.rows >= openRows || t.slots() > len(refs) {
			return fmt.Errorf("open rows of group %d: %w", id, errTile)
		}
		open = t
	}
	if rd.Bad {
		return errors.New("malformed group")
	}
	g := h.addGroup(id, common)
	g.pos, g.low, g.floor = pos, low, floor
	g.solo, g.byTarget = flags&groupSolo != 0, flags&groupByTarget != 0
	g.own, g.series, g.sparse = make([]uint32, 0, n), make([]uint32, 0, n), make([]bool, 0, n)
	g.widen(h.w.arena, int(n))
	for _, r := range refs {
		if r == 0 || r > uint64(len(sets)) {
			h.addSlot(g, 0, deadID)
			if r != 0 {
				l.damaged(fmt.Errorf("a series of group %s: its labels are lost", common))
			}
			continue
		}
		l.series(g, h.sets.use(sets[r-1]))
	}
	if open.rows > 0 {
		if err := l.openRows(g, &open); err != nil {
			return err
		}
	}
	for _, t := range l.tiles[id] {
		if t.maxt < floor {
			continue
		}
		// A later tile stands for all earlier ones that it overlaps.
		g.tiles = slices.DeleteFunc(g.tiles, func(o tile) bool { return o.mint <= t.maxt && t.mint <= o.maxt })
		g.tiles = append(g.tiles, t)
	}
	slices.SortFunc(g.tiles, func(a, b tile) int {
		if a.mint < b.mint {
			return -1
		}
		return 1
	})
	return nil
}

// keep returns the number of the labels in l.pairs.
func (l *loader) keep() uint32 {
	l.pairs.Overwrite(&l.own)
	return l.h.sets.keep(l.own)
}

// series gives the group its next slot, for the series with these own labels: a new one, or one that was in
// another place before.
func (l *loader) series(g *group, own uint32) {
	h := l.h
	sum := h.sumOf(g, own)
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
	at := h.newSeries(g, sum, own)
	l.index.add(g.series[at.slot], g, own)
}

func (l *loader) openRows(g *group, t *tile) error {
	ts := make([]int64, t.rows)
	if err := t.times(ts); err != nil {
		return err
	}
	rows := make([][]float64, len(ts))
	for r, at := range ts {
		g.insert(l.h.w.arena, r, at)
		rows[r] = g.row(r)
	}
	for s := range t.slots() {
		if len(t.column(uint32(s))) == 0 {
			continue
		}
		vals, err := l.h.w.values(t, uint32(s))
		if err != nil {
			return err
		}
		for r, v := range vals {
			rows[r][s] = v
		}
	}
	return nil
}

// record applies one record of the log.
func (l *loader) record(r wal.Record) error {
	h := l.h
	if r.Gap { // what follows may be written against rows that are lost
		h.dir.groups.all(func(_ uint32, g *group) { g.base.segment = 0 })
	}
	l.segment = r.Pos.Segment()
	rd := newReader(r.Data)
	switch r.Type {
	case recGroup:
		id, common, flags := rd.id(), rd.labels(), rd.Uint()
		if !rd.Bad && h.dir.groups.get(id) == nil {
			g := h.addGroup(id, common)
			g.pos, g.byTarget = r.Pos, flags&groupByTarget != 0
		}
	case recSeries:
		id, slot := rd.id(), rd.id()
		rd.pairs(&l.pairs)
		g := h.dir.groups.get(id)
		switch {
		case rd.Bad || slot >= maxGroup:
		case g == nil:
			l.damaged(fmt.Errorf("series %d of group %d: the record of the group is lost", slot, id))
			h.w.nextGrp = max(h.w.nextGrp, id+1)
		case int(slot) >= len(g.series):
			for len(g.series) < int(slot) { // their records are lost
				h.addSlot(g, 0, deadID)
			}
			l.series(g, l.keep())
		}
	case recMove:
		from, slot, to := rd.id(), rd.id(), rd.id()
		if rd.Bad || h.dir.groups.get(to) != nil {
			return nil
		}
		g := h.dir.groups.get(from)
		if g == nil || int(slot) >= len(g.series) || g.series[slot] == deadID {
			l.damaged(fmt.Errorf("group %d: the series that it goes on with is lost", to))
			h.w.nextGrp = max(h.w.nextGrp, to+1)
			return nil
		}
		h.moveTo(to, g, slot).pos = r.Pos
	case recRows:
		err := l.entry.decodeRows(r.Data, l.bases, func(e *entry, known bool) error {
			return l.cells(e, known, r.Pos)
		})
		if err != nil {
			l.damaged(fmt.Errorf("record before %d of segment %d: %w", uint32(r.Pos), l.segment, err))
		}
	}
	return nil
}

// bases returns what the entry is written against, or nil if that is lost.
func (l *loader) bases(e *entry) *base {
	g := l.h.dir.groups.get(e.group)
	if g == nil || e.top >= maxGroup {
		l.h.w.nextGrp = max(l.h.w.nextGrp, e.group+1)
		return nil
	}
	for len(g.series) <= int(e.top) { // the records of these slots are lost
		l.h.addSlot(g, 0, deadID)
	}
	if e.fresh {
		g.base.reset(l.segment)
	} else if g.base.segment != l.segment {
		return nil
	}
	g.base.grow(int(e.top) + 1)
	return &g.base
}

// cells applies one entry.
func (l *loader) cells(e *entry, known bool, pos wal.Pos) error {
	h := l.h
	if !known {
		l.lost += len(e.slots)
		return nil
	}
	g := h.dir.groups.get(e.group)
	if pos <= g.pos {
		return nil
	}
	l.store(g, e.t, e.slots, e.vals)
	return nil
}

// store puts cells in their place, whether that is open or sealed, and over what is there.
func (l *loader) store(g *group, t int64, slots []uint32, vals []float64) {
	h := l.h
	if n := len(g.tiles); n > 0 && t <= g.tiles[n-1].maxt {
		l.sealing.drain() // it may be the one
		if err := h.patch(g, t, slots, vals); err != nil {
			h.m.damage.Inc()
			h.opts.Logger.Error("A row of the log cannot be put back", "group", g.common.String(), "time", t, "err", err)
		}
		return
	}
	r := g.find(t)
	if r == len(g.ts) || g.ts[r] != t {
		g.insert(h.w.arena, r, t)
	}
	row := g.row(r)
	for i, s := range slots {
		row[s] = vals[i]
	}
	h.noteTime(t)
	if len(g.ts) == openRows {
		l.sealing.seal(g, sealRows)
	}
}
