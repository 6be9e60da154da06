// Package floattext prints float64 numbers the way the HTTP API answers them, several times faster than strconv and
// with exactly its digits: the shortest decimal that reads back to the same number, and of those the nearest.
//
// What monitoring stores is mostly whole or has few decimals, so Append tries these first (short.go) and only then the
// general algorithm (shortest.go), which needs the powers of ten in table.go. digits.go turns integers into text.
package floattext

import "math"

//go:generate go run ./gen

// Max is the most bytes Append adds.
const Max = 32

// Append appends the text of v to dst and returns the grown slice: as strconv.AppendFloat with format 'f' and precision
// -1, with an exponent (format 'e') where v is not 0 and its magnitude below 1e-6 or at least 1e21. NaN, +Inf and -Inf
// are spelled so. When dst has room for Max more bytes, nothing is allocated.
func Append(dst []byte, v float64) []byte {
	n := len(dst)
	if cap(dst)-n < Max {
		dst = append(dst, make([]byte, Max)...)
	}
	b := (*[Max]byte)(dst[n : n+Max])
	return dst[:n+put(b, v)]
}

// put writes the text of v to the beginning of b and returns its length. What follows in b is overwritten, too.
func put(b *[Max]byte, v float64) int {
	i := 0
	if math.Signbit(v) {
		if v == v {
			b[0] = '-'
			i = 1
		}
		v = -v
	}
	if v < limitShort { // so not NaN
		if n := int64(v); float64(n) == v {
			return i + putUint((*[numberRoom]byte)(b[i:]), uint64(n))
		}
		if n, ok := thousandths(v); ok {
			return i + putThousandths((*[numberRoom]byte)(b[i:]), n)
		}
	} else if !(v <= math.MaxFloat64) {
		if v != v {
			return copy(b[:], "NaN")
		}
		if i == 0 {
			b[0] = '+'
		}
		return 1 + copy(b[1:], "Inf")
	}
	digits, exp := shortest(v)
	return i + putDecimal((*[numberRoom]byte)(b[i:]), digits, exp)
}
