package scrape

// table finds things in a slice by their hash: an open-addressed hash table of indexes. The hashes stand in the slice
// only, so a thing costs eight bytes at most. The zero table is empty.
type table struct {
	cells []uint32 // index+1, 0 where free; a power of two of them
}

// fill makes the table one of n things.
func (t *table) fill(n int, hash func(i uint32) uint64) {
	size := 8
	for size*3 < n*4 { // at most three quarters full
		size *= 2
	}
	if len(t.cells) == size {
		clear(t.cells)
	} else {
		t.cells = make([]uint32, size)
	}
	mask := uint64(size - 1)
	for i := range uint32(n) {
		at := hash(i) & mask
		for t.cells[at] != 0 {
			at = (at + 1) & mask
		}
		t.cells[at] = i + 1
	}
}

// find returns the index of the first thing with the hash that is the one looked for.
func (t *table) find(hash uint64, is func(i uint32) bool) (uint32, bool) {
	if len(t.cells) == 0 {
		return 0, false
	}
	mask := uint64(len(t.cells) - 1)
	for at := hash & mask; t.cells[at] != 0; at = (at + 1) & mask {
		if i := t.cells[at] - 1; is(i) {
			return i, true
		}
	}
	return 0, false
}
