package head

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// The rows of the log: FORMAT.md, section 3.3. What stands before the cells of an entry; the cells are cellcodec.go's.

const (
	freshEvery = 64 // entries of a group after which it begins again from zero, so that damage stays small

	flagFresh   = 1
	flagDense   = 2
	flagSingle  = 4
	singleShift = 3 // bits of the flags from here on are the length of the cells of a single entry

	maxSlots = 1 << 21        // of a group
	maxCell  = 5 + maxCellLen // bytes of a cell at most, and what says its slot
	maxEntry = 64             // of what comes before the cells, and room to write the last of them
)

var errEntry = errors.New("malformed row entry")

// base is what a group's next row in the log is written against.
type base struct {
	segment uint64 // that it began again in, about; 0: nothing is known
	entries int
	slots   []slotState
}

// grow makes room for n slots.
func (b *base) grow(n int) {
	if more := n - len(b.slots); more > 0 {
		b.slots = append(b.slots, make([]slotState, more)...)
	}
}

// reset begins from zero in segment.
func (b *base) reset(segment uint64) {
	clear(b.slots)
	b.segment, b.entries = segment, 0
}

// rowContext runs through the entries of a record: group and time are written as differences.
type rowContext struct {
	group uint32
	t     int64
}

// appendEntry appends the cells of one row of the group: vals[i] in slots[i], which are distinct.
// It is written against those before if the base began again in the segment since or later.
func appendEntry(dst []byte, c *rowContext, b *base, since uint64, group uint32, t int64, slots []uint32, vals []float64) []byte {
	flags := byte(0)
	if b.segment < since || b.segment == 0 || b.entries >= freshEvery {
		b.reset(since)
		flags |= flagFresh
	}
	b.entries++
	n := len(slots)
	dense := true
	top := uint32(0)
	for i, s := range slots {
		dense = dense && s == slots[0]+uint32(i)
		top = max(top, s)
	}
	b.grow(int(top) + 1)
	if n == 1 && slots[0] == 0 {
		flags |= flagSingle
	} else if dense {
		flags |= flagDense
	}
	dst = growBytes(dst, maxEntry+n*maxCell)
	start := len(dst)
	dst = append(dst, flags)
	dst = binary.AppendVarint(dst, int64(group)-int64(c.group))
	dst = binary.AppendVarint(dst, t-c.t)
	c.group, c.t = group, t
	if flags&flagSingle == 0 {
		dst = binary.AppendUvarint(dst, uint64(n))
		if dense {
			dst = binary.AppendUvarint(dst, uint64(slots[0]))
		} else {
			last := int64(-1)
			for _, s := range slots {
				dst = binary.AppendVarint(dst, int64(s)-last)
				last = int64(s)
			}
		}
	}
	at := len(dst)
	size := uvarintLen(n * maxCellLen) // of the length, which is not known yet
	if flags&flagSingle != 0 {
		size = 0
	}
	w := bitWriter{buf: dst[:cap(dst)], at: at + size}
	for i, s := range slots {
		w.cell(vals[i], &b.slots[s])
	}
	end := w.end()
	if size == 0 {
		dst[start] |= byte(end-at) << singleShift
	} else {
		putLength(w.buf[at:at+size], uint(end-at-size))
	}
	return w.buf[:end]
}

// uvarintLen returns how many bytes a uvarint of at most n takes.
func uvarintLen(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }

// putLength writes u as a uvarint that fills dst.
func putLength(dst []byte, u uint) {
	for i := range dst {
		dst[i] = byte(u)&0x7f | 0x80
		u >>= 7
	}
	dst[len(dst)-1] &= 0x7f
}

func growBytes(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	g := make([]byte, len(b), 2*cap(b)+n)
	copy(g, b)
	return g
}

// entry is one decoded row entry; its slices are reused by the next.
type entry struct {
	group uint32
	t     int64
	fresh bool
	flags byte
	n     int    // cells
	top   uint32 // highest slot
	size  int    // bytes of the cells
	slots []uint32
	vals  []float64
}

