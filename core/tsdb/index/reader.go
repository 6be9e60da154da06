package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
)

// Source is where the bytes of an index lie. Slice returns n bytes from off on, checked against their
// checksum, or an error; the bytes stay readable as long as the index is used.
type Source interface {
	Len() uint64
	Slice(off, n uint64) ([]byte, error)
}

// maxCached is how many bytes of decoded label sets and groups an index keeps.
const maxCached = 16 << 20

// Index is the index of a part, read where it lies. Nothing in it is trusted: what cannot be is an error that
// wraps ErrCorrupt. Safe for concurrent use.
type Index struct {
	src    Source
	f      footer
	own    []atomic.Pointer[labels.Labels] // by set, once decoded
	groups []atomic.Pointer[Group]         // likewise
	cached atomic.Int64                    // bytes of both
	valid  places                          // bitmaps that were looked through
}

// Open reads the footer of an index.
func Open(src Source) (*Index, error) {
	n := src.Len()
	if n < footerSize {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrCorrupt, n)
	}
	b, err := src.Slice(n-footerSize, footerSize)
	if err != nil {
		return nil, err
	}
	f, err := decodeFooter(b, n)
	if err != nil {
		return nil, err
	}
	return &Index{src: src, f: f, valid: newPlaces(f.valueStart - f.postings), own: make([]atomic.Pointer[labels.Labels], f.sets), groups: make([]atomic.Pointer[Group], f.groups)}, nil
}

// Series returns how many series there are; their ids are 0..n-1.
func (x *Index) Series() int { return int(x.f.series) }

// Groups returns how many groups there are.
func (x *Index) Groups() int { return int(x.f.groups) }

// Group is a group of series: those with the ids First..First+Len-1, in order of their labels.
type Group struct {
	First, Len uint32
	Common     labels.Labels
	OwnNames   []string // sorted: every name that own labels of its series have
	Data       uint64   // as it was given to AddGroup

	list uint64
}

// record returns the bytes of group i.
func (x *Index) record(i int) ([]byte, error) {
	if i < 0 || uint64(i) >= x.f.groups {
		return nil, fmt.Errorf("%w: group %d of %d", ErrCorrupt, i, x.f.groups)
	}
	return x.src.Slice(x.f.groupStart+uint64(i)*groupSize, groupSize)
}

// GroupOf returns the number of the group that has the series id.
func (x *Index) GroupOf(id uint32) (int, error) {
	var failed error
	i := sort.Search(int(x.f.groups), func(i int) bool {
		b, err := x.record(i)
		if err != nil {
			failed = err
			return true
		}
		return binary.LittleEndian.Uint32(b) > id
	})
	if failed == nil && i == 0 {
		failed = fmt.Errorf("%w: no group has series %d", ErrCorrupt, id)
	}
	return i - 1, failed
}

// Group returns group i. What it refers to is shared.
func (x *Index) Group(i int) (Group, error) {
	if i >= 0 && i < len(x.groups) {
		if g := x.groups[i].Load(); g != nil {
			return *g, nil
		}
	}
	g, err := x.decodeGroup(i)
	if err != nil {
		return g, err
	}
	size := int64(g.Common.ByteSize()) + 128
	for _, n := range g.OwnNames {
		size += int64(len(n)) + 16
	}
	if x.keep(size) {
		x.groups[i].Store(&g)
	}
	return g, nil
}

// keep tells whether that many bytes more may be kept.
func (x *Index) keep(size int64) bool {
	if x.cached.Add(size) <= maxCached {
		return true
	}
	x.cached.Add(-size)
	return false
}

func (x *Index) decodeGroup(i int) (Group, error) {
	b, err := x.record(i)
	if err != nil {
		return Group{}, err
	}
	g := Group{
		First: binary.LittleEndian.Uint32(b), Len: binary.LittleEndian.Uint32(b[4:]),
		list: uint64(binary.LittleEndian.Uint32(b[8:])), Data: binary.LittleEndian.Uint64(b[16:]),
	}
	text, end := uint64(binary.LittleEndian.Uint32(b[12:])), x.f.postings-x.f.groupText
	if uint64(i)+1 < x.f.groups {
		next, err := x.record(i + 1)
		if err != nil {
			return Group{}, err
		}
		end = uint64(binary.LittleEndian.Uint32(next[12:]))
	}
	if uint64(g.First)+uint64(g.Len) > x.f.series || g.list > x.f.lists || uint64(g.Len) > x.f.lists-g.list ||
		text > end || end > x.f.postings-x.f.groupText {
		return Group{}, fmt.Errorf("%w: group %d", ErrCorrupt, i)
	}
	if b, err = x.src.Slice(x.f.groupText+text, end-text); err != nil {
		return Group{}, err
	}
	n, b := uvarint(b)
	common, b, err := x.labels(b, n)
	if err != nil {
		return Group{}, err
	}
	g.Common = common
	n, b = uvarint(b)
	if n > uint64(len(b)) {
		return Group{}, fmt.Errorf("%w: group %d", ErrCorrupt, i)
	}
	for range n {
		var s uint64
		s, b = uvarint(b)
		name, err := x.symbol(s)
		if err != nil {
			return Group{}, err
		}
		g.OwnNames = append(g.OwnNames, name)
	}
	return g, nil
}

