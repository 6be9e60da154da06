package exec

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/hearth-project/hearth/core/promql/fn"
)

// Helpers is the goroutines that the evaluations of an engine may have besides their own, all together. A scan takes
// what is free and does the rest itself, so many queries at a time run one goroutine each, and one alone runs on all
// cores. Safe for concurrent use; a nil Helpers has none.
type Helpers struct{ free chan struct{} }

// NewHelpers returns n helpers.
func NewHelpers(n int) *Helpers {
	h := &Helpers{make(chan struct{}, max(n, 0))}
	for range n {
		h.free <- struct{}{}
	}
	return h
}

// take returns how many helpers the caller got, up to most.
func (h *Helpers) take(most int) (n int) {
	if h == nil {
		return 0
	}
	for n < most {
		select {
		case <-h.free:
			n++
		default:
			return n
		}
	}
	return n
}

func (h *Helpers) give(n int) {
	for range n {
		h.free <- struct{}{}
	}
}

const (
	worthHelp  = 128 << 10 // cells and rows of a scan from which on it is worth help: some 200 µs of work
	batchCells = 16 << 10  // cells of the columns that are handed over together, so that they stay in a cache
)

// help takes helpers for the scan if it is worth it and the query may hold the columns that wait to be pushed.
func (s *scan) help(q *query) int {
	if s.n < 2 || s.n*s.steps+s.rows < q.worthHelp {
		return 0
	}
	most := min(q.helpers.size(), s.batches()-1)
	if free := q.budget - q.used.Load(); int64(ringSize(most)*s.batch()*s.steps)*8 > free {
		return 0
	}
	return q.helpers.take(most)
}

func (h *Helpers) size() int {
	if h == nil {
		return 0
	}
	return cap(h.free)
}

// batch returns how many series make a batch.
func (s *scan) batch() int {
	perSeries := s.steps + s.rows/s.n/4
	return max(1, min(batchCells/perSeries, (s.n+7)/8))
}

func (s *scan) batches() int { return (s.n + s.batch() - 1) / s.batch() }

// ringSize is how many batches are computed and not yet pushed, at most.
func ringSize(helpers int) int { return 3*helpers + 1 }

// batch is the columns of some series, in order, on their way to be pushed.
type batch struct {
	ready bool
	cols  []float64
	got   []computed
	err   error // after the last of got
	panic *Panic
}

// Panic is a panic of a helper, passed on to who it helped.
type Panic struct {
	Value any
	Stack string
}

func (p *Panic) Error() string { return fmt.Sprint(p.Value) }

// pipeline is a scan that several goroutines compute: batch by batch, in whatever order they are done. The caller's
// goroutine pushes the batches in order, and computes when there is nothing to push.
type pipeline struct {
	*scan
	q    *query
	size int // series in a batch
	all  int // batches

	mu struct {
		sync.Mutex
		next   int // batch that nobody has begun
		pushed int // batches
		ring   []batch
		stop   bool
	}
	changed sync.Cond
}

func (s *scan) together(q *query, helpers int, push sink) error {
	p := &pipeline{scan: s, q: q, size: s.batch(), all: s.batches()}
	p.changed.L = &p.mu
	p.mu.ring = make([]batch, ringSize(helpers))
	cells := len(p.mu.ring) * p.size * s.steps
	if err := q.charge(cells); err != nil {
		return err
	}
	buf := q.pool.Get(cells)
	for i := range p.mu.ring {
		p.mu.ring[i].cols = (*buf)[:cells][i*p.size*s.steps:][:p.size*s.steps]
	}
	var wg sync.WaitGroup
	defer func() {
		p.mu.Lock()
		p.mu.stop = true
		p.mu.Unlock()
		p.changed.Broadcast()
		wg.Wait()
		q.pool.Put(buf)
		q.release(cells)
	}()
	for range helpers {
		wg.Go(p.helper)
	}
	return p.pushAll(push)
}

// helper computes batches until there are no more.
func (p *pipeline) helper() {
	w := p.worker()
	defer w.close()
	for {
		p.mu.Lock()
		for !p.mu.stop && p.mu.next < p.all && !p.room() {
			p.changed.Wait()
		}
		if p.mu.stop || p.mu.next >= p.all {
			p.mu.Unlock()
			return
		}
		b := p.begin()
		p.mu.Unlock()
		p.compute(w, b)
	}
}

// room tells whether the ring has a place for the next batch.
func (p *pipeline) room() bool { return p.mu.next-p.mu.pushed < len(p.mu.ring) }

func (p *pipeline) begin() (b int) {
	p.mu.next++
	return p.mu.next - 1
}

// compute computes batch b and says so.
func (p *pipeline) compute(w worker, b int) {
	at := &p.mu.ring[b%len(p.mu.ring)] // ours until it is ready
	defer func() {
		if v := recover(); v != nil {
			at.panic = &Panic{v, string(debug.Stack())}
		}
		p.mu.Lock()
		at.ready = true
		p.mu.Unlock()
		p.changed.Broadcast()
	}()
	at.got, at.err = at.got[:0], nil
	for i := range p.series(b) {
		if at.err = p.q.ctx.Err(); at.err != nil {
			return
		}
		c, err := w.column(b*p.size+i, at.cols[i*p.steps:][:p.steps])
		if err != nil {
			at.err = err
			return
		}
		at.got = append(at.got, c)
	}
}

// series returns how many series batch b has.
func (p *pipeline) series(b int) int { return min(p.size, p.n-b*p.size) }

func (p *pipeline) pushAll(push sink) error {
	w := p.worker()
	defer w.close()
	for b := range p.all {
		own := p.await(w, b)
		var err error
		if own { // nobody has begun it: there is no need to keep its columns
			err = p.each(p.q, w, b*p.size, b*p.size+p.series(b), p.mu.ring[b%len(p.mu.ring)].cols[:p.steps], push)
		} else {
			err = p.pushBatch(b, push)
		}
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.mu.ring[b%len(p.mu.ring)].ready = false
		p.mu.pushed++
		p.mu.Unlock()
		p.changed.Broadcast()
	}
	return nil
}

// await returns when batch b is ready, or with own set, when it is the caller's to compute.
func (p *pipeline) await(w worker, b int) (own bool) {
	at := &p.mu.ring[b%len(p.mu.ring)]
	p.mu.Lock()
	defer p.mu.Unlock()
	for !at.ready {
		switch {
		case p.mu.next == b:
			p.begin()
			return true
		case p.mu.next < p.all && p.room():
			other := p.begin()
			p.mu.Unlock()
			p.compute(w, other)
			p.mu.Lock()
		default:
			p.changed.Wait()
		}
	}
	return false
}

func (p *pipeline) pushBatch(b int, push sink) error {
	at := &p.mu.ring[b%len(p.mu.ring)]
	for i, c := range at.got {
		if c.samples == 0 {
			continue
		}
		if err := p.push(p.q, b*p.size+i, at.cols[i*p.steps:][:p.steps], c, push); err != nil {
			return err
		}
	}
	if at.panic != nil {
		if e, ok := at.panic.Value.(fn.Error); ok {
			return e
		}
		panic(*at.panic)
	}
	return at.err
}
