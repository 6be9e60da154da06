package head

import (
	"math"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/index"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

const (
	sealRows = 24 // rows of a tile
	openRows = 32 // rows at which the oldest sealRows are sealed: what comes a little late finds its row still open
	keptRows = openRows - sealRows
	slabRows = 4 // rows that memory is taken for at a time
)

// OpenBytes is what a series needs for its open rows when there are as many as there can be, a sixteenth of it lost to
// rounding.
const OpenBytes = openRows * 8 * 17 / 16

// group is the series that share a timestamp column. The writer alone changes it, and holds its lock while it
// does; readers hold the lock to copy. The writer reads without it.
//
// The open tile is row-major. Row r, counted in order of time, lies at place ord[r] of the slabs, so that an
// inserted row moves no values.
type group struct {
	id     uint32
	common labels.Labels
	own    []uint32 // by slot: labels that are not common, as a number of labelSets
	names  []string // sorted, replaced when it grows: all names in own; not kept for a solo
	noted  uint64   // the names of the set that was noted last
	traits          // of common
	series []uint32 // by slot: the series, deadID once it is dropped; an older place of a series keeps it
	sparse []bool   // by slot: it fills few of the group's rows and shall leave at its next sample

	ts     []int64
	full   uint8 // open rows at which a tile is sealed
	ord    [openRows]uint8
	slabs  [openRows / slabRows][]float64
	stride int // values between two rows

	low   int64 // rows at or before it are closed: sealed, or in a part
	floor int64 // rows before it are in parts and not shown
	cut   int64 // floor once the cut under way is done; math.MinInt64 if none is

	tiles []tile // in order of time

	asleep atomic.Pointer[asleep] // what its rows are made of; nil once that is done

	rank  atomic.Pointer[[]uint32] // by slot: its place in order of labels; nil after slots were added
	base  base
	pos   wal.Pos   // of the last record in it
	found index.Set // the postings of common, for the writer
	solo  bool

	byTarget bool // series that come one by one join it for their job and instance

	last  uint64 // the batch that touched it last, and where its cells begin there
	chain int32
	tail  int32
}

func newGroup(id uint32, common labels.Labels) *group {
	return &group{id: id, common: common, full: firstFull(id), low: math.MinInt64, floor: math.MinInt64, cut: math.MinInt64}
}

// firstFull spreads the first tiles of groups that begin together, and with them all that follow: when some have
// the most open rows others have the fewest, so that together they need the memory of an average.
func firstFull(id uint32) uint8 { return uint8(openRows - id*7%(sealRows-keptRows/2)) }

// due returns how many of the oldest open rows are to be sealed now.
func (g *group) due() int {
	if len(g.ts) < int(g.full) {
		return 0
	}
	g.full = openRows
	return len(g.ts) - keptRows
}

// joinKey appends what the group is found by when a new series comes to it.
func (g *group) joinKey(dst []byte) []byte {
	if g.byTarget {
		return targetKey(dst, g.common)
	}
	return append(g.common.Bytes(append(dst, 'c')), 0)
}

// targetKey appends what the groups of series are found by that come one by one.
func targetKey(dst []byte, ls labels.Labels) []byte {
	dst = append(append(dst, 't'), ls.Get("job")...)
	return append(append(dst, 0xff), ls.Get("instance")...)
}

// row returns the values of row r, by slot; it may be longer than the slots.
func (g *group) row(r int) []float64 {
	p := int(g.ord[r])
	at := p % slabRows * g.stride
	return g.slabs[p/slabRows][at : at+g.stride]
}

// find returns the first open row at or after t.
func (g *group) find(t int64) int {
	n := len(g.ts)
	if n == 0 || t > g.ts[n-1] {
		return n
	}
	if t == g.ts[n-1] {
		return n - 1
	}
	return sort.Search(n, func(i int) bool { return g.ts[i] >= t })
}

// insert makes an absent row for t as row r. There must be a free place.
func (g *group) insert(a *arena, r int, t int64) {
	n := len(g.ts)
	var used uint64
	for _, p := range g.ord[:n] {
		used |= 1 << p
	}
	p := 0
	for used&(1<<p) != 0 {
		p++
	}
	if g.slabs[p/slabRows] == nil {
		g.slabs[p/slabRows] = a.alloc(slabRows * g.stride)
	}
	at := p % slabRows * g.stride
	fillAbsent(g.slabs[p/slabRows][at : at+g.stride])
	g.ts = append(g.ts, 0)
	copy(g.ts[r+1:], g.ts[r:n])
	copy(g.ord[r+1:n+1], g.ord[r:n])
	g.ts[r], g.ord[r] = t, uint8(p)
}

// remove takes row r back.
func (g *group) remove(r int) {
	n := len(g.ts)
	copy(g.ts[r:], g.ts[r+1:])
	copy(g.ord[r:n-1], g.ord[r+1:n])
	g.ts = g.ts[:n-1]
}

func fillAbsent(s []float64) {
	if len(s) == 0 {
		return
	}
	s[0] = storage.Absent
	for n := 1; n < len(s); n *= 2 {
		copy(s[n:], s[:n])
	}
}

// widen makes room for n slots in every row.
func (g *group) widen(a *arena, n int) {
	if n <= g.stride {
		return
	}
	stride := n
	if g.stride > 0 {
		stride = max(n, g.stride+g.stride/4)
	}
	if n > 1 {
		stride = (stride + 7) &^ 7
	}
	for i, s := range g.slabs {
		if s == nil {
			continue
		}
		w := a.alloc(slabRows * stride)
		for r := range slabRows {
			copy(w[r*stride:], s[r*g.stride:(r+1)*g.stride])
			fillAbsent(w[r*stride+g.stride : (r+1)*stride])
		}
		a.release(s)
		g.slabs[i] = w
	}
	g.stride = stride
}

// dropRows takes the first k open rows away and gives memory back.
func (g *group) dropRows(a *arena, k int) {
	for _, s := range g.takeRows(a, k) {
		a.release(s)
	}
}

// takeRows takes the first k open rows away and returns the memory that all lay in.
func (g *group) takeRows(a *arena, k int) [openRows / slabRows][]float64 {
	n := len(g.ts) - k
	var fresh [len(g.slabs)][]float64
	for r := range n {
		if fresh[r/slabRows] == nil {
			fresh[r/slabRows] = a.alloc(slabRows * g.stride)
		}
		copy(fresh[r/slabRows][r%slabRows*g.stride:], g.row(k+r))
	}
	old := g.slabs
	g.slabs = fresh
	copy(g.ts, g.ts[k:])
	g.ts = g.ts[:n]
	for r := range n {
		g.ord[r] = uint8(r)
	}
	return old
}

func (g *group) freeSlabs(a *arena) {
	for i, s := range g.slabs {
		a.release(s)
		g.slabs[i] = nil
	}
}

// markSparse notes the slots that had samples in few of the first k open rows, of those since their first.
func (g *group) markSparse(k int, isFacet func(own uint32) bool) {
	if len(g.series) < 2 {
		return
	}
	type stat struct{ first, n uint8 }
	stats := make([]stat, len(g.series))
	for r := range k {
		row := g.row(r)
		for s := range stats {
			if !storage.IsAbsent(row[s]) {
				if stats[s].n == 0 {
					stats[s].first = uint8(r)
				}
				stats[s].n++
			}
		}
	}
	for s, st := range stats {
		span := k - int(st.first)
		rare := st.n > 0 && span >= sealRows/2 && int(st.n)*4 < span
		g.sparse[s] = rare && !isFacet(g.own[s]) // a bucket that is rarely filled is read with the others
	}
}

// noteNames adds the names of own labels. The lock is held.
func (g *group) noteNames(own *labelSet) {
	if own.traits.names == g.noted {
		return
	}
	g.noted = own.traits.names
	own.ls.Range(func(l labels.Label) {
		if i, ok := slices.BinarySearch(g.names, l.Name); !ok {
			g.names = slices.Insert(slices.Clone(g.names), i, strings.Clone(l.Name))
		}
	})
}

// full returns the labels of the slot.
func (h *Head) full(g *group, slot uint32) labels.Labels {
	return index.Full(g.common, h.sets.get(g.own[slot]))
}

// present tells whether the slot has any sample that is shown, tiles counted as a whole.
func (g *group) present(slot uint32) bool {
	for i := range g.tiles {
		if len(g.tiles[i].column(slot)) > 0 {
			return true
		}
	}
	for r := range g.ts {
		if !storage.IsAbsent(g.row(r)[slot]) {
			return true
		}
	}
	return false
}

// maxt returns the time of the last row, math.MinInt64 if there is none.
func (g *group) maxt() int64 {
	if n := len(g.ts); n > 0 {
		return g.ts[n-1]
	}
	if n := len(g.tiles); n > 0 {
		return g.tiles[n-1].maxt
	}
	return math.MinInt64
}

// mint returns the time of the first row that is shown, about; math.MaxInt64 if there is none.
func (g *group) mint() int64 {
	if len(g.tiles) > 0 {
		return max(g.tiles[0].mint, g.floor)
	}
	if len(g.ts) > 0 {
		return max(g.ts[0], g.floor)
	}
	return math.MaxInt64
}
