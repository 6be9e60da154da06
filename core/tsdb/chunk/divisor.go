package chunk

import "math/bits"

// divisor divides by a fixed g >= 1 and tells whether it goes, without the processor's slow division: with
// g = odd * 2^shift, a multiple of g times the inverse of odd modulo 2^64 is the quotient shifted, and any other
// number rotates to more than max. Source: Granlund and Montgomery, "Division by Invariant Integers using
// Multiplication", PLDI 1994, section 9.
type divisor struct {
	g, inverse, max uint64
	shift           int
}

func newDivisor(g uint64) divisor {
	shift := bits.TrailingZeros64(g)
	odd := g >> shift
	inv := odd // right in the low 3 bits; each step doubles them
	for range 5 {
		inv *= 2 - odd*inv
	}
	return divisor{g: g, inverse: inv, max: ^uint64(0) / g, shift: shift}
}

// quotient returns u/g; ok is false if g does not divide u.
func (d *divisor) quotient(u uint64) (q uint64, ok bool) {
	q = bits.RotateLeft64(u*d.inverse, -d.shift)
	return q, q <= d.max
}

// signed returns x/g for a multiple x of g. The least int64 stands for 2^63, which is the same modulo 2^64.
func (d *divisor) signed(x int64) int64 {
	q, _ := d.quotient(magnitude(x))
	if x < 0 {
		return -int64(q)
	}
	return int64(q)
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// commonDivisor returns the greatest number that divides all of r, or 1 if
// all are 0.
func commonDivisor(r []int64) uint64 {
	var d divisor
	for _, x := range r {
		if x == 0 {
			continue
		}
		u := magnitude(x)
		if d.g != 0 {
			if _, ok := d.quotient(u); ok {
				continue
			}
		}
		g := gcd(u, d.g)
		if g == 1 {
			return 1
		}
		d = newDivisor(g)
	}
	return max(d.g, 1)
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
