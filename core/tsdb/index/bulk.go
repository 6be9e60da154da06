package index

import "github.com/RoaringBitmap/roaring/v2"

// Bulk fills a Mem that nobody reads yet: sets grow in place, and series that follow each other are added to what
// they share at once.
type Bulk struct{ x *Mem }

// NewBulk returns a Bulk for an empty index. The index is ready after Done.
func NewBulk(x *Mem) *Bulk { return &Bulk{x} }

// Add adds the series id with labels of the set. AddRange has to name it as well, or has done so.
func (b *Bulk) Add(id uint32, s *Set) {
	for _, g := range s.sets {
		if g.add(id); len(g.tail) >= lastLimit {
			g.absorb()
		}
	}
}

// AddRange adds the series lo..hi-1, which have the labels of the set.
func (b *Bulk) AddRange(lo, hi uint32, s *Set) {
	for _, g := range append(s.sets, &b.x.series) {
		if g.bits == nil {
			g.bits = roaring.New()
		}
		g.bits.AddRange(uint64(lo), uint64(hi))
	}
}

// Done makes the index ready.
func (b *Bulk) Done() {
	b.x.series.settle()
	for _, n := range b.x.labels {
		n.present.settle()
		for _, v := range n.order {
			v.settle()
		}
	}
}

// absorb puts the tail into the bitmap in place.
func (g *growing) absorb() {
	if g.bits == nil {
		g.bits = roaring.New()
	}
	g.bits.AddMany(g.tail) // no runs yet: this is quick
	g.tail = g.tail[:0]
}

// settle makes the set what it would be had it grown for readers: a short one stays a tail.
func (g *growing) settle() {
	if g.bits == nil && len(g.tail) < firstLimit {
		g.tail = append(make([]uint32, 0, len(g.tail)), g.tail...)
		return
	}
	g.absorb()
	g.tail = nil
	g.bits.RunOptimize()
	g.limit = int(min(g.bits.GetCardinality()/growth, lastLimit))
}
