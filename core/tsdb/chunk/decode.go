package chunk

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// Decoder decodes columns of values. The zero value is ready; it belongs to one goroutine and keeps scratch of
// about 16 KB, and up to 40 KB more for columns in entropy mode.
type Decoder struct {
	x       []int64
	changes []int64
	beside  []float64
	symbols []byte
	rests   []byte
	tables  [2][maxSteps + 1]*[256]class // of entropy mode: signed, by steps; made when one is needed
	huff    *huff0.Scratch
}

// Decode fills dst, 1..MaxRows values, from the column col, which must have been encoded from that many values.
// It reads nothing beyond len(col) and keeps neither argument. On an error, which wraps ErrCorrupt, dst holds
// anything. A constant column, as Stats tells, decodes to any number of rows.
func (d *Decoder) Decode(dst []float64, col []byte) error {
	if err := checkDst(len(dst)); err != nil {
		return err
	}
	r := reader{b: col}
	if err := d.column(dst, &r); err != nil {
		return err
	}
	return r.end()
}

// checkDst refuses row counts that no column has.
func checkDst(n int) error {
	if n < 1 || n > MaxRows {
		return corrupt("%d rows asked for, a column has 1 to %d", n, MaxRows)
	}
	return nil
}

// column reads one column that stands alone, and what may follow it stays in r.
func (d *Decoder) column(dst []float64, r *reader) (err error) {
	h := r.byte()
	if r.short {
		return corrupt("no bytes")
	}
	switch m := mode(h & 15); m {
	case modeConstInt, modeConstDec, modeConstBits:
		var v float64
		if h&flagGCD != 0 {
			return corrupt("constant with header %#x", h)
		}
		v, err = readConst(m, r)
		fill(dst, v)
	case modeRaw:
		if h&(flagGCD|flagExceptions) != 0 {
			return corrupt("raw column with header %#x", h)
		}
		err = readRaw(dst, r)
	case modeSparse, modeBitmap, modePacked, modeUlp, modeEntropy:
		err = d.ints(dst, h, r)
	case modeSums:
		if h&flagGCD != 0 {
			return corrupt("sums with header %#x", h)
		}
		err = d.sums(dst, r)
	case modeChain:
		return corrupt("chained column without the one below")
	default:
		return corrupt("unknown mode %d", m)
	}
	if err == nil && h&flagExceptions != 0 {
		err = patchExceptions(dst, r)
	}
	return err
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
	m := mode(h & 15)
	domainOf := newDomain
	if m == modeUlp {
		domainOf = ulpDomain
	}
	dom, err := domainOf(second)
	if err != nil {
		return err
	}
	s := sequence{transform: transform(second >> transformShift & 3), g: 1}
	if s.transform == transformLine || s.transform != 0 && !m.hasTransform() {
		return corrupt("mode %d with second byte %#x", m, second)
	}
	if h&flagGCD != 0 {
		if s.g = int64(r.uvarint()); s.g <= 1 {
			return corrupt("common divisor %d", s.g)
		}
	}
	s.readStart(r)
	d.x = slices.Grow(d.x[:0], len(dst))[:len(dst)]
	switch {
	case m == modeSparse:
		return readSparse(dst, &s, &dom, r)
	case m == modeUlp:
		return d.ulp(dst, &s, &dom, r)
	case m == modePacked && dom.product:
		return d.products(dst, &s, &dom, r)
	case m == modeEntropy:
		err = d.entropy(&s, r)
	case m == modePacked:
		err = s.read(d.x, r)
	default:
		d.changes = slices.Grow(d.changes[:0], len(dst)+1)[:len(dst)+1]
		err = readBitmap(d.x, d.changes, &s, r)
	}
	dom.values(dst, d.x)
	return err
}
