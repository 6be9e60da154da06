package head

import (
	"encoding/binary"
	"hash/maphash"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// detached returns labels that share no memory with ls: senders hand over labels that lie in large buffers.
func detached(ls labels.Labels) labels.Labels {
	var b labels.ScratchBuilder
	ls.Range(func(l labels.Label) { b.Add(strings.Clone(l.Name), strings.Clone(l.Value)) })
	return b.Labels()
}

// interner keeps one copy of each own label set: the targets of a job expose the same ones.
type interner struct {
	seed maphash.Seed
	sets map[uint64]*interned // by hash: sets whose labels are of no use to a second series cost little beside them
	buf  []byte
}

type interned struct {
	ls   labels.Labels
	refs int
	next *interned // with the same hash
}

func newInterner() *interner {
	return &interner{seed: maphash.MakeSeed(), sets: map[uint64]*interned{}}
}

func (in *interner) hash(ls labels.Labels) uint64 {
	in.buf = ls.Bytes(in.buf[:0])
	return maphash.Bytes(in.seed, in.buf)
}

// keep returns the kept copy of ls and counts one use of it.
func (in *interner) keep(ls labels.Labels) labels.Labels {
	h := in.hash(ls)
	for e := in.sets[h]; e != nil; e = e.next {
		if labels.Equal(e.ls, ls) {
			e.refs++
			return e.ls
		}
	}
	e := &interned{ls: detached(ls), refs: 1, next: in.sets[h]}
	in.sets[h] = e
	return e.ls
}

// drop takes one use back.
func (in *interner) drop(ls labels.Labels) {
	h := in.hash(ls)
	var before *interned
	for e := in.sets[h]; e != nil; before, e = e, e.next {
		if !labels.Equal(e.ls, ls) {
			continue
		}
		switch e.refs--; {
		case e.refs > 0:
		case before != nil:
			before.next = e.next
		case e.next != nil:
			in.sets[h] = e.next
		default:
			delete(in.sets, h)
		}
		return
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

// reader takes fields off a record; after a malformed one bad is set and all further ones are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	v, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[k:]
	return v
}

// id reads a number that has 32 bits.
func (r *reader) id() uint32 {
	v := r.uint()
	if v > 1<<32-1 {
		r.b, r.bad = nil, true
		return 0
	}
	return uint32(v)
}

func (r *reader) int() int64 {
	v, k := binary.Varint(r.b)
	if k <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[k:]
	return v
}

// bytes reads a length and as many bytes, which stay those of the record.
func (r *reader) bytes() []byte {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

// labels reads a label set in its own memory. Names must ascend.
func (r *reader) labels() labels.Labels {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return labels.EmptyLabels()
	}
	var b labels.ScratchBuilder
	last := ""
	for i := range n {
		name, value := string(r.bytes()), string(r.bytes())
		if r.bad || i > 0 && name <= last {
			r.b, r.bad = nil, true
			return labels.EmptyLabels()
		}
		b.Add(name, value)
		last = name
	}
	return b.Labels()
}
