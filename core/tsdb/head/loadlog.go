package head

import (
	"fmt"

	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// record applies one record of the log.
func (l *loader) record(r wal.Record) error {
	h := l.h
	if r.Gap { // what follows may be written against rows that are lost
		h.dir.groups.all(func(_ uint32, g *group) {
			if g.pos < r.Pos { // else the snapshot is newer
				l.asleep(g).known = false
			}
		})
	}
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
			own := l.keep()
			l.series(g, h.sumOf(g, own), own)
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
		err := l.entry.skimRows(r.Data, func(e *entry, rest []byte) error {
			l.row(e, rest, r.Pos)
			return nil
		})
		if err != nil {
			l.damaged(fmt.Errorf("record before %d of segment %d: %w", uint32(r.Pos), r.Pos.Segment(), err))
		}
	}
	return nil
}

// row keeps a row for its group.
func (l *loader) row(e *entry, rest []byte, pos wal.Pos) {
	h := l.h
	g := h.dir.groups.get(e.group)
	if g == nil || e.top >= maxGroup {
		h.w.nextGrp = max(h.w.nextGrp, e.group+1)
		l.lost += e.n
		return
	}
	for len(g.series) <= int(e.top) { // the records of these slots are lost
		h.addSlot(g, 0, deadID)
	}
	if pos <= g.pos { // the snapshot has it
		return
	}
	s := l.asleep(g)
	s.known = s.known || e.fresh
	if !s.known {
		l.lost += e.n
		return
	}
	s.queued.push(e, rest)
	h.noteTime(e.t)
}
