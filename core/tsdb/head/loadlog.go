package head

import (
	"fmt"

	"github.com/hearth-project/hearth/core/tsdb/wal"
)

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
	} else if g.base.segment == 0 {
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
	if k := g.due(); k > 0 {
		l.sealing.seal(g, k)
	}
}
