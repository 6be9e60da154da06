package chunk

import "math"

// maxExponent is the largest decimal exponent: 10^17 and less are exact in a float64, and so is every integer
// below 2^53, hence n/10^e is the one float64 nearest to the decimal, as a parser of its text finds it.
const maxExponent = 17

// maxInt bounds the integers of a decimal column: at 2^53 float64 begins to skip some.
const maxInt = 1 << 53

var pow10 = [maxExponent + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17}

// narrow holds, by exponent e, what replaces the division by 10^e for integers |n| < 2^bits:
//
//	n*hi + n*lo == n/10^e, bit for bit
//
// hi is 1/10^e cut to 53-bits bits, so that n*hi is exact, and lo is the rest, rounded. The sum before its
// rounding is off by at most 2^(bits-104) of it. A wrong result would need a point halfway between two floats
// that close to n/10^e, but n/10^e is no such point (it would need n >= 2^53) and at least 1/(2^54*10^e) of
// itself away from all of them. Hence bits = floor(50 - log2(10^e)). A float64 division takes about twice the
// time of this, and math.FMA would have to test the processor for it at every value.
var narrow = [...]struct {
	bits   int
	hi, lo float64
}{
	{53, 1, 0},
	{46, 0x1.98p-4, 0x1.999999999999ap-12},
	{43, 0x1.478p-7, 0x1.70a3d70a3d70ap-18},
	{40, 0x1.062p-10, 0x1.374bc6a7ef9dbp-24},
	{36, 0x1.a36ep-14, 0x1.758e219652bd4p-33},
	{33, 0x1.4f8b4p-17, 0x1.88e368f08462p-37},
	{30, 0x1.0c6f78p-20, 0x1.05af6c69b5a64p-43},
	{26, 0x1.ad7f298p-24, 0x1.5e57a42bc3d33p-51},
	{23, 0x1.5798ee2p-27, 0x1.8461cefcfdc21p-58},
	{20, 0x1.12e0be82p-30, 0x1.b5a52cb98b405p-64},
}

// toDecimal returns n with n/10^e == v bit for bit, if there is one below 2^53.
func toDecimal(v float64, e int) (n int64, ok bool) {
	f := float64(v * pow10[e])
	if !(f > -maxInt && f < maxInt) {
		return 0, false
	}
	if e > 0 {
		f += math.Copysign(0.5, f) // of an integer beyond 2^52 this would make the next
	}
	n = int64(f)
	return n, math.Float64bits(float64(n)/pow10[e]) == math.Float64bits(v)
}

// fitsNarrow tells whether two products replace the division by 10^e for all of x.
func fitsNarrow(x []int64, e int) bool {
	if e >= len(narrow) {
		return false
	}
	lim := int64(1) << narrow[e].bits
	ok := true
	for _, n := range x {
		ok = ok && n < lim && n > -lim
	}
	return ok
}

// ordered maps float64 to integers so that order is kept; unordered is its inverse. All bit patterns take part.
func ordered(v float64) int64 {
	b := int64(math.Float64bits(v))
	return b ^ int64(uint64(b>>63)>>1)
}

func unordered(x int64) float64 { return math.Float64frombits(uint64(x ^ int64(uint64(x>>63)>>1))) }

// domain says how the integers of a column become values.
type domain struct {
	bits    bool    // integers are ordered float64
	product bool    // else v = n*hi + n*lo
	hi, lo  float64 //
	div     float64 // else v = n/div,
	again   bool    // n/div/div with this
}

// newDomain reads the domain of the second byte of a column.
func newDomain(c byte) (domain, error) {
	e := int(c & domainMask)
	isNarrow := c&flagNarrow != 0
	switch {
	case e == domainBits && !isNarrow:
		return domain{bits: true}, nil
	case e > maxExponent && !isNarrow:
		if d, _, ok := scaled(byte(e)); ok {
			return d, nil
		}
		return domain{}, corrupt("domain %#x", c)
	case e > maxExponent, isNarrow && (e == 0 || e >= len(narrow)):
		return domain{}, corrupt("domain %#x", c)
	case e == 0 || isNarrow:
		return domain{product: true, hi: narrow[e].hi, lo: narrow[e].lo}, nil
	}
	return domain{div: pow10[e]}, nil
}

// product returns n/10^e by what narrow holds for e. The conversions keep processors that could from fusing it.
func product(n int64, hi, lo float64) float64 {
	f := float64(n)
	return float64(f*hi) + float64(f*lo)
}

// value returns the value of one integer.
func (d *domain) value(n int64) float64 {
	switch {
	case d.bits:
		return unordered(n)
	case d.product:
		return product(n, d.hi, d.lo)
	case d.again:
		return float64(n) / d.div / d.div
	default:
		return float64(n) / d.div
	}
}

// values fills dst with the values of x, which is as long.
func (d *domain) values(dst []float64, x []int64) {
	dst = dst[:len(x)]
	switch {
	case d.bits:
		for i, n := range x {
			dst[i] = unordered(n)
		}
	case d.product:
		hi, lo := d.hi, d.lo
		for i, n := range x {
			dst[i] = product(n, hi, lo)
		}
	case d.again:
		for i, n := range x {
			dst[i] = float64(n) / d.div / d.div
		}
	default:
		div := d.div
		for i, n := range x {
			dst[i] = float64(n) / div
		}
	}
}
