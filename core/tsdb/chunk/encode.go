package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// Encoder encodes columns of values. The zero value is ready; it belongs to one goroutine and keeps scratch of
// about 50 KB. What it writes depends on the values alone.
type Encoder struct {
	// Entropy also tries a Huffman code over the packed residuals: some columns get 4 to 15 % smaller and take
	// twice the time to decode. It is for data that is kept long and read seldom.
	Entropy bool

	x       []int64 // the values as integers
	off     []int64 // what these lack, in ulp mode
	d       []int64 // their differences, over the common divisor
	r, best []int64 // residuals: the candidate's, the winner's
	changes []int64 // differences that are not 0
	rows    []int   // of exceptions
	plans   [2][MaxRows / miniRows]mini
	bestBuf int // index in plans of the winner's

	above     []float64 // differences to the column below
	unchained []int     // rows that these do not bring back

	symbols []byte
	huff    *huff0.Scratch
}

// column is what the parts of an encoder pass on about the column at hand.
type column struct {
	vals   []float64
	flags  byte
	domain byte // second byte, without the transform
	seq    sequence
}

// Encode appends the column of vals, 1..MaxRows values, to dst: at most MaxLen(len(vals)) bytes. All bits are
// kept, storage.Absent and NaN payloads too. It keeps neither argument.
func (e *Encoder) Encode(dst []byte, vals []float64) []byte {
	checkRows(len(vals))
	s := surveyOf(vals)
	if s.constant {
		return appendConst(dst, vals[0], s.flags)
	}
	e.grow(len(vals))
	mark := len(dst)
	c := column{vals: vals, flags: s.flags}
	if exp, ok := e.toDecimals(vals); ok {
		c.domain = byte(exp)
		if exp > 0 && fitsNarrow(e.x, exp) {
			c.domain |= flagNarrow
		}
		dst = e.appendInts(dst, &c)
	} else {
		dst = e.appendUlp(dst, c)
		end := len(dst)
		e.toOrdered(vals)
		c.domain = domainBits
		dst = e.appendInts(dst, &c)
		dst = shorter(dst, mark, end)
	}
	if len(dst)-mark >= MaxLen(len(vals)) {
		dst = appendRaw(dst[:mark], vals, s.flags)
	}
	return dst
}

// grow makes room for n rows.
func (e *Encoder) grow(n int) {
	for _, s := range []*[]int64{&e.x, &e.off, &e.d, &e.r, &e.best, &e.changes} {
		*s = slices.Grow((*s)[:0], n)[:n]
	}
	e.rows = slices.Grow(e.rows[:0], n)[:0]
}

// shorter keeps of the columns dst[mark:end] and dst[end:] the shorter one that is not empty.
func shorter(dst []byte, mark, end int) []byte {
	if end == mark || len(dst)-end < end-mark {
		return append(dst[:mark], dst[end:]...)
	}
	return dst[:end]
}

