package remote

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/hearth-project/hearth/core/internal/offheap"
	"github.com/hearth-project/hearth/core/storage"
)

// A sender writes the labels of a series the same way every time, so their bytes name the series: what is kept of
// them is a name, and the number that the storage gave the series.

// rawName stands for the bytes of a series' labels: 96 bits under keys of this process. Nobody outside can make two
// of them equal, and chance will not.
type rawName struct {
	a uint64
	b uint32
}

// known remembers series by the names of their labels.
//
// It keeps two generations. New and used entries are in the young one; when that is full it becomes the old one, and
// what was old is forgotten. So memory is bounded, and series that are gone go. A generation has room for all series that
// the storage has in memory: with less, senders of them in turn would find none of their own.
type known struct {
	seedA, seedB maphash.Seed
	least        int        // entries of a generation in any case: four fifths of its places
	series       func() int // how many the storage has in memory
	mu           struct {
		sync.RWMutex
		young, old refTable
		limit      int // entries of a generation
	}
}

func newKnown(maxBytes int64, series func() int) *known {
	k := &known{seedA: maphash.MakeSeed(), seedB: maphash.MakeSeed(), least: max(int(maxBytes)/(2*placeBytes)*4/5, 1), series: series}
	k.mu.limit = k.least
	return k
}

// name returns the name of the bytes.
func (k *known) name(raw []byte) rawName {
	return rawName{maphash.Bytes(k.seedA, raw) | 1, uint32(maphash.Bytes(k.seedB, raw))} // a is never 0
}

// find sets the numbers of the series that it knows. The indices of those that it does not know are appended to
// unknown.
func (k *known) find(series []sent, unknown []int) []int {
	var aged []int
	k.mu.RLock()
	for i := range series {
		s := &series[i]
		if s.ref = k.mu.young.get(s.name); s.ref != 0 {
			continue
		}
		if s.ref = k.mu.old.get(s.name); s.ref != 0 {
			aged = append(aged, i)
		} else {
			unknown = append(unknown, i)
		}
	}
	k.mu.RUnlock()
	k.keep(series, aged)
	return unknown
}

// keep remembers the numbers of the series with these indices.
func (k *known) keep(series []sent, indices []int) {
	if len(indices) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, i := range indices {
		if series[i].ref == 0 || series[i].name == (rawName{}) {
			continue
		}
		if k.mu.young.used >= k.mu.limit {
			k.mu.limit = max(k.least, k.series()/4*5)
		}
		if k.mu.young.used >= k.mu.limit {
			offheap.Free(k.mu.old.places)
			k.mu.old, k.mu.young = k.mu.young, refTable{}
		}
		k.mu.young.put(series[i].name, series[i].ref, k.mu.limit)
	}
}

// refTable is a hash table with open addressing, outside the garbage collected heap. A receiver lives as long as the
// process, so the last tables are never freed.
type refTable struct {
	places []refPlace
	used   int
}

type refPlace struct {
	a   uint64 // 0: free
	b   uint32
	ref storage.Ref
}

const placeBytes = 16

// home is where the search for a name begins: the product spreads it over any number of places.
func (t *refTable) home(a uint64) int {
	hi, _ := bits.Mul64(a, uint64(len(t.places)))
	return int(hi)
}

func (t *refTable) get(n rawName) storage.Ref {
	if len(t.places) == 0 {
		return 0
	}
	for i := t.home(n.a); ; {
		p := &t.places[i]
		switch {
		case p.a == n.a && p.b == n.b:
			return p.ref
		case p.a == 0:
			return 0
		}
		if i++; i == len(t.places) {
			i = 0
		}
	}
}

// put stores an entry; the table is not made for more than limit of them.
func (t *refTable) put(n rawName, ref storage.Ref, limit int) {
	if t.used*5 >= len(t.places)*4 {
		t.grow(limit)
	}
	for i := t.home(n.a); ; {
		p := &t.places[i]
		switch {
		case p.a == 0:
			*p = refPlace{n.a, n.b, ref}
			t.used++
			return
		case p.a == n.a && p.b == n.b:
			p.ref = ref
			return
		}
		if i++; i == len(t.places) {
			i = 0
		}
	}
}

func (t *refTable) grow(limit int) {
	old := t.places
	t.places, t.used = offheap.Make[refPlace](max(min(max(64, len(old)*3/2), limit*5/4), len(old)+1)), 0
	for _, p := range old {
		if p.a != 0 {
			t.put(rawName{p.a, p.b}, p.ref, limit)
		}
	}
	offheap.Free(old)
}
