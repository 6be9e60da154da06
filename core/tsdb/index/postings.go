package index

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// postings is a set of series as a reader sees it. Neither half is ever changed.
type postings struct {
	bits *roaring.Bitmap // nil if there is none
	tail []uint32        // ascending, greater than all in bits
}

// intersects tells whether p and set share a series. Of the tail, which often lies between two series of set, it looks at
// few; it is what goes through set.
func (p postings) intersects(set *roaring.Bitmap, it *roaring.IntIterator) bool {
	if tail := p.tail; len(tail) > 0 {
		it.Initialize(set)
		for len(tail) > 0 {
			if it.AdvanceIfNeeded(tail[0]); !it.HasNext() {
				break
			}
			k, found := slices.BinarySearch(tail, it.PeekNext())
			if found {
				return true
			}
			tail = tail[k:]
		}
	}
	return p.bits != nil && p.bits.Intersects(set)
}

// bitmap returns p as one bitmap, which must not be changed.
func (p postings) bitmap() *roaring.Bitmap {
	switch {
	case p.bits == nil:
		return roaring.BitmapOf(p.tail...)
	case len(p.tail) == 0:
		return p.bits
	}
	b := p.bits.Clone()
	b.AddMany(p.tail)
	return b
}

// count returns how many series there are.
func (p postings) count() uint64 {
	n := uint64(len(p.tail))
	if p.bits != nil {
		n += p.bits.GetCardinality()
	}
	return n
}

// and returns what is in both p and set. It copies neither: p may be large and set small.
func (p postings) and(set *roaring.Bitmap) *roaring.Bitmap {
	out := roaring.New()
	if p.bits != nil {
		out = roaring.And(set, p.bits)
	}
	for _, id := range p.tail {
		if set.Contains(id) {
			out.Add(id)
		}
	}
	return out
}

// takenFrom returns what is in set and not in p.
func (p postings) takenFrom(set *roaring.Bitmap) *roaring.Bitmap {
	out := set
	if p.bits != nil {
		out = roaring.AndNot(set, p.bits)
	} else if len(p.tail) > 0 {
		out = set.Clone()
	}
	for _, id := range p.tail {
		out.Remove(id)
	}
	return out
}

// union returns all that is in any of ps.
func union(ps []postings) postings {
	if len(ps) == 1 {
		return ps[0]
	}
	var sets []*roaring.Bitmap
	rest := roaring.New()
	for _, p := range ps {
		if p.bits != nil {
			sets = append(sets, p.bits)
		}
		rest.AddMany(p.tail)
	}
	return postings{bits: roaring.FastOr(append(sets, rest)...)}
}

// growing is a set that one writer adds ascending ids to. What it was is never changed: the bitmap is replaced
// now and then by one that has the tail as well, so that readers need no lock once they have both.
type growing struct {
	postings
	limit int // length of the tail at which it goes into the bitmap
}

const (
	firstLimit = 32
	growth     = 4    // the tail may become a quarter of the bitmap,
	lastLimit  = 1024 // but readers go through it one by one
)

// add appends id. Readers must be locked out.
func (g *growing) add(id uint32) {
	g.tail = append(g.tail, id)
}

// folded returns what the set is with the tail in the bitmap, if it is time for that.
func (g *growing) folded() (growing, bool) {
	if len(g.tail) < max(g.limit, firstLimit) {
		return growing{}, false
	}
	b := roaring.BitmapOf(g.tail...)
	if g.bits != nil {
		b.RunOptimize()
		b = roaring.Or(g.bits, b) // adding one by one to runs would look at all of them each time
	}
	b.RunOptimize()
	return growing{postings: postings{bits: b}, limit: int(min(b.GetCardinality()/growth, lastLimit))}, true
}
