package head

import (
	"math/bits"

	"github.com/hearth-project/hearth/core/internal/offheap"
)

// arenaChunk is what the arena takes from the operating system at a time, in bytes.
const arenaChunk = 4 << 20

// arena hands out runs of float64 outside the garbage collected heap: open tiles are large, live for minutes
// and hold no pointers, and the collector would let the heap grow by their size once more. It belongs to the
// writer; readers copy under a group's lock and never keep a run.
type arena struct {
	heap   bool                // the memory is the collector's after all
	free   map[int][][]float64 // by class
	rest   []float64           // of the last chunk
	maps   [][]float64
	inUse  int64 // bytes handed out
	mapped int64 // bytes taken
}

// newHeapArena returns one for a few runs, which need not be closed.
func newHeapArena() *arena { return &arena{heap: true, free: map[int][][]float64{}} }

func newArena() *arena { return &arena{free: map[int][][]float64{}} }

// class rounds n up to a size of the form m<<k with 16 <= m < 32: at most a sixteenth is wasted.
func class(n int) int {
	if n <= 4 {
		return 4
	}
	k := bits.Len(uint(n-1)) - 5
	if k <= 0 {
		return n
	}
	return ((n-1)>>k + 1) << k
}

// alloc returns n floats of any contents.
func (a *arena) alloc(n int) []float64 {
	c := class(n)
	a.inUse += int64(c) * 8
	if l := a.free[c]; len(l) > 0 {
		s := l[len(l)-1]
		a.free[c] = l[:len(l)-1]
		return s[:n]
	}
	if c*8 > arenaChunk/4 {
		return a.take(c)[:n]
	}
	if a.heap {
		return a.take(c)[:n]
	}
	if len(a.rest) < c {
		a.rest = a.take(arenaChunk / 8)
	}
	s := a.rest[:c:c]
	a.rest = a.rest[c:]
	return s[:n]
}

// take maps n floats.
func (a *arena) take(n int) []float64 {
	if a.heap {
		return make([]float64, n)
	}
	s := offheap.Make[float64](n)
	a.maps = append(a.maps, s)
	a.mapped += int64(len(s)) * 8
	return s
}

// release gives s, which came from alloc, back.
func (a *arena) release(s []float64) {
	if s == nil {
		return
	}
	c := cap(s)
	a.inUse -= int64(c) * 8
	a.free[c] = append(a.free[c], s[:0])
}

// close gives everything back to the operating system; no run may be used any more.
func (a *arena) close() {
	for _, b := range a.maps {
		offheap.Free(b)
	}
	*a = *newArena()
}
