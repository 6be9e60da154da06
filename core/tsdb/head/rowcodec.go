package head

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The rows of the log: FORMAT.md, section 3.3. Values are written against the value logged last for the same
// slot in the same segment, as integers at a decimal exponent where that gives the same bits back.

const (
	tagExponent = 15 // a new decimal exponent for the slot, then as tags 1..8
	tagRaw      = 9

	maxExponent = 17
	noDecimal   = 0xff // the encoder's note that no exponent fits; the decoder never sees a use of it

	freshEvery = 64 // entries of a group after which it begins again from zero, so that damage stays small

	flagFresh  = 1
	flagDense  = 2
	flagSingle = 4

	maxSlots = 1 << 21 // of a group
	maxCell  = 18      // bytes of a cell at most: slot 5, tag 1, value 12
	maxEntry = 64      // and of what comes before the cells
)

var errEntry = errors.New("malformed row entry")

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17}

// base is what a group's next row in the log is written against.
type base struct {
	segment uint64 // 0: nothing is known
	entries int
	prev    []float64 // by slot
	exp     []uint8
}

// grow makes room for n slots.
func (b *base) grow(n int) {
	for len(b.prev) < n {
		b.prev = append(b.prev, 0)
	}
	for len(b.exp) < n {
		b.exp = append(b.exp, 0)
	}
}

// reset begins from zero in segment.
func (b *base) reset(segment uint64) {
	clear(b.prev)
	clear(b.exp)
	b.segment, b.entries = segment, 0
}

// rowContext runs through the entries of a record: group and time are written as differences.
type rowContext struct {
	group uint32
	t     int64
}

