package chunk

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// Encoder encodes columns of values. The zero value is ready; it belongs to one goroutine and keeps scratch of
// about 50 KB. What it writes depends on the values alone.
type Encoder struct {
	// Entropy also tries a Huffman code of how large residuals are: many columns get 4 to 30 % smaller and take two to
	// four times as long to decode. It is for data that is kept long and read seldom.
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

	added, beside []float64 // of sums mode
	unsummed      []int     // rows that are no sums

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
	limit := len(vals)/32 + 1
	exp, ok := e.toDecimals(vals, 0, limit)
	if ok {
		ordinary := len(e.rows) - s.specials
		dst = e.appendDecimals(dst, c, exp)
		if ordinary > 0 {
			if next, ok := e.toDecimals(vals, exp+1, 0); ok {
				end := len(dst)
				dst = shorter(e.appendDecimals(dst, c, next), mark, end)
			}
		}
	}
	switch {
	case len(vals) >= computedRows && (!ok || exp >= manyDigits):
		dst = e.appendComputed(dst, mark, c, limit)
	case !ok:
		dst = e.appendUlp(dst, c)
	}
	if !ok {
		end := len(dst)
		e.toOrdered(vals)
		c.domain = domainBits
		dst = shorter(e.appendInts(dst, c), mark, end)
	}
	if len(dst)-mark >= MaxLen(len(vals)) {
		dst = appendRaw(dst[:mark], vals, s.flags)
	}
	return dst
}

const (
	manyDigits   = 12  // exponent from which on decimals are likely what floats are printed as, not what they were made of
	computedRows = 128 // shorter columns, as the head makes them all the time, do not look for that
)

// appendComputed appends the column as what arithmetic on decimals gives, if that is shorter than dst[mark:].
func (e *Encoder) appendComputed(dst []byte, mark int, c column, limit int) []byte {
	end := len(dst)
	if domain, ok := e.toScaled(c.vals, limit); ok {
		scaled := c
		scaled.domain = domain
		return shorter(e.appendInts(dst, scaled), mark, end)
	}
	dst = shorter(e.appendSums(dst, c), mark, end)
	end = len(dst)
	return shorter(e.appendUlp(dst, c), mark, end)
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
	if end == mark || end < len(dst) && len(dst)-end < end-mark {
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

// appendDecimals appends the column after toDecimals.
func (e *Encoder) appendDecimals(dst []byte, c column, exp int) []byte {
	c.domain = byte(exp)
	if exp > 0 && fitsNarrow(e.x, exp) && e.productsExact(c.vals, exp) {
		c.domain |= flagNarrow
	}
	return e.appendInts(dst, c)
}

// toDecimals fills e.x with n for n/10^exp == v, by the least exp from the given one on for which at most limit
// ordinary values have no n; these and all special values become e.rows. A row of exceptions repeats the integer
// before it.
func (e *Encoder) toDecimals(vals []float64, from, limit int) (exp int, ok bool) {
	for exp = from; exp <= maxExponent; exp++ {
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

// productsExact checks what narrow promises: two products give the bits of all values but the exceptions.
func (e *Encoder) productsExact(vals []float64, exp int) bool {
	hi, lo := narrow[exp].hi, narrow[exp].lo
	differ := 0
	for i, v := range vals {
		if math.Float64bits(product(e.x[i], hi, lo)) != math.Float64bits(v) {
			differ++
		}
	}
	return differ == len(e.rows)
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
func (e *Encoder) appendInts(dst []byte, c column) []byte {
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
		dst = e.appendCheapest(dst, &c, changes)
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
