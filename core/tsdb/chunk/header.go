package chunk

import (
	"encoding/binary"
	"math"
)

// mode is the low nibble of the first byte of a column: FORMAT.md, section 2.
type mode byte

const (
	modeConstInt  mode = 0  // one integer
	modeConstDec  mode = 1  // one decimal
	modeConstBits mode = 2  // one float64 by its bits
	modeRaw       mode = 3  // every float64 by its bits
	modeSparse    mode = 4  // few changes: where and by how much
	modeBitmap    mode = 5  // a bit a row for change, and the changes packed
	modePacked    mode = 6  // residuals packed
	modeUlp       mode = 7  // decimals packed, and their distance to the value in units of the last place
	modeEntropy   mode = 8  // how large residuals are Huffman coded, and the bits that are left packed
	modeChain     mode = 9  // the difference to another column, as a column
	modeSums      mode = 10 // sums of decimals: what was added, and how far beside it the values are
)

// hasTransform tells whether the second byte names a transform.
func (m mode) hasTransform() bool { return m >= modePacked && m <= modeEntropy }

// The high nibble of the first byte.
const (
	flagDense      = 1 << 4 // no value is NaN: no gap, no staleness marker
	flagMonotone   = 1 << 5 // NaN left out, no value is less than the one before
	flagExceptions = 1 << 6 // a list of exceptions ends the column
	flagGCD        = 1 << 7 // all differences are multiples of a number that is given
)

// The second byte of modes 4 and up: the domain, that is how integers become values, and the transform.
const (
	domainMask     = 0x1f
	domainBits     = 31 // integers ordered as the floats whose bits they hold; else the decimal exponent 0..17
	transformShift = 5
	flagNarrow     = 1 << 7 // all integers are within narrowBits: two products replace the division
)

// Traits is what the header of a column tells without decoding it.
type Traits struct {
	Constant bool    // every value has the same bits
	Value    float64 // of a constant column
	Dense    bool    // no value is NaN, so none is Absent and none marks staleness
	Monotone bool    // NaN left out, no value is less than the one before: a counter without reset
	Chained  bool    // only DecodeAbove decodes it, given the column below
}

// Stats reads the traits of a column. An error wraps ErrCorrupt; that there is none says little about the rest
// of the bytes.
func Stats(col []byte) (Traits, error) {
	if len(col) == 0 {
		return Traits{}, corrupt("no bytes")
	}
	h := col[0]
	t := Traits{Dense: h&flagDense != 0, Monotone: h&flagMonotone != 0}
	m := mode(h & 15)
	if m > modeSums {
		return Traits{}, corrupt("unknown mode %d", m)
	}
	t.Chained = m == modeChain
	if m > modeConstBits || h&flagExceptions != 0 {
		return t, nil
	}
	r := reader{b: col[1:]}
	v, err := readConst(m, &r)
	if err != nil {
		return Traits{}, err
	}
	t.Constant, t.Value = true, v
	return t, nil
}

// readConst reads the value of a constant column.
func readConst(m mode, r *reader) (v float64, err error) {
	switch m {
	case modeConstInt:
		v = float64(r.varint())
	case modeConstDec:
		e := r.byte()
		if e < 1 || e > maxExponent {
			return 0, corrupt("decimal exponent %d of a constant", e)
		}
		v = float64(r.varint()) / pow10[e]
	case modeConstBits:
		v = math.Float64frombits(r.uint64())
	}
	if r.short {
		return 0, corrupt("constant cut short")
	}
	return v, nil
}

// appendConst appends a constant column with the given flags.
func appendConst(dst []byte, v float64, flags byte) []byte {
	for e := 0; e <= maxExponent; e++ {
		n, ok := toDecimal(v, e)
		if !ok {
			continue
		}
		if uvarintLen(zigzag(n)) > 7 { // no shorter than the bits
			break
		}
		if e == 0 {
			dst = append(dst, byte(modeConstInt)|flags)
		} else {
			dst = append(dst, byte(modeConstDec)|flags, byte(e))
		}
		return binary.AppendVarint(dst, n)
	}
	dst = append(dst, byte(modeConstBits)|flags)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}
