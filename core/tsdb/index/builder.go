package index

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/labels"
)

// Builder gathers the series of a part group by group, and writes their index. It holds the labels once and
// the postings, no samples. For one goroutine.
type Builder struct {
	symbols map[string]uint32
	texts   []string

	sets   map[string]uint32 // own label sets, by their bytes
	pairs  []uint32          // of all sets: name, value, name, value
	setEnd []uint32          // by set: where its pairs end
	key    []byte

	lists  []uint32            // sets of the slots, list after list
	listAt map[uint64][]uint64 // by hash: where lists begin
	groups []builtGroup
	series uint64
}

type builtGroup struct {
	first, n   uint32
	list, data uint64
	common     []uint32 // name, value
	ownNames   []uint32
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	return &Builder{symbols: map[string]uint32{}, sets: map[string]uint32{}, listAt: map[uint64][]uint64{}}
}

// AddGroup adds a group: its common labels, the own labels of its series, in order of the full label sets, and
// a number of the caller's that Group returns. The series get the next ids.
func (b *Builder) AddGroup(common labels.Labels, own []labels.Labels, data uint64) error {
	if b.series+uint64(len(own)) > maxSeries || uint64(len(b.lists)+len(own)) > math.MaxUint32 {
		return fmt.Errorf("more than %d series", maxSeries)
	}
	g := builtGroup{first: uint32(b.series), n: uint32(len(own)), data: data}
	common.Range(func(l labels.Label) { g.common = append(g.common, b.symbol(l.Name), b.symbol(l.Value)) })
	list := make([]uint32, len(own))
	names := map[uint32]struct{}{}
	for i, ls := range own {
		list[i] = b.set(ls)
		for ps := b.pairsOf(list[i]); len(ps) > 0; ps = ps[2:] {
			names[ps[0]] = struct{}{}
		}
	}
	g.ownNames = sortedKeys(names)
	g.list = b.list(list)
	b.groups = append(b.groups, g)
	b.series += uint64(len(own))
	return nil
}

func (b *Builder) symbol(s string) uint32 {
	if id, ok := b.symbols[s]; ok {
		return id
	}
	s = strings.Clone(s)
	id := uint32(len(b.texts))
	b.texts = append(b.texts, s)
	b.symbols[s] = id
	return id
}

func (b *Builder) set(ls labels.Labels) uint32 {
	b.key = ls.Bytes(b.key[:0])
	if id, ok := b.sets[string(b.key)]; ok {
		return id
	}
	id := uint32(len(b.setEnd))
	b.sets[string(b.key)] = id
	ls.Range(func(l labels.Label) { b.pairs = append(b.pairs, b.symbol(l.Name), b.symbol(l.Value)) })
	b.setEnd = append(b.setEnd, uint32(len(b.pairs)))
	return id
}

// pairsOf returns the pairs of a set.
func (b *Builder) pairsOf(set uint32) []uint32 {
	lo := uint32(0)
	if set > 0 {
		lo = b.setEnd[set-1]
	}
	return b.pairs[lo:b.setEnd[set]]
}

// list keeps a list of sets and returns where it begins: targets of a job have the same one.
func (b *Builder) list(sets []uint32) uint64 {
	var h xxhash.Digest
	h.Reset()
	for _, s := range sets {
		var w [4]byte
		binary.LittleEndian.PutUint32(w[:], s)
		_, _ = h.Write(w[:]) // a hash takes everything
	}
	k := h.Sum64()
	for _, at := range b.listAt[k] {
		if end := at + uint64(len(sets)); end <= uint64(len(b.lists)) && slices.Equal(b.lists[at:end], sets) {
			return at
		}
	}
	at := uint64(len(b.lists))
	b.lists = append(b.lists, sets...)
	b.listAt[k] = append(b.listAt[k], at)
	return at
}

// sortSymbols renumbers the symbols in order of their text.
func (b *Builder) sortSymbols() {
	order := make([]uint32, len(b.texts))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(x, y uint32) int { return strings.Compare(b.texts[x], b.texts[y]) })
	texts, now := make([]string, len(order)), make([]uint32, len(order))
	for i, was := range order {
		texts[i], now[was] = b.texts[was], uint32(i)
	}
	b.texts = texts
	for s, id := range b.symbols {
		b.symbols[s] = now[id]
	}
	renumber := func(ids []uint32) {
		for i := range ids {
			ids[i] = now[ids[i]]
		}
	}
	renumber(b.pairs)
	for i := range b.groups {
		renumber(b.groups[i].common)
		renumber(b.groups[i].ownNames)
		slices.Sort(b.groups[i].ownNames)
	}
}

// term is a label and its postings.
type term struct {
	values  map[uint32]*roaring.Bitmap
	present *roaring.Bitmap
}

