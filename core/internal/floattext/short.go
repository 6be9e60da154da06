package floattext

// limitShort is 10^15. Decimals of at most 15 digits are so far apart that no two of them are the same float64. So one
// that reads back to v is the only one, and without the zeros at its end it is the shortest.
const limitShort = 1e15

// thousandths returns v*1000 if v is a decimal of at most three places and 15 digits. v must be positive.
//
// n below 2^53 and 1000 are exact as float64, hence n/1000 is what the text of that decimal reads back to: if it is v,
// bit for bit, n is right however the product was rounded.
func thousandths(v float64) (n uint64, ok bool) {
	x := v * 1000
	if x >= limitShort {
		return 0, false
	}
	n = uint64(int64(x + 0.5))
	// The product of a true decimal is off by half a unit of its last place at most: most other numbers are sorted out
	// by that, without the slow division.
	if d := x - float64(int64(n)); d > x*0x1p-52 || d < x*-0x1p-52 {
		return 0, false
	}
	return n, float64(int64(n))/1000 == v
}

// putThousandths writes n/1000, n not a multiple of 1000, and returns the length.
func putThousandths(b *[numberRoom]byte, n uint64) int {
	whole, f := n/1000, uint32(n%1000)
	i := putUint(b, whole)
	b[i] = '.'
	b[i+1] = byte('0' + f/100)
	f %= 100
	b[i+2], b[i+3] = pairs[2*f], pairs[2*f+1]
	switch {
	case b[i+3] != '0':
		return i + 4
	case b[i+2] != '0':
		return i + 3
	}
	return i + 2
}
