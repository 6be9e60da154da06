package head

import (
	"hash/maphash"
	"math/bits"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/offheap"
)

// hasher turns label sets into 32 bits under secrets of this process: nobody outside can choose sets that
// collide. The hash of a set is the sum of those of its labels, so that the hash of a series follows from those
// of its common and its own labels.
type hasher struct{ names, values maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed()} }

// sum returns the hash of ls.
func (h hasher) sum(ls labels.Labels) uint32 { return h.traits(ls).sum }

// traits is what can be told of a label set without looking at it again.
type traits struct {
	names uint64 // a hash of its names
	some  uint64 // a bit for each name: sets that share none share no name
	sum   uint32
}

func (h hasher) traits(ls labels.Labels) (t traits) {
	ls.Range(func(l labels.Label) {
		name := maphash.String(h.names, l.Name)
		hi, lo := bits.Mul64(name|1, maphash.String(h.values, l.Value)^0x9e3779b97f4a7c15)
		t.sum += uint32((hi ^ lo) >> 16)
		t.names += name
		t.some |= 1 << (name >> 58)
	})
	return t
}

// table finds numbers by hashes; whoever asks has to compare what the number stands for. Open addressing,
// 8 bytes a place, outside the garbage collected heap. It belongs to the writer.
type table struct {
	places []place
	used   int // places not free, dead ones included
	live   int

	touched uint32 // so that touch is not for nothing in the compiler's eyes
}

type place struct {
	hash uint32
	id   uint32 // plus one; 0 marks a free place
}

const deadID = ^uint32(0) // of a place whose number was removed, and of a slot without a series

// home is where the search for a hash begins: the product spreads hashes over any number of places.
func (t *table) home(hash uint32) int { return int(uint64(hash) * uint64(len(t.places)) >> 32) }

func (t *table) after(i int) int {
	if i++; i == len(t.places) {
		return 0
	}
	return i
}

// touch reads where the search for a hash begins, for one that comes soon.
func (t *table) touch(hash uint32) {
	if len(t.places) > 0 {
		t.touched += t.places[t.home(hash)].hash
	}
}

// get returns the number stored with this hash that same recognises.
func (t *table) get(hash uint32, same func(id uint32) bool) (uint32, bool) {
	if len(t.places) == 0 {
		return 0, false
	}
	for i := t.home(hash); ; i = t.after(i) {
		p := t.places[i]
		if p.id == 0 {
			return 0, false
		}
		if p.hash == hash && p.id != deadID && same(p.id-1) {
			return p.id - 1, true
		}
	}
}

// put adds a number that is not in the table.
func (t *table) put(hash, id uint32) {
	if (t.used+1)*3 > len(t.places)*2 {
		t.rehash(t.live + 1)
	}
	t.insert(place{hash, id + 1})
	t.used++
	t.live++
}

func (t *table) insert(p place) {
	i := t.home(p.hash)
	for t.places[i].id != 0 {
		i = t.after(i)
	}
	t.places[i] = p
}

// remove takes a number out that was put with this hash.
func (t *table) remove(hash, id uint32) {
	if len(t.places) == 0 {
		return
	}
	for i := t.home(hash); t.places[i].id != 0; i = t.after(i) {
		if t.places[i] == (place{hash, id + 1}) {
			t.places[i].id = deadID
			t.live--
			return
		}
	}
}

// rehash makes room for n numbers and as many as let it be two thirds full.
func (t *table) rehash(n int) {
	old := t.places
	t.places = offheap.Make[place](max(64, 2*n))
	t.used = t.live
	for _, p := range old {
		if p.id != 0 && p.id != deadID {
			t.insert(p)
		}
	}
	offheap.Free(old)
}

func (t *table) free() {
	offheap.Free(t.places)
	*t = table{}
}