// head decodes what comes before the cells but for the slots, which it skips, and returns the rest from there on and
// that from the cells on.
func (e *entry) head(b []byte, c *rowContext) (places, cells []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errEntry
	}
	e.flags = b[0]
	b = b[1:]
	dg, k := binary.Varint(b)
	if k <= 0 {
		return nil, nil, errEntry
	}
	b = b[k:]
	dt, k := binary.Varint(b)
	if k <= 0 {
		return nil, nil, errEntry
	}
	b = b[k:]
	g := int64(c.group) + dg
	if g < 0 || g > math.MaxUint32 {
		return nil, nil, errEntry
	}
	c.group, c.t = uint32(g), c.t+dt
	e.group, e.t, e.fresh = c.group, c.t, e.flags&flagFresh != 0
	cells, err = e.places(b, false)
	return b, cells, err
}

// places decodes which slots an entry with e.flags has, and the length of its cells; it returns the rest, which has as
// many bytes. It lists the slots if list is set.
func (e *entry) places(b []byte, list bool) ([]byte, error) {
	e.slots, e.n, e.top = e.slots[:0], 1, 0
	if e.flags&flagSingle != 0 {
		e.slots, e.size = append(e.slots, 0), int(e.flags>>singleShift)
		if e.size > len(b) {
			return nil, errEntry
		}
		return b, nil
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > maxSlots || n/8 > uint64(len(b)) {
		return nil, errEntry
	}
	b = b[k:]
	e.n = int(n)
	if e.flags&flagDense != 0 && n > 0 {
		first, k := binary.Uvarint(b)
		if k <= 0 || first > maxSlots || first+n > maxSlots {
			return nil, errEntry
		}
		b = b[k:]
		e.top = uint32(first + n - 1)
		for s := first; list && s < first+n; s++ {
			e.slots = append(e.slots, uint32(s))
		}
	} else {
		s := int64(-1)
		for range n {
			d, k := binary.Varint(b)
			if k <= 0 {
				return nil, errEntry
			}
			b = b[k:]
			if s += d; s < 0 || s >= maxSlots {
				return nil, errEntry
			}
			e.top = max(e.top, uint32(s))
			if list {
				e.slots = append(e.slots, uint32(s))
			}
		}
	}
	size, k := binary.Uvarint(b)
	if k <= 0 || size > uint64(len(b)-k) {
		return nil, errEntry
	}
	e.size = int(size)
	return b[k:], nil
}

// cells decodes the values of the listed slots against bs, which has room for them.
func (e *entry) cells(b []byte, bs *base) error {
	e.vals = e.vals[:0]
	r := bitReader{buf: b[:e.size]}
	for _, s := range e.slots {
		v, err := r.cell(&bs.slots[s])
		if err != nil {
			return err
		}
		e.vals = append(e.vals, v)
	}
	if r.over() {
		return errEntry
	}
	return nil
}

// skimRows calls f for each entry of a row record, without decoding it: rest is what comes after group and time.
func (e *entry) skimRows(b []byte, f func(e *entry, rest []byte) error) error {
	var c rowContext
	for len(b) > 0 {
		places, cells, err := e.head(b, &c)
		if err != nil {
			return err
		}
		b = cells[e.size:]
		if err := f(e, places[:len(places)-len(b)]); err != nil {
			return err
		}
	}
	return nil
}

// rowQueue is entries of one group, one after the other: flags, the time as a difference to that of the entry before,
// and the rest as it is in the log.
type rowQueue struct {
	bytes []byte
	last  int64 // time of the last entry
}

// push appends an entry.
func (q *rowQueue) push(e *entry, rest []byte) {
	q.bytes = append(q.bytes, e.flags)
	q.bytes = binary.AppendVarint(q.bytes, e.t-q.last)
	q.bytes = append(q.bytes, rest...)
	q.last = e.t
}

// each decodes the entries against bs, if that is known, and calls f for them. An entry that is malformed, and what is
// written against it, it calls lost for: n cells.
func (q *rowQueue) each(e *entry, bs *base, known bool, f func(e *entry), lost func(n int, err error)) {
	b, t := q.bytes, int64(0)
	for len(b) > 0 {
		e.flags = b[0]
		dt, k := binary.Varint(b[1:]) // push wrote it: it is whole
		t += dt
		e.t, e.fresh = t, e.flags&flagFresh != 0
		cells, err := e.places(b[1+k:], true)
		if err != nil {
			lost(0, err)
			return
		}
		b = cells[e.size:]
		bs.grow(int(e.top) + 1)
		if e.fresh {
			clear(bs.slots)
			known = true
		}
		if !known {
			lost(e.n, nil)
			continue
		}
		if err := e.cells(cells, bs); err != nil {
			lost(e.n, err)
			known = false
			continue
		}
		f(e)
	}
}
