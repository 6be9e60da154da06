package floattext

import (
	"encoding/binary"
	"math/bits"
)

// numberRoom is what the functions below need: 24 bytes for the longest text, 0.0000012345678901234567, and that
// words of eight bytes may be written over its end. A sign before it makes Max.
const numberRoom = Max - 1

// pairs are the two digits of each number below 100.
const pairs = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"

var pow10 = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// countDigits returns the number of decimal digits of n, which is not 0.
func countDigits(n uint64) int {
	d := bits.Len64(n) * 1233 >> 12 // as many, or one fewer
	if n >= pow10[d] {
		d++
	}
	return d
}

// eight returns the eight digits of n < 10^8, zeros in front, as the bytes of a little-endian word. All digits are
// split at once: first into two numbers of four digits, then four of two, then eight of one, each in a lane of its own.
func eight(n uint32) uint64 {
	x := uint64(n/10000) | uint64(n%10000)<<32
	hundreds := ((x * 10486) >> 20) & 0x7f_0000007f
	x = hundreds | (x-hundreds*100)<<16
	tens := ((x * 103) >> 10) & 0x0f000f_000f000f
	return tens | (x-tens*10)<<8 | zeros
}

const zeros = 0x3030303030303030

// putUint writes n < 10^15 and returns the length.
func putUint(b *[numberRoom]byte, n uint64) int {
	if n < 1e8 {
		if n < 100 {
			if n < 10 {
				b[0] = byte('0' + n)
				return 1
			}
			b[0], b[1] = pairs[2*n], pairs[2*n+1]
			return 2
		}
		d := countDigits(n)
		binary.LittleEndian.PutUint64(b[:], eight(uint32(n))>>(8*(8-uint(d))&63))
		return d
	}
	high, low := n/1e8, uint32(n%1e8)
	d := putUint(b, high) & 7 // n < 10^15
	binary.LittleEndian.PutUint64(b[d:], eight(low))
	return d + 8
}

// putDecimal writes digits*10^exp, digits not 0 and below 10^17, without zeros at the end of its fraction, and returns
// the length.
func putDecimal(b *[numberRoom]byte, digits uint64, exp int) int {
	// Brought to 17 digits, all numbers are one digit and two words. shortest returns 16 or 17, in no order that could
	// be guessed, so the first step is a conditional move; only subnormal numbers need more.
	d10, e10 := digits*10, exp-1
	if digits < 1e16 {
		digits, exp = d10, e10
	}
	for digits < 1e16 {
		digits *= 10
		exp--
	}
	point := 17 + exp // digits before the decimal point
	n := 17
	high := digits / 1e8
	first := high / 1e8
	w1, w2 := eight(uint32(high-first*1e8)), eight(uint32(digits-high*1e8))
	switch {
	case w2 != zeros:
		n -= bits.LeadingZeros64(w2^zeros) / 8
	case w1 != zeros:
		n = 9 - bits.LeadingZeros64(w1^zeros)/8
	default:
		n = 1
	}
	switch {
	case point > 21 || point < -5:
		return putExponent(b, first, w1, w2, n, point-1)
	case point <= 0: // 0.00ddd
		binary.LittleEndian.PutUint64(b[:], '.'<<8|zeros&^0xff00)
		at := 2 - point
		b[at] = byte('0' + first)
		binary.LittleEndian.PutUint64(b[at+1:], w1)
		binary.LittleEndian.PutUint64(b[at+9:at+17], w2)
		return at + n
	}
	b[0] = byte('0' + first)
	switch {
	case point >= n:
		binary.LittleEndian.PutUint64(b[1:], w1)
		binary.LittleEndian.PutUint64(b[9:], w2)
		for i := n; i < point; i++ {
			b[i] = '0'
		}
		return point
	case point < 9:
		w, last := withPoint(w1, point-1)
		binary.LittleEndian.PutUint64(b[1:], w)
		b[9] = last
		binary.LittleEndian.PutUint64(b[10:], w2)
	default:
		w, last := withPoint(w2, point-9)
		binary.LittleEndian.PutUint64(b[1:], w1)
		binary.LittleEndian.PutUint64(b[9:], w)
		b[17] = last
	}
	return n + 1
}

// withPoint returns the word w with a decimal point before its byte i, 0 to 7, and the byte that has no room any more.
// (To move the bytes in memory instead would have to wait until they are there.)
func withPoint(w uint64, i int) (uint64, byte) {
	bit := 8 * uint(i) & 63
	before := w & (1<<bit - 1)
	return before | '.'<<bit | (w-before)<<8, byte(w >> 56)
}

// putExponent writes d.ddde±xx: n digits, the first and the two words that follow.
func putExponent(b *[numberRoom]byte, first, w1, w2 uint64, n, exp int) int {
	b[0], b[1] = byte('0'+first), '.'
	binary.LittleEndian.PutUint64(b[2:], w1)
	binary.LittleEndian.PutUint64(b[10:], w2)
	i := n + 1
	if n == 1 {
		i = 1 // no point
	}
	b[i], b[i+1] = 'e', '+'
	if exp < 0 {
		b[i+1] = '-'
		exp = -exp
	}
	i += 2
	if exp >= 100 {
		b[i] = byte('0' + exp/100)
		exp %= 100
		i++
	}
	b[i], b[i+1] = pairs[2*exp], pairs[2*exp+1]
	return i + 2
}
