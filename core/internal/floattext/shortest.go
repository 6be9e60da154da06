package floattext

import (
	"math"
	"math/bits"
)

// power is a power of ten as 128 bits, normalized.
type power struct{ hi, lo uint64 }

// shortest returns the decimal digits*10^exp that is v, shortest first, then nearest. v must be finite and positive.
// digits has at most 17 digits and may end in zeros.
//
// It is Schubfach: R. Giulietti, "The Schubfach way to render doubles", 2022. With v = c*2^q, the numbers that round to
// v lie in an interval of the width 2^q. For the k with 10^k <= 2^q < 10^(k+1), one or more multiples of 10^k lie in
// it, and at most one multiple of 10^(k+1): that one wins if there is one. So the ends and the middle are needed
// in units of 10^k, and of their fractions only two bits and whether anything follows these ("rounded to odd"), for
// which 128 bits of 10^-k suffice (there, section 9.9). Ours differs in one place: the three products of the paper
// are one product and its sum and difference with a shifted power.
func shortest(v float64) (digits uint64, exp int) {
	raw := math.Float64bits(v)
	c, q := raw&(1<<52-1), int(raw>>52)
	closer := c == 0 && q > 1 // the neighbour below is only half as far as the one above
	if q != 0 {
		c |= 1 << 52
	} else {
		q = 1
	}
	q -= 1075

	k := floorLog10Pow2(q)
	if closer {
		k = floorLog10ThreeQuarters(q)
	}
	g := &powers[-k-firstPower]
	h := uint(q + floorLog2Pow10(-k) + 1) // 1 to 4

	// p is 4*v in units of 10^k with 128 bits of fraction; half is the distance to the ends in the same units.
	x1, p0 := bits.Mul64(g.lo, c<<(h+2))
	p2, p1 := bits.Mul64(g.hi, c<<(h+2))
	p1, carry := bits.Add64(p1, x1, 0)
	p2 += carry
	half0, half1, half2 := g.lo<<(h+1), g.hi<<(h+1)|g.lo>>(63-h), g.hi>>(63-h)
	r0, carry := bits.Add64(p0, half0, 0)
	r1, carry := bits.Add64(p1, half1, carry)
	r2, _ := bits.Add64(p2, half2, carry)
	_ = r0
	if closer {
		half0, half1, half2 = half0>>1|half1<<63, half1>>1|half2<<63, half2>>1
	}
	_, borrow := bits.Sub64(p0, half0, 0)
	l1, borrow := bits.Sub64(p1, half1, borrow)
	l2, _ := bits.Sub64(p2, half2, borrow)

	odd := c & 1 // the ends themselves round to v only if c is even
	lower := (l2 | above1(l1)) + odd
	upper := (r2 | above1(r1)) - odd
	middle := p2 | above1(p1)

	// Which of these it is, chance decides: what follows is written for conditional moves, not branches.
	s := middle / 4
	s10 := s / 10
	low10, high10 := one(lower <= 40*s10), one(40*s10+40 <= upper)
	low, high := one(lower <= 4*s), one(4*s+4 <= upper)
	up := one(middle > 4*s+2-s&1) // the nearest, an even one of two
	if low != high {
		up = high
	}
	digits, exp = s+up, k
	if low10 != high10 {
		digits = s10 + high10
		exp = k + 1
	}
	return digits, exp
}

func one(b bool) uint64 {
	var n uint64
	if b {
		n = 1
	}
	return n
}

// above1 is 1 if x > 1. Powers are rounded up by less than a unit, so a product that is whole may show a fraction of 1.
func above1(x uint64) uint64 {
	_, borrow := bits.Sub64(1, x, 0)
	return borrow
}

// The logarithms are exact for all exponents of float64 (the test tries each).

func floorLog10Pow2(q int) int          { return (q * 1262611) >> 22 }
func floorLog10ThreeQuarters(q int) int { return (q*1262611 - 524031) >> 22 } // of 3/4 * 2^q
func floorLog2Pow10(k int) int          { return (k * 1741647) >> 19 }