// Own returns the own labels of the series First+slot of the group.
func (x *Index) Own(g *Group, slot uint32) (labels.Labels, error) {
	b, err := x.src.Slice(x.f.listStart+(g.list+uint64(slot))*x.f.listWidth, x.f.listWidth)
	if err != nil {
		return labels.EmptyLabels(), err
	}
	set := uint64(0)
	for i, c := range b {
		set |= uint64(c) << (8 * i)
	}
	if set >= x.f.sets {
		return labels.EmptyLabels(), fmt.Errorf("%w: label set %d of %d", ErrCorrupt, set, x.f.sets)
	}
	if ls := x.own[set].Load(); ls != nil {
		return *ls, nil
	}
	if b, err = x.set(set); err != nil {
		return labels.EmptyLabels(), err
	}
	ls, rest, err := x.labels(b, math.MaxUint64)
	if err != nil || len(rest) > 0 {
		return labels.EmptyLabels(), fmt.Errorf("label set %d: %w", set, err)
	}
	if x.keep(int64(ls.ByteSize()) + 32) {
		x.own[set].Store(&ls)
	}
	return ls, nil
}

// set returns the pairs of a label set.
func (x *Index) set(i uint64) ([]byte, error) {
	block := i / setBlock
	n := min(2, blocks(x.f.sets, setBlock)-block)
	b, err := x.src.Slice(x.f.setStart+block*4, n*4)
	if err != nil {
		return nil, err
	}
	lo, hi, size := uint64(binary.LittleEndian.Uint32(b)), x.f.listStart-x.f.setText, x.f.listStart-x.f.setText
	if n == 2 {
		hi = uint64(binary.LittleEndian.Uint32(b[4:]))
	}
	if lo > hi || hi > size {
		return nil, fmt.Errorf("%w: label sets from %d to %d", ErrCorrupt, lo, hi)
	}
	if b, err = x.src.Slice(x.f.setText+lo, hi-lo); err != nil {
		return nil, err
	}
	for k := block * setBlock; ; k++ {
		var n uint64
		if n, b = uvarint(b); n > uint64(len(b)) {
			return nil, fmt.Errorf("%w: label set %d", ErrCorrupt, k)
		}
		if k == i {
			return b[:n], nil
		}
		b = b[n:]
	}
}

// labels decodes n pairs of symbols, or with MaxUint64 all there are.
func (x *Index) labels(b []byte, n uint64) (labels.Labels, []byte, error) {
	var sb labels.ScratchBuilder
	last := ""
	for i := uint64(0); i < n && (len(b) > 0 || n != math.MaxUint64); i++ {
		var k, v uint64
		k, b = uvarint(b)
		v, b = uvarint(b)
		name, err := x.symbol(k)
		if err != nil {
			return labels.EmptyLabels(), nil, err
		}
		value, err := x.symbol(v)
		if err != nil {
			return labels.EmptyLabels(), nil, err
		}
		if i > 0 && name <= last {
			return labels.EmptyLabels(), nil, fmt.Errorf("%w: label %q after %q", ErrCorrupt, name, last)
		}
		last = name
		sb.Add(name, value)
	}
	return sb.Labels(), b, nil
}

// uvarint takes a number off b; of malformed bytes one that is no symbol and no length.
func uvarint(b []byte) (uint64, []byte) {
	v, k := binary.Uvarint(b)
	if k <= 0 {
		return math.MaxUint64, nil
	}
	return v, b[k:]
}

// entry is one label of the dictionary.
type entry struct {
	name     uint32
	first, n uint64 // its values
	present  ref
}

func (x *Index) entry(i uint64) (entry, error) {
	b, err := x.src.Slice(x.f.labelStart+i*labelSize, labelSize)
	if err != nil {
		return entry{}, err
	}
	e := entry{
		name: binary.LittleEndian.Uint32(b), n: uint64(binary.LittleEndian.Uint32(b[4:])),
		first: uint64(binary.LittleEndian.Uint32(b[8:])), present: ref(binary.LittleEndian.Uint32(b[12:])),
	}
	if e.first > x.f.values || e.n > x.f.values-e.first {
		return entry{}, fmt.Errorf("%w: values of label %d", ErrCorrupt, i)
	}
	return e, nil
}

// search returns the label called name; found is false if no series has it.
func (x *Index) search(name string) (e entry, found bool, err error) {
	s, found, err := x.searchSymbol(name)
	if err != nil || !found {
		return entry{}, false, err
	}
	var failed error
	i := sort.Search(int(x.f.labels), func(i int) bool {
		e, err := x.entry(uint64(i))
		if err != nil {
			failed = err
		}
		return uint64(e.name) >= s
	})
	if failed != nil || i == int(x.f.labels) {
		return entry{}, false, failed
	}
	e, err = x.entry(uint64(i))
	return e, err == nil && uint64(e.name) == s, err
}

// value returns value i of a label: its symbol and its postings.
func (x *Index) value(e *entry, i uint64) (uint32, ref, error) {
	b, err := x.src.Slice(x.f.valueStart+(e.first+i)*valueSize, valueSize)
	if err != nil {
		return 0, 0, err
	}
	return binary.LittleEndian.Uint32(b), ref(binary.LittleEndian.Uint32(b[4:])), nil
}

// searchValue returns the first value of the label whose symbol is at least s.
func (x *Index) searchValue(e *entry, s uint64) (i uint64, err error) {
	i = uint64(sort.Search(int(e.n), func(i int) bool {
		v, _, er := x.value(e, uint64(i))
		if er != nil {
			err = er
		}
		return uint64(v) >= s
	}))
	return i, err
}
