package head

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/fields"
	"github.com/hearth-project/hearth/core/storage/facet"
)

// detached returns labels that share no memory with ls: senders hand over labels that lie in large buffers. With
// the build tags that hearth has, a set is one string.
func detached(ls labels.Labels) labels.Labels { return ls.Copy() }

// labelSets keeps one copy of each own label set, under a number: the targets of a job expose the same ones.
// The writer changes it. Others look up the numbers of a group's slots under that group's lock: as long as a
// slot has the number, it stands for the same set. 0 is the empty set.
type labelSets struct {
	hash  hasher
	table table
	pages atomic.Pointer[[]*setPage]
	next  uint32
	free  []uint32
}

type setPage [256]labelSet

type labelSet struct {
	ls labels.Labels
	traits
	uses uint32
}

func newLabelSets(h hasher) *labelSets {
	s := &labelSets{hash: h, next: 1}
	s.pages.Store(&[]*setPage{new(setPage)})
	return s
}

func (s *labelSets) at(n uint32) *labelSet {
	return &(*s.pages.Load())[n/uint32(len(setPage{}))][n%uint32(len(setPage{}))]
}

func (s *labelSets) get(n uint32) labels.Labels { return s.at(n).ls }

// facet tells whether a series with these own labels is a facet of another one.
func (h *Head) facet(own uint32) bool { return h.sets.get(own).Has(facet.Name) }

// keep returns the number of ls and counts one use of it.
func (s *labelSets) keep(ls labels.Labels) uint32 {
	n, fresh := s.number(ls)
	if !fresh {
		s.use(n)
	}
	return n
}

// number returns the number of ls. A fresh one has one use.
func (s *labelSets) number(ls labels.Labels) (n uint32, fresh bool) {
	if ls.IsEmpty() {
		return 0, false
	}
	t := s.hash.traits(ls)
	if n, ok := s.table.get(t.sum, func(n uint32) bool { return labels.Equal(s.at(n).ls, ls) }); ok {
		return n, false
	}
	if k := len(s.free); k > 0 {
		n, s.free = s.free[k-1], s.free[:k-1]
	} else {
		n = s.next
		s.next++
		if pages := *s.pages.Load(); int(n)/len(setPage{}) == len(pages) {
			pages = append(pages, new(setPage)) // readers have the shorter slice
			s.pages.Store(&pages)
		}
	}
	*s.at(n) = labelSet{ls: detached(ls), traits: t, uses: 1}
	s.table.put(t.sum, n)
	return n, true
}

// use counts one more use of a set that is used.
func (s *labelSets) use(n uint32) uint32 {
	if n != 0 {
		s.at(n).uses++
	}
	return n
}

// drop takes one use back.
func (s *labelSets) drop(n uint32) {
	if n == 0 {
		return
	}
	e := s.at(n)
	if e.uses--; e.uses == 0 {
		s.table.remove(e.sum, n)
		*e = labelSet{}
		s.free = append(s.free, n)
	}
}

func appendLabels(dst []byte, ls labels.Labels) []byte {
	dst = binary.AppendUvarint(dst, uint64(ls.Len()))
	ls.Range(func(l labels.Label) {
		dst = appendString(dst, l.Name)
		dst = appendString(dst, l.Value)
	})
	return dst
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// reader takes fields off a record, label sets among them.
type reader struct{ fields.Reader }

func newReader(record []byte) reader { return reader{fields.Reader{B: record}} }

// id reads a number that has 32 bits.
func (r *reader) id() uint32 {
	v := r.Uint()
	if v > 1<<32-1 {
		r.Fail()
		return 0
	}
	return uint32(v)
}

// labels reads a label set in its own memory. Names must ascend.
func (r *reader) labels() labels.Labels {
	var b labels.ScratchBuilder
	if !r.pairs(&b) {
		return labels.EmptyLabels()
	}
	return detached(b.Labels())
}

// pairs reads a label set into b, whose strings are the record's bytes.
func (r *reader) pairs(b *labels.ScratchBuilder) bool {
	b.Reset()
	n := r.Count()
	if r.Bad {
		return false
	}
	last := ""
	for i := range n {
		name, value := view(r.Bytes()), view(r.Bytes())
		if r.Bad || i > 0 && name <= last {
			r.Fail()
			return false
		}
		b.Add(name, value)
		last = name
	}
	return true
}

// view returns b as a string without copying; b must not change as long as the string is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
