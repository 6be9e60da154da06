package head

import (
	"sync"

	"github.com/hearth-project/hearth/core/tsdb/index"
)

// indexer notes the series that are loaded, and fills the index with them in a goroutine of its own when the rest of the
// head is there: samples of known series need no index.
type indexer struct {
	h    *Head
	runs []indexRun
	done sync.WaitGroup
}

// indexRun is series with consecutive ids, in consecutive slots of a group.
type indexRun struct {
	g        *group
	id, slot uint32 // of the first
	n        int
	own      []uint32 // their own labels
}

// add adds a series, with a greater id than those before.
func (ix *indexer) add(g *group, slot uint32) {
	id := g.series[slot]
	if k := len(ix.runs) - 1; k >= 0 {
		if r := &ix.runs[k]; r.g == g && r.id+uint32(r.n) == id && r.slot+uint32(r.n) == slot {
			r.n++
			return
		}
	}
	ix.runs = append(ix.runs, indexRun{g: g, id: id, slot: slot, n: 1})
}

// start fills the index. What it needs of the groups stays as it is until the index is asked for.
func (ix *indexer) start() {
	for i := range ix.runs {
		r := &ix.runs[i]
		r.own = r.g.own[r.slot:][:r.n:r.n]
	}
	ix.done.Go(func() {
		x := index.NewMem()
		ix.fill(x)
		ix.runs = nil
		ix.h.index.Store(x)
	})
}

func (ix *indexer) fill(x *index.Mem) {
	bulk := index.NewBulk(x)
	var owns []index.Set // by number
	var common, whole index.Set
	for _, r := range ix.runs {
		lo, hi := r.id, r.id // series whose common labels wait to be added
		flush := func() {
			if lo < hi {
				x.Find(&common, r.g.common)
				bulk.AddRange(lo, hi, &common)
			}
		}
		for i, n := range r.own {
			id := r.id + uint32(i)
			if ix.h.overrides(r.g, n) {
				flush()
				x.Find(&whole, index.Full(r.g.common, ix.h.sets.get(n)))
				bulk.AddRange(id, id+1, &whole)
				lo, hi = id+1, id+1
				continue
			}
			hi = id + 1
			for int(n) >= len(owns) {
				owns = append(owns, index.Set{})
			}
			if !owns[n].Of(x) {
				x.Find(&owns[n], ix.h.sets.get(n))
			}
			bulk.Add(id, &owns[n])
		}
		flush()
	}
	bulk.Done()
}

// idx returns the index, once what was loaded is in it.
func (h *Head) idx() *index.Mem {
	if x := h.index.Load(); x != nil {
		return x
	}
	h.loading.done.Wait()
	return h.index.Load()
}
