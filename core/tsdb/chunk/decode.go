package chunk

import (
	"encoding/binary"
	"math"
	"slices"
)

// Decoder decodes columns of values. The zero value is ready; it belongs to one goroutine and keeps scratch of
// about 16 KB.
type Decoder struct {
	x       []int64
	changes []int64
	tail    [32]float64 // where a kernel writes what dst has no room for
}

// Decode fills dst, 1..MaxRows values, from the column col, which must have been encoded from that many values.
// It reads nothing beyond len(col) and keeps neither argument. On an error, which wraps ErrCorrupt, dst holds
// anything. A constant column, as Stats tells, decodes to any number of rows.
func (d *Decoder) Decode(dst []float64, col []byte) error {
	if len(dst) < 1 || len(dst) > MaxRows {
		return corrupt("%d rows asked for, a column has 1 to %d", len(dst), MaxRows)
	}
	if len(col) == 0 {
		return corrupt("no bytes")
	}
	h, r := col[0], reader{b: col[1:]}
	var err error
	switch m := mode(h & 15); m {
	case modeConstInt, modeConstDec, modeConstBits:
		var v float64
		if h&flagGCD != 0 {
			return corrupt("constant with header %#x", h)
		}
		v, err = readConst(m, &r)
		fill(dst, v)
	case modeRaw:
		if h&(flagGCD|flagExceptions) != 0 {
			return corrupt("raw column with header %#x", h)
		}
		err = readRaw(dst, &r)
	case modeSparse, modeBitmap, modePacked:
		err = d.ints(dst, h, &r)
	default:
		return corrupt("unknown mode %d", m)
	}
	if err == nil && h&flagExceptions != 0 {
		err = patchExceptions(dst, &r)
	}
	switch {
	case err != nil:
		return err
	case r.short:
		return corrupt("cut short")
	case len(r.b) > 0:
		return corrupt("%d bytes after the end", len(r.b))
	}
	return nil
}

func readRaw(dst []float64, r *reader) error {
	b := r.take(8 * len(dst))
	if r.short {
		return corrupt("raw values cut short")
	}
	for i := range dst {
		dst[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return nil
}

// ints decodes a column of integers: its header from the second byte on, and its body.
func (d *Decoder) ints(dst []float64, h byte, r *reader) error {
	second := r.byte()
	dom, err := newDomain(second)
	if err != nil {
		return err
	}
	m := mode(h & 15)
	s := sequence{transform: transform(second >> transformShift & 3), g: 1}
	if s.transform == transformLine || s.transform != 0 && m != modePacked {
		return corrupt("transform %d in mode %d", s.transform, m)
	}
	if h&flagGCD != 0 {
		if s.g = int64(r.uvarint()); s.g <= 1 {
			return corrupt("common divisor %d", s.g)
		}
	}
	s.start = r.varint()
	if s.hasSlope() {
		s.slope = r.varint()
	}
	switch {
	case m == modeSparse:
		return readSparse(dst, &s, &dom, r)
	case m == modePacked && s.transform == transformDelta && dom.product:
		return d.deltas(dst, &s, &dom, r)
	}
	d.x = slices.Grow(d.x[:0], len(dst))[:len(dst)]
	if m == modePacked {
		err = s.read(d.x, r)
	} else {
		d.changes = slices.Grow(d.changes[:0], len(dst)+1)[:len(dst)+1]
		err = readBitmap(d.x, d.changes, &s, r)
	}
	dom.values(dst, d.x)
	return err
}

// deltas decodes differences of decimals straight to values, the path most counters take.
func (d *Decoder) deltas(dst []float64, s *sequence, dom *domain, r *reader) error {
	d.x = slices.Grow(d.x[:0], miniRows)[:miniRows]
	x := s.start
	for len(dst) > 0 {
		out := dst[:min(miniRows, len(dst))]
		dst = dst[len(out):]
		m, fields, err := readMini(r, len(out))
		if err != nil {
			return err
		}
		b := s.g * m.base
		if m.width < 1 || m.width > maxFused || m.patched {
			q := d.x[:len(out)]
			unpackAll(m.width, fields, q)
			if m.patched {
				if err := readPatches(r, m, q); err != nil {
					return err
				}
			}
			for i, v := range q {
				x += b + s.g*v
				q[i] = x
			}
			dom.values(out, q)
			continue
		}
		full := len(out) &^ 31
		x = unpackDeltas(m.width, fields, out[:full], x, b, s.g, dom.hi, dom.lo)
		if rest := out[full:]; len(rest) > 0 { // only the last mini has such a rest
			var room [4 * maxFused]byte
			copy(room[:], fields[full/8*m.width:])
			unpackDeltas(m.width, room[:4*m.width], d.tail[:], x, b, s.g, dom.hi, dom.lo)
			copy(rest, d.tail[:])
		}
	}
	return nil
}
