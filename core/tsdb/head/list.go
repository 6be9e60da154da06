package head

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// seat is a place of a series, as it was when it was looked up.
type seat struct {
	g    *group
	slot uint32
}

// Labels returns the label sets of the visible series that satisfy the matchers and have samples in mint..maxt, in no
// order. One may come more than once. Samples are not copied, and decoded only where that decides.
func (h *Head) Labels(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]labels.Labels, error) {
	if mint > maxt || h.mint.Load() > maxt || h.maxt.Load() < mint {
		return nil, ctx.Err()
	}
	ids, err := h.idx().SelectContext(ctx, ms...)
	if err != nil {
		return nil, err
	}
	l := lister{h: h, mint: mint, maxt: maxt, out: make([]labels.Labels, 0, len(ids))}
	var seats []seat
	for len(ids) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step := ids[:min(len(ids), 1024)] // the writer gets its turn in between
		ids = ids[len(step):]
		seats = h.seats(seats[:0], step)
		for len(seats) > 0 {
			n := 1
			for n < len(seats) && seats[n].g == seats[0].g {
				n++
			}
			if err := l.group(seats[:n]); err != nil {
				return nil, err
			}
			seats = seats[n:]
		}
	}
	return l.out, nil
}

// seats appends the places of series, older ones after those where they are now.
func (h *Head) seats(dst []seat, ids []uint32) []seat {
	add := func(at loc) {
		if g := h.dir.groups.get(at.group); g != nil {
			dst = append(dst, seat{g, at.slot})
		}
	}
	h.dir.RLock()
	defer h.dir.RUnlock()
	for _, id := range ids {
		if at := h.dir.locs.get(id); at != noLoc {
			add(at)
		}
	}
	if len(h.dir.older) > 0 {
		for _, id := range ids {
			for _, at := range h.dir.older[id] {
				add(at)
			}
		}
	}
	return dst
}

// lister gathers label sets, group by group.
type lister struct {
	h          *Head
	mint, maxt int64
	own        []labels.Labels
	join       index.Joiner
	out        []labels.Labels
}

// group takes the series of one group.
func (l *lister) group(seats []seat) error {
	g := seats[0].g
	l.own = l.own[:0]
	l.h.rouse(g)
	mu := l.h.lock(g)
	mu.RLock()
	err := l.present(g, seats)
	mu.RUnlock()
	if err != nil || len(l.own) == 0 {
		return err
	}
	l.join.Reset(g.common, l.own)
	for _, own := range l.own {
		l.out = append(l.out, l.join.Full(own))
	}
	return nil
}

// present makes own the own labels of those that have samples. The lock is held.
func (l *lister) present(g *group, seats []seat) error {
	mint := max(l.mint, g.floor)
	if mint > l.maxt || g.stride == 0 {
		return nil
	}
	lo := g.find(mint)
	hi := lo
	for hi < len(g.ts) && g.ts[hi] <= l.maxt {
		hi++
	}
	facets := g.solo || slices.Contains(g.names, facet.Name)
	for _, s := range seats {
		some, err := l.any(g, s.slot, lo, hi, mint)
		if err != nil {
			return err
		}
		if !some {
			continue
		}
		own := l.h.sets.get(g.own[s.slot])
		if facets {
			if own, some = facet.Split(own); !some {
				continue
			}
		}
		l.own = append(l.own, own)
	}
	return nil
}

// any tells whether the slot has a sample in the open rows lo..hi-1 or in tiles.
func (l *lister) any(g *group, slot uint32, lo, hi int, mint int64) (bool, error) {
	for r := hi - 1; r >= lo; r-- {
		if !storage.IsAbsent(g.row(r)[slot]) {
			return true, nil
		}
	}
	unsure := false
	for i := range g.tiles {
		t := &g.tiles[i]
		if t.maxt < mint || t.mint > l.maxt || len(t.column(slot)) == 0 {
			continue
		}
		if t.mint >= mint && t.maxt <= l.maxt {
			return true, nil // a column that is there has a sample
		}
		unsure = true
	}
	if !unsure {
		return false, nil
	}
	d := l.h.decs.Get().(*decoder)
	defer l.h.decs.Put(d)
	for i := range g.tiles {
		t := &g.tiles[i]
		if t.maxt < mint || t.mint > l.maxt || len(t.column(slot)) == 0 {
			continue
		}
		ts, vals, ok := d.decode(t, slot)
		if !ok {
			return false, (&columns{h: l.h}).damaged(&tileRange{tile: *t}, errTile)
		}
		for r, v := range vals {
			if ts[r] >= mint && ts[r] <= l.maxt && !storage.IsAbsent(v) {
				return true, nil
			}
		}
	}
	return false, nil
}