func appendRaw(dst []byte, vals []float64, flags byte) []byte {
	dst = append(dst, byte(modeRaw)|flags)
	for _, v := range vals {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

// toDecimals fills e.x with n for n/10^exp == v, by the least exp for which few ordinary values have none; these
// and all special values become e.rows. A row of exceptions repeats the integer before it.
func (e *Encoder) toDecimals(vals []float64) (exp int, ok bool) {
	limit := len(vals)/32 + 1
	for exp = 0; exp <= maxExponent; exp++ {
		if e.tryExponent(vals, exp, limit) {
			return exp, true
		}
	}
	return 0, false
}

func (e *Encoder) tryExponent(vals []float64, exp, limit int) bool {
	e.rows = e.rows[:0]
	prev, first := int64(0), -1
	for i, v := range vals {
		n, ok := toDecimal(v, exp)
		if !ok {
			e.rows = append(e.rows, i)
			if !isSpecial(v) {
				if limit--; limit < 0 {
					return false
				}
			}
			n = prev
		} else if first < 0 {
			first = i
		}
		e.x[i] = n
		prev = n
	}
	fillHead(e.x, first)
	return true
}

// toOrdered fills e.x with the values as ordered integers; special ones become e.rows.
func (e *Encoder) toOrdered(vals []float64) {
	e.rows = e.rows[:0]
	prev, first := int64(0), -1
	for i, v := range vals {
		n := ordered(v)
		if isSpecial(v) {
			e.rows = append(e.rows, i)
			n = prev
		} else if first < 0 {
			first = i
		}
		e.x[i] = n
		prev = n
	}
	fillHead(e.x, first)
}

// fillHead gives exceptions before the first ordinary row its integer.
func fillHead(x []int64, first int) {
	for i := range max(first, 0) {
		x[i] = x[first]
	}
}

// appendInts appends the column whose integers are e.x and whose exceptions are at e.rows.
func (e *Encoder) appendInts(dst []byte, c *column) []byte {
	changes := e.differences(&c.seq)
	switch {
	case len(e.rows) > 0:
		c.flags |= flagExceptions
	case changes == 0:
		panic("chunk: a constant column that the survey took for another")
	}
	if changes == 0 {
		v := 0.0
		if len(e.rows) < len(c.vals) {
			v = e.ordinary(c.vals)
		}
		dst = appendConst(dst, v, c.flags)
	} else {
		dst = e.appendCheapest(dst, c, changes)
	}
	if len(e.rows) > 0 {
		dst = appendExceptions(dst, c.vals, e.rows)
	}
	return dst
}

// ordinary returns the first value that is no exception.
func (e *Encoder) ordinary(vals []float64) float64 {
	for i, row := range e.rows {
		if row != i {
			return vals[i]
		}
	}
	return vals[len(e.rows)]
}

// differences fills e.d with x[i]-x[i-1] over their common divisor, which it puts in s, and 0 first. It returns how
// many are not 0.
func (e *Encoder) differences(s *sequence) (changes int) {
	d := e.d
	changes = plainDifferences(d, e.x)
	s.g = 1
	if g := commonDivisor(d); worthDividing(g, changes) {
		s.g = int64(g)
		q := newDivisor(g)
		for i, v := range d {
			d[i] = q.signed(v)
		}
	}
	return changes
}

// plainDifferences fills d with x[i]-x[i-1], 0 first, and returns how many are not 0.
func plainDifferences(d, x []int64) (changes int) {
	x = x[:len(d)]
	d[0] = 0
	for i := 1; i < len(d); i++ {
		v := x[i] - x[i-1]
		d[i] = v
		if v != 0 {
			changes++
		}
	}
	return changes
}

// worthDividing tells whether dividing changes by g saves more bits than g takes.
func worthDividing(g uint64, changes int) bool {
	return g < 1<<63 && changes*(bits.Len64(g)-1) > 8*uvarintLen(g)
}

// appendCheapest appends header and body in the mode that takes the fewest bytes.
func (e *Encoder) appendCheapest(dst []byte, c *column, changes int) []byte {
	n := len(e.d)
	sparse := math.MaxInt
	if changes*4 <= n {
		sparse = sparseLen(e.d, changes)
	}
	packed := math.MaxInt
	if changes*16 > n || n < miniRows {
		packed = e.planPacked(&c.seq)
	}
	if changes*5 < n*4 && changes*16 > n {
		e.changes = e.changes[:0]
		for _, v := range e.d {
			if v != 0 {
				e.changes = append(e.changes, v)
			}
		}
		plans, size := planMinis(e.plans[1-e.bestBuf][:], e.changes)
		if size += packedLen(n, 1); size < packed && size < sparse {
			dst = c.header(dst, modeBitmap, e.x[0])
			dst = appendBitmap(dst, e.d)
			return appendMinis(dst, plans, e.changes)
		}
	}
	if sparse <= packed {
		dst = c.header(dst, modeSparse, e.x[0])
		return appendSparse(dst, e.d, changes)
	}
	if e.Entropy && n >= entropyRows {
		if longer, ok := e.appendEntropy(dst, c, packed); ok {
			return longer
		}
	}
	dst = c.header(dst, modePacked, c.seq.start)
	return e.appendPlanned(dst)
}

// appendPlanned appends the residuals that planPacked chose.
func (e *Encoder) appendPlanned(dst []byte) []byte {
	return appendMinis(dst, e.plans[e.bestBuf][:(len(e.best)+miniRows-1)/miniRows], e.best)
}

// planPacked chooses the transform: e.best and the winner's plans hold what it makes of the differences. It
// returns the bytes of the packed body.
func (e *Encoder) planPacked(s *sequence) (size int) {
	size = math.MaxInt
	var winner sequence
	for _, t := range [...]transform{transformDelta, transformFOR, transformDoD} {
		s.transform = t
		s.residuals(e.r, e.d, e.x[0])
		_, bytes := planMinis(e.plans[1-e.bestBuf][:], e.r)
		if s.hasSlope() {
			bytes += uvarintLen(zigzag(s.slope))
		}
		if bytes < size {
			size, winner = bytes, *s
			e.r, e.best = e.best, e.r
			e.bestBuf = 1 - e.bestBuf
		}
	}
	*s = winner
	return size
}

// header appends what comes before the body: FORMAT.md, section 2.
func (c *column) header(dst []byte, m mode, start int64) []byte {
	flags := c.flags
	if c.seq.g > 1 {
		flags |= flagGCD
	}
	second := c.domain
	if m.hasTransform() {
		second |= byte(c.seq.transform) << transformShift
	}
	dst = append(dst, byte(m)|flags, second)
	if c.seq.g > 1 {
		dst = binary.AppendUvarint(dst, uint64(c.seq.g))
	}
	dst = binary.AppendVarint(dst, start)
	if m.hasTransform() && c.seq.hasSlope() {
		dst = binary.AppendVarint(dst, c.seq.slope)
	}
	return dst
}
