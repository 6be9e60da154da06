package head

import (
	"slices"
	"sync"
)

// sealing seals tiles while the log goes on being read, in a goroutine of its own. Until drain, the tiles are in
// their groups without bytes.
type sealing struct {
	h    *Head
	jobs chan *sealJob
	done chan struct{}
	open sync.WaitGroup // jobs that are not done
	all  []*sealJob     // since the last drain
	mu   struct {
		sync.Mutex
		slabs [][]float64 // of jobs that are done
	}
}

type sealJob struct {
	g     *group
	at    int // of the tile in its group
	slots int
	ts    []int64
	rows  [][]float64
	slabs [openRows / slabRows][]float64 // that rows lie in
	tile  tile
}

func newSealing(h *Head) *sealing {
	s := &sealing{h: h, jobs: make(chan *sealJob, 32), done: make(chan struct{})}
	go s.run()
	return s
}

// seal takes the oldest k open rows of the group.
func (s *sealing) seal(g *group, k int) {
	g.markSparse(k, s.h.facet)
	j := &sealJob{g: g, at: len(g.tiles), slots: len(g.series), ts: slices.Clone(g.ts[:k]), rows: make([][]float64, k)}
	for r := range j.rows {
		j.rows[r] = g.row(r)
	}
	s.mu.Lock()
	for _, b := range s.mu.slabs {
		s.h.w.arena.release(b)
	}
	s.mu.slabs = s.mu.slabs[:0]
	s.mu.Unlock()
	j.slabs = g.takeRows(s.h.w.arena, k)
	g.tiles = append(g.tiles, tile{mint: j.ts[0], maxt: j.ts[k-1], rows: k})
	g.low = max(g.low, j.ts[k-1])
	s.all = append(s.all, j)
	s.open.Add(1)
	s.jobs <- j
}

func (s *sealing) run() {
	defer close(s.done)
	var enc sealer
	for j := range s.jobs {
		j.tile = enc.seal(j.ts, j.slots, func(r int) []float64 { return j.rows[r] })
		s.mu.Lock()
		for _, b := range j.slabs {
			if b != nil {
				s.mu.slabs = append(s.mu.slabs, b)
			}
		}
		s.mu.Unlock()
		s.open.Done()
	}
}

// drain gives all tiles their bytes.
func (s *sealing) drain() {
	s.open.Wait()
	for _, j := range s.all {
		j.g.tiles[j.at] = j.tile
		s.h.m.tiles.Inc()
		s.h.m.tileBytes.Add(float64(len(j.tile.blob)))
	}
	s.all = nil
}

// finish is the last drain. It must be called once.
func (s *sealing) finish() {
	close(s.jobs)
	<-s.done
	s.drain()
}
