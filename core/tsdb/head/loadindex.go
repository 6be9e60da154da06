package head

import (
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// indexer fills the index while the rest of the head is being loaded, in a goroutine of its own.
type indexer struct {
	h     *Head
	batch []indexed
	jobs  chan []indexed
	done  chan struct{}
}

// indexed is a series to be added to the index.
type indexed struct {
	g   *group
	id  uint32
	own uint32
}

const indexBatch = 4096

func newIndexer(h *Head) *indexer {
	ix := &indexer{h: h, jobs: make(chan []indexed, 16), done: make(chan struct{})}
	go ix.run(h.index.Load())
	return ix
}

// add adds a series, with a greater id than those before.
func (ix *indexer) add(id uint32, g *group, own uint32) {
	if ix.batch == nil {
		ix.batch = make([]indexed, 0, indexBatch)
	}
	if ix.batch = append(ix.batch, indexed{g, id, own}); len(ix.batch) == indexBatch {
		ix.jobs <- ix.batch
		ix.batch = nil
	}
}

// finish returns when the index has all that was added. It must be called once.
func (ix *indexer) finish() {
	if len(ix.batch) > 0 {
		ix.jobs <- ix.batch
	}
	close(ix.jobs)
	<-ix.done
}

func (ix *indexer) run(x *index.Mem) {
	defer close(ix.done)
	bulk := index.NewBulk(x)
	var owns []index.Set // by number
	var whole index.Set
	var g *group // of the series lo..hi-1, whose common labels wait to be added
	var lo, hi uint32
	flush := func() {
		if lo == hi {
			return
		}
		if !g.found.Of(x) {
			x.Find(&g.found, g.common)
		}
		bulk.AddRange(lo, hi, &g.found)
		lo, hi = 0, 0
	}
	for batch := range ix.jobs {
		for _, s := range batch {
			if ix.h.overrides(s.g, s.own) {
				flush()
				x.Find(&whole, index.Full(s.g.common, ix.h.sets.get(s.own)))
				bulk.AddRange(s.id, s.id+1, &whole)
				continue
			}
			if s.g != g || s.id != hi {
				flush()
				g, lo = s.g, s.id
			}
			hi = s.id + 1
			for int(s.own) >= len(owns) {
				owns = append(owns, index.Set{})
			}
			if own := &owns[s.own]; !own.Of(x) {
				x.Find(own, ix.h.sets.get(s.own))
			}
			bulk.Add(s.id, &owns[s.own])
		}
	}
	flush()
	bulk.Done()
}