// terms builds the postings.
func (b *Builder) terms() map[uint32]*term {
	out := map[uint32]*term{}
	get := func(name, value uint32) (*term, *roaring.Bitmap) {
		t := out[name]
		if t == nil {
			t = &term{values: map[uint32]*roaring.Bitmap{}, present: roaring.New()}
			out[name] = t
		}
		v := t.values[value]
		if v == nil {
			v = roaring.New()
			t.values[value] = v
		}
		return t, v
	}
	empty, hasEmpty := b.symbols[""]
	for _, g := range b.groups {
		lo, hi := uint64(g.first), uint64(g.first)+uint64(g.n)
		for i := 0; i < len(g.common); i += 2 {
			t, v := get(g.common[i], g.common[i+1])
			t.present.AddRange(lo, hi)
			v.AddRange(lo, hi)
		}
		for slot := range g.n {
			id := g.first + slot
			ps := b.pairsOf(b.lists[g.list+uint64(slot)])
			for i := 0; i < len(ps); i += 2 {
				for c := 0; c < len(g.common); c += 2 {
					if g.common[c] == ps[i] { // it stands for the common label
						t, v := get(g.common[c], g.common[c+1])
						t.present.Remove(id)
						v.Remove(id)
					}
				}
				if hasEmpty && ps[i+1] == empty {
					continue
				}
				t, v := get(ps[i], ps[i+1])
				t.present.Add(id)
				v.Add(id)
			}
		}
	}
	return out
}

// WriteTo writes the index. The builder takes nothing more afterwards.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	b.sortSymbols()
	e := &encoder{w: bufio.NewWriterSize(w, 64<<10)}
	f := footer{
		symbols: uint64(len(b.texts)), sets: uint64(len(b.setEnd)), lists: uint64(len(b.lists)),
		groups: uint64(len(b.groups)), series: b.series,
	}
	f.symbolText = writeSymbols(e, b.texts)
	f.setStart = e.n
	f.setText = b.writeSets(e)
	f.listStart = e.n
	for f.sets > 1<<(8*f.listWidth) || f.listWidth == 0 {
		f.listWidth++
	}
	for _, s := range b.lists {
		var w [4]byte
		binary.LittleEndian.PutUint32(w[:], s)
		e.put(w[:f.listWidth])
	}
	f.groupStart = e.n
	f.groupText = b.writeGroups(e)
	b.writeTerms(e, &f)
	e.put(f.encode())
	if e.err == nil {
		e.err = e.w.Flush()
	}
	return int64(e.n), e.err
}

// writeSets writes where every eighth set begins, and the sets, each with its length. It returns where those begin.
func (b *Builder) writeSets(e *encoder) uint64 {
	var text, pairs []byte
	for i := range b.setEnd {
		if i%setBlock == 0 {
			e.u32(uint32(len(text)))
		}
		pairs = pairs[:0]
		for _, p := range b.pairsOf(uint32(i)) {
			pairs = binary.AppendUvarint(pairs, uint64(p))
		}
		text = binary.AppendUvarint(text, uint64(len(pairs)))
		text = append(text, pairs...)
	}
	if len(text) > math.MaxUint32 {
		e.fail(fmt.Errorf("label sets of more than 4 GiB in one part"))
	}
	start := e.n
	e.put(text)
	return start
}

func (b *Builder) writeGroups(e *encoder) uint64 {
	var text []byte
	for _, g := range b.groups {
		e.u32(g.first)
		e.u32(g.n)
		e.u32(uint32(g.list))
		e.u32(uint32(len(text)))
		e.u64(g.data)
		text = binary.AppendUvarint(text, uint64(len(g.common)/2))
		for _, s := range g.common {
			text = binary.AppendUvarint(text, uint64(s))
		}
		text = binary.AppendUvarint(text, uint64(len(g.ownNames)))
		for _, s := range g.ownNames {
			text = binary.AppendUvarint(text, uint64(s))
		}
	}
	start := e.n
	e.put(text)
	return start
}

// writeTerms writes postings, values and labels.
func (b *Builder) writeTerms(e *encoder, f *footer) {
	terms := b.terms()
	f.postings = e.n
	var names, values, buf []byte
	put := func(dst []byte, set *roaring.Bitmap) []byte {
		if set.GetCardinality() == 1 {
			return binary.LittleEndian.AppendUint32(dst, uint32(single)|set.Minimum())
		}
		at := e.n - f.postings
		if at >= uint64(single) {
			e.fail(fmt.Errorf("postings of more than 2 GiB in one part"))
		}
		var err error
		if buf, err = appendPostings(buf[:0], set); err != nil {
			e.fail(err)
		}
		e.put(buf)
		return binary.LittleEndian.AppendUint32(dst, uint32(at))
	}
	for _, name := range sortedKeys(terms) {
		t := terms[name]
		if t.present.IsEmpty() {
			continue
		}
		f.labels++
		first := uint64(len(values) / valueSize)
		presence := put(nil, t.present)
		n := uint32(0)
		for _, v := range sortedKeys(t.values) {
			if t.values[v].IsEmpty() {
				continue
			}
			n++
			values = binary.LittleEndian.AppendUint32(values, v)
			values = put(values, t.values[v])
		}
		names = binary.LittleEndian.AppendUint32(names, name)
		names = binary.LittleEndian.AppendUint32(names, n)
		names = binary.LittleEndian.AppendUint32(names, uint32(first))
		names = append(names, presence...)
	}
	f.values = uint64(len(values) / valueSize)
	f.valueStart = e.n
	e.put(values)
	f.labelStart = e.n
	e.put(names)
}

func sortedKeys[V any](m map[uint32]V) []uint32 {
	out := make([]uint32, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// encoder writes and counts; the first error stays.
type encoder struct {
	w   *bufio.Writer
	n   uint64
	err error
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) put(b []byte) {
	if e.err == nil {
		_, e.err = e.w.Write(b)
	}
	e.n += uint64(len(b))
}

func (e *encoder) u32(v uint32) {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	e.put(b[:])
}

func (e *encoder) u64(v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	e.put(b[:])
}
