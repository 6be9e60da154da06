package index

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
)

// ref says where postings are: with its highest bit set, they are the one series that the others give; else
// the bytes at that offset, which begin with a uvarint: how many there are, times 4, and the form.
type ref uint32

const (
	single    = ref(1) << 31
	maxSeries = 1 << 31

	formBitmap = 0 // bytes of a roaring bitmap
	formRuns   = 1 // runs: uvarint how many series lie between, uvarint how many follow the first
	formList   = 2 // series: uvarint how many lie between
	formBits   = 2

	shortList = 256 // series of a list or of runs, at most: readers go through them one by one
)

// appendPostings appends a set of several series in its shortest form.
func appendPostings(dst []byte, set *roaring.Bitmap) ([]byte, error) {
	set.RunOptimize()
	n := set.GetSerializedSizeInBytes()
	if set.GetCardinality() <= shortList || n < 64 {
		runs, list := shortForms(set)
		if list != nil && len(list) <= len(runs) && uint64(len(list)) <= n {
			dst = binary.AppendUvarint(dst, set.GetCardinality()<<formBits|formList)
			return append(dst, list...), nil
		}
		if uint64(len(runs)) <= n {
			dst = binary.AppendUvarint(dst, runCount(set)<<formBits|formRuns)
			return append(dst, runs...), nil
		}
	}
	dst = binary.AppendUvarint(dst, n<<formBits|formBitmap)
	b, err := set.ToBytes()
	return append(dst, b...), err
}

// eachRun calls f for every run of series: first and how many.
func eachRun(set *roaring.Bitmap, f func(first, n uint64)) {
	it := set.Iterator()
	first, n := uint64(0), uint64(0)
	for it.HasNext() {
		v := uint64(it.Next())
		if n > 0 && v == first+n {
			n++
			continue
		}
		if n > 0 {
			f(first, n)
		}
		first, n = v, 1
	}
	if n > 0 {
		f(first, n)
	}
}

func runCount(set *roaring.Bitmap) uint64 {
	k := uint64(0)
	eachRun(set, func(uint64, uint64) { k++ })
	return k
}

// shortForms returns the set as runs, and as a list if it is short.
func shortForms(set *roaring.Bitmap) (runs, list []byte) {
	short := set.GetCardinality() <= shortList
	next := uint64(0)
	eachRun(set, func(first, n uint64) {
		runs = binary.AppendUvarint(runs, first-next)
		runs = binary.AppendUvarint(runs, n-1)
		for i := uint64(0); short && i < n; i++ {
			list = binary.AppendUvarint(list, first+i-next)
			next = first + i + 1
		}
		next = first + n
	})
	return runs, list
}

// postings reads what r refers to.
func (x *Index) postings(r ref) (postings, error) {
	if r&single != 0 {
		id := uint32(r &^ single)
		if uint64(id) >= x.f.series {
			return postings{}, fmt.Errorf("%w: series %d of %d", ErrCorrupt, id, x.f.series)
		}
		return postings{tail: []uint32{id}}, nil
	}
	off, size := uint64(r), x.f.valueStart-x.f.postings
	if off > size {
		return postings{}, fmt.Errorf("%w: postings at %d", ErrCorrupt, off)
	}
	b, err := x.src.Slice(x.f.postings+off, min(size-off, binary.MaxVarintLen64))
	if err != nil {
		return postings{}, err
	}
	head, rest := uvarint(b)
	n, at := head>>formBits, off+uint64(len(b)-len(rest))
	if n == 0 || n > x.f.series*8+64 {
		return postings{}, fmt.Errorf("%w: postings at %d", ErrCorrupt, off)
	}
	switch head & (1<<formBits - 1) {
	case formBitmap:
		return x.bitmap(at, n)
	case formRuns, formList:
		if n > x.f.series {
			break
		}
		if b, err = x.src.Slice(x.f.postings+at, min(size-at, n*2*binary.MaxVarintLen32)); err != nil {
			return postings{}, err
		}
		return x.short(b, n, head&formRuns != 0, off)
	}
	return postings{}, fmt.Errorf("%w: postings at %d", ErrCorrupt, off)
}

func (x *Index) bitmap(at, n uint64) (postings, error) {
	if size := x.f.valueStart - x.f.postings; n > size-at {
		return postings{}, fmt.Errorf("%w: postings at %d", ErrCorrupt, at)
	}
	b, err := x.src.Slice(x.f.postings+at, n)
	if err != nil {
		return postings{}, err
	}
	set := roaring.New()
	if _, err := set.FromBuffer(b); err != nil {
		return postings{}, fmt.Errorf("%w: postings at %d: %w", ErrCorrupt, at, err)
	}
	if !x.valid.has(at) { // that goes through all of it, and most readers do not
		if err := set.Validate(); err != nil || set.IsEmpty() || uint64(set.Maximum()) >= x.f.series {
			return postings{}, fmt.Errorf("%w: postings at %d: %v", ErrCorrupt, at, err)
		}
		x.valid.add(at)
	}
	return postings{bits: set}, nil
}

// places remembers where bitmaps begin, for several goroutines: of each cell of bytes the last one. Those that share a
// cell are short, and forgetting them costs little.
type places []atomic.Uint32

const cell = 256

func newPlaces(size uint64) places { return make(places, size/cell+1) }

func (p places) has(at uint64) bool { return p[at/cell].Load() == uint32(at%cell)+1 }

func (p places) add(at uint64) { p[at/cell].Store(uint32(at%cell) + 1) }

// short reads a list or runs.
func (x *Index) short(b []byte, n uint64, runs bool, off uint64) (postings, error) {
	next, more, gap := uint64(0), uint64(0), uint64(0)
	var p postings
	for range n {
		gap, b = uvarint(b)
		if runs {
			more, b = uvarint(b)
		}
		if gap >= x.f.series || more >= x.f.series || next+gap+more >= x.f.series {
			return postings{}, fmt.Errorf("%w: postings at %d", ErrCorrupt, off)
		}
		first := next + gap
		next = first + more + 1
		if p.bits == nil && uint64(len(p.tail))+more < shortList {
			if cap(p.tail) == 0 {
				p.tail = make([]uint32, 0, min(max(n, more+1), shortList))
			}
			for i := first; i < next; i++ {
				p.tail = append(p.tail, uint32(i))
			}
			continue
		}
		if p.bits == nil {
			p = postings{bits: roaring.BitmapOf(p.tail...)}
		}
		p.bits.AddRange(first, next)
	}
	return p, nil
}
