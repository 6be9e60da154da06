package head

import (
	"sort"

	"github.com/hearth-project/hearth/core/storage"
)

// Ended returns how many series have no sample at or after t, Unix milliseconds, and how many there are in all: facets
// count, and one that changed its group counts in each that has samples of it.
func (h *Head) Ended(t int64) (ended, all int) {
	for _, g := range h.allGroups() {
		mu := h.lock(g)
		mu.RLock()
		e, a := g.ended(t)
		mu.RUnlock()
		ended, all = ended+e, all+a
	}
	return ended, all
}

// ended is Ended for one group, whose lock is held.
func (g *group) ended(t int64) (ended, all int) {
	rows := g.find(t)
	tiles := sort.Search(len(g.tiles), func(i int) bool { return g.tiles[i].maxt >= t })
	for s, id := range g.series {
		if id == deadID {
			continue
		}
		all++
		lives := false
		for r := len(g.ts) - 1; r >= rows && !lives; r-- {
			lives = !storage.IsAbsent(g.row(r)[s])
		}
		for i := len(g.tiles) - 1; i >= tiles && !lives; i-- {
			lives = len(g.tiles[i].column(uint32(s))) > 0
		}
		if !lives {
			ended++
		}
	}
	return ended, all
}
