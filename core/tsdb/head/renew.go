package head

import (
	"encoding/binary"
	"fmt"

	"github.com/hearth-project/hearth/core/tsdb/index"
)

// Series of a target come and go. A slot is not given out again, so what a group keeps for each row grows with all
// series that it ever had, and one that stays would keep it all. So a group of which most slots are dead hands its
// living series on to a younger one, and is gone itself with the next cut.

const renewSlots = 32 // a group with fewer is not worth it

// renewAll renews the groups that need it. What a failing disk keeps from being done is done after another cut.
func (h *Head) renewAll(groups []*group) {
	for _, g := range groups {
		h.w.Lock()
		var err error
		if !h.w.closed {
			err = h.renew(g)
		}
		h.w.Unlock()
		if err != nil {
			h.opts.Logger.Warn("A group keeps room for series that are gone", "group", g.common.String(), "err", err)
			return
		}
	}
}

// renew moves the series of g, if they have less than half of its slots, to the group that new ones of their kind join,
// if that is younger, else to a new group. The writer calls it.
func (h *Head) renew(g *group) error {
	var live []uint32 // slots whose series go on in g
	for s, id := range g.series {
		if id != deadID && h.dir.locs.get(id) == (loc{g.id, uint32(s)}) {
			live = append(live, uint32(s))
		}
	}
	if len(g.series) < renewSlots || len(live)*2 >= len(g.series) || len(live) == 0 || h.dir.groups.get(g.id) != g {
		return nil
	}
	h.w.key = g.joinKey(h.w.key[:0])
	to := h.w.byLabel[string(h.w.key)]
	// After a start the place of a series is the one in the group with the greatest number.
	if to == nil || to.id <= g.id || len(to.series)+len(live) > maxGroup {
		var err error
		if to, err = h.joinable(g.common, g.byTarget); err != nil {
			return err
		}
		to.low = g.low
		mu := h.lock(to)
		mu.Lock()
		to.widen(h.w.arena, len(live))
		mu.Unlock()
	}
	for _, s := range live {
		own := index.Own(to.common, h.full(g, s))
		rec := binary.AppendUvarint(nil, uint64(to.id))
		rec = appendLabels(binary.AppendUvarint(rec, uint64(len(to.series))), own)
		if _, err := h.log.Append(recSeries, rec); err != nil {
			return fmt.Errorf("series %s: %w", h.full(g, s), err)
		}
		h.place(g.series[s], loc{to.id, h.addSlot(to, h.sets.keep(own), g.series[s])})
	}
	if len(g.ts) > 0 { // nothing comes any more
		h.seal(g, len(g.ts))
	}
	return nil
}