// appendEntry appends the cells of one row of the group: vals[i] in slots[i], which are distinct.
func appendEntry(dst []byte, c *rowContext, b *base, segment uint64, group uint32, t int64, slots []uint32, vals []float64) []byte {
	flags := byte(0)
	if b.segment != segment || b.entries >= freshEvery {
		b.reset(segment)
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
	p := at + (n+1)/2
	dst = dst[:cap(dst)]
	clear(dst[at:p])
	for i, s := range slots {
		tag, k := putCell(dst[p:], vals[i], &b.prev[s], &b.exp[s])
		dst[at+i>>1] |= tag << (4 * (i & 1))
		p += k
	}
	return dst[:p]
}

func growBytes(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	g := make([]byte, len(b), 2*cap(b)+n)
	copy(g, b)
	return g
}

// scaled returns v*10^e rounded, if that is an integer the decoder can start from.
func scaled(v float64, e uint8) (int64, bool) {
	f := float64(v * pow10[e]) // the conversion keeps the product from being fused into the sum
	if !(f > -1e15 && f < 1e15) {
		return 0, false
	}
	return int64(f + math.Copysign(0.5, f)), true
}

// exact returns the integer that gives the bits of v back at exponent e.
func exact(v float64, vb uint64, e uint8) (int64, bool) {
	i, ok := scaled(v, e)
	return i, ok && math.Float64bits(float64(i)/pow10[e]) == vb
}

// putCell writes v against *prev and updates the slot's state. It returns the tag and the bytes used.
func putCell(dst []byte, v float64, prev *float64, exp *uint8) (tag byte, n int) {
	vb, pb := math.Float64bits(v), math.Float64bits(*prev)
	if vb == pb {
		return 0, 0
	}
	pv := *prev
	*prev = v
	e := *exp
	if e != noDecimal {
		if i, ok := exact(v, vb, e); ok {
			if j, ok := scaled(pv, e); ok {
				return putDelta(dst, i-j)
			}
		} else if e2, i, ok := findExponent(v, vb, e); ok {
			if j, ok := scaled(pv, e2); ok {
				*exp = e2
				d, n := putDelta(dst[2:], i-j)
				dst[0], dst[1] = e2, d
				return tagExponent, n + 2
			}
		} else if math.Abs(v) < 1e15 && v == v {
			*exp = noDecimal
		}
	}
	x := bits.ReverseBytes64(vb ^ pb) // top bytes first: trailing zero bytes of the xor are dropped
	k := max(8-bits.LeadingZeros64(x)>>3, 2)
	if k >= 7 {
		binary.LittleEndian.PutUint64(dst, x)
		return tagRaw, 8
	}
	binary.LittleEndian.PutUint64(dst, x)
	return byte(8 + k), k
}

// putDelta writes d in 1 to 8 bytes, which the tag counts. Zero is possible: other bits, same integer.
func putDelta(dst []byte, d int64) (byte, int) {
	u := uint64(d<<1) ^ uint64(d>>63)
	k := max((bits.Len64(u)+7)>>3, 1)
	binary.LittleEndian.PutUint64(dst, u)
	return byte(k), k
}

// findExponent returns the least exponent other than e that gives v back.
func findExponent(v float64, vb uint64, e uint8) (uint8, int64, bool) {
	for k := uint8(0); k <= maxExponent; k++ {
		if k == e {
			continue
		}
		i, ok := exact(v, vb, k)
		if ok {
			return k, i, true
		}
		if f := v * pow10[k]; !(f > -1e15 && f < 1e15) {
			break
		}
	}
	return 0, 0, false
}

// entry is one decoded row entry; its slices are reused by the next.
type entry struct {
	group uint32
	t     int64
	fresh bool
	top   uint32 // highest slot
	slots []uint32
	vals  []float64
}

// head decodes what comes before the cells, and returns the rest.
func (e *entry) head(b []byte, c *rowContext) ([]byte, error) {
	if len(b) == 0 {
		return nil, errEntry
	}
	flags := b[0]
	b = b[1:]
	dg, k := binary.Varint(b)
	if k <= 0 {
		return nil, errEntry
	}
	b = b[k:]
	dt, k := binary.Varint(b)
	if k <= 0 {
		return nil, errEntry
	}
	b = b[k:]
	g := int64(c.group) + dg
	if g < 0 || g > math.MaxUint32 {
		return nil, errEntry
	}
	c.group, c.t = uint32(g), c.t+dt
	e.group, e.t, e.fresh = c.group, c.t, flags&flagFresh != 0
	e.slots, e.top = e.slots[:0], 0
	if flags&flagSingle != 0 {
		e.slots = append(e.slots, 0)
		return b, nil
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > maxSlots || n/2 > uint64(len(b)) {
		return nil, errEntry
	}
	b = b[k:]
	s := int64(-1)
	for i := range int(n) {
		if i == 0 && flags&flagDense != 0 {
			u, k := binary.Uvarint(b)
			if k <= 0 || u > maxSlots {
				return nil, errEntry
			}
			b = b[k:]
			s = int64(u)
		} else if flags&flagDense != 0 {
			s++
		} else {
			d, k := binary.Varint(b)
			if k <= 0 {
				return nil, errEntry
			}
			b = b[k:]
			s += d
		}
		if s < 0 || s >= maxSlots {
			return nil, errEntry
		}
		e.slots = append(e.slots, uint32(s))
		e.top = max(e.top, uint32(s))
	}
	return b, nil
}

// cells decodes the values against bs, or, with bs nil, walks over them; it returns the rest.
func (e *entry) cells(b []byte, bs *base) ([]byte, error) {
	n := len(e.slots)
	if len(b) < (n+1)/2 {
		return nil, errEntry
	}
	tags, b := b[:(n+1)/2], b[(n+1)/2:]
	e.vals = e.vals[:0]
	var prev float64
	var exp uint8
	for i := range n {
		tag := tags[i>>1] >> (4 * (i & 1)) & 15
		pp, pe := &prev, &exp
		if bs != nil {
			pp, pe = &bs.prev[e.slots[i]], &bs.exp[e.slots[i]]
		}
		if tag == tagExponent {
			if len(b) < 2 || b[0] > maxExponent || b[1] < 1 || b[1] > 8 {
				return nil, errEntry
			}
			*pe = b[0]
			tag, b = b[1], b[2:]
		}
		k := int(tag)
		if tag == tagRaw {
			k = 8
		} else if tag > tagRaw {
			k -= 8
		}
		if len(b) < k {
			return nil, errEntry
		}
		var u uint64
		if len(b) >= 8 {
			u = binary.LittleEndian.Uint64(b)
			if k < 8 {
				u &= 1<<(8*k) - 1
			}
		} else {
			for j := range k {
				u |= uint64(b[j]) << (8 * j)
			}
		}
		b = b[k:]
		switch {
		case tag == 0:
		case tag <= 8:
			j, _ := scaled(*pp, *pe)
			*pp = float64(j+(int64(u>>1)^-int64(u&1))) / pow10[*pe]
		default:
			*pp = math.Float64frombits(math.Float64bits(*pp) ^ bits.ReverseBytes64(u))
		}
		e.vals = append(e.vals, *pp)
	}
	return b, nil
}

// decodeRows calls f for each entry of a row record. bases returns what the group's rows are written against,
// with room for the slots, or nil for a group that is unknown or whose earlier rows are lost.
func (e *entry) decodeRows(b []byte, bases func(e *entry) *base, f func(e *entry, known bool) error) error {
	var c rowContext
	for len(b) > 0 {
		var err error
		if b, err = e.head(b, &c); err != nil {
			return err
		}
		bs := bases(e)
		if b, err = e.cells(b, bs); err != nil {
			return fmt.Errorf("group %d: %w", e.group, err)
		}
		if err := f(e, bs != nil); err != nil {
			return err
		}
	}
	return nil
}
