package head

import (
	"hash/maphash"

	"github.com/prometheus/prometheus/model/labels"
)

// key identifies a label set: two hashes with secrets of this process, 96 bits in all. Nobody outside can
// make two sets collide, and chance will not.
type key struct {
	a uint64
	b uint32
}

// hasher turns label sets into keys.
type hasher struct {
	s1, s2 maphash.Seed
	buf    []byte
}

func newHasher() hasher { return hasher{s1: maphash.MakeSeed(), s2: maphash.MakeSeed()} }

// key returns the key of ls. For one goroutine at a time; copies are independent.
func (h *hasher) key(ls labels.Labels) key {
	h.buf = ls.Bytes(h.buf[:0])
	a := maphash.Bytes(h.s1, h.buf)
	if a == 0 {
		a = 1 // 0 marks a free place in the table
	}
	return key{a, uint32(maphash.Bytes(h.s2, h.buf))}
}

// table maps keys to series: open addressing, 16 bytes a place. It belongs to the writer.
type table struct {
	places []place
	used   int // places not free, dead ones included
	live   int
}

type place struct {
	a  uint64
	b  uint32
	id uint32
}

const deadID = ^uint32(0) // of a place whose series was removed, and of a slot without a series

func (t *table) get(k key) (uint32, bool) {
	if len(t.places) == 0 {
		return 0, false
	}
	mask := uint64(len(t.places) - 1)
	for i := k.a & mask; ; i = (i + 1) & mask {
		p := &t.places[i]
		if p.a == 0 {
			return 0, false
		}
		if p.a == k.a && p.b == k.b && p.id != deadID {
			return p.id, true
		}
	}
}

// put adds k, which is not in the table.
func (t *table) put(k key, id uint32) {
	if (t.used+1)*4 > len(t.places)*3 {
		t.rehash()
	}
	mask := uint64(len(t.places) - 1)
	i := k.a & mask
	for t.places[i].a != 0 {
		i = (i + 1) & mask
	}
	t.places[i] = place{k.a, k.b, id}
	t.used++
	t.live++
}

func (t *table) remove(k key) {
	if len(t.places) == 0 {
		return
	}
	mask := uint64(len(t.places) - 1)
	for i := k.a & mask; t.places[i].a != 0; i = (i + 1) & mask {
		if p := &t.places[i]; p.a == k.a && p.b == k.b && p.id != deadID {
			p.id = deadID
			t.live--
			return
		}
	}
}

func (t *table) rehash() {
	size := 64
	for size*2 < t.live*4 { // at most half full
		size *= 2
	}
	old := t.places
	t.places = make([]place, size)
	t.used = t.live
	mask := uint64(size - 1)
	for _, p := range old {
		if p.a == 0 || p.id == deadID {
			continue
		}
		i := p.a & mask
		for t.places[i].a != 0 {
			i = (i + 1) & mask
		}
		t.places[i] = p
	}
}
