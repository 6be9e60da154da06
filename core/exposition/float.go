package exposition

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unsafe"

	"github.com/prometheus/prometheus/model/value"
)

// pow10 holds the powers of ten that a float64 represents exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
	1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

var normalNaN = math.Float64frombits(value.NormalNaN)

// leadingFloat reads a decimal number at the start of b and returns its length. ok is false if the number is not one
// that needs a single exact operation; parseFloat then has to do it.
//
// A mantissa of up to 2^53 and a power of ten of up to 10^22 are exact, so their product or quotient is rounded once
// and correctly. Source: Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990.
func leadingFloat(b []byte) (v float64, n int, ok bool) {
	i := 0
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg = b[0] == '-'
		i++
	}
	var mant uint64
	first := i
	for i < len(b) {
		d := b[i] - '0'
		if d > 9 {
			break
		}
		mant = mant*10 + uint64(d)
		i++
	}
	digits, exp := i-first, 0
	if i < len(b) && b[i] == '.' {
		i++
		frac := i
		for i < len(b) {
			d := b[i] - '0'
			if d > 9 {
				break
			}
			mant = mant*10 + uint64(d)
			i++
		}
		exp = frac - i
		digits -= exp
	}
	if digits == 0 || digits > 19 { // 19 digits cannot overflow
		return 0, 0, false
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		j := i + 1
		sign := 1
		if j < len(b) && (b[j] == '-' || b[j] == '+') {
			if b[j] == '-' {
				sign = -1
			}
			j++
		}
		e, from := 0, j
		for j < len(b) && b[j]-'0' <= 9 && j-from < 4 {
			e = e*10 + int(b[j]-'0')
			j++
		}
		if j == from || j-from == 4 {
			return 0, 0, false
		}
		exp += sign * e
		i = j
	}
	if mant > 1<<53 {
		return 0, 0, false
	}
	v = float64(mant)
	switch {
	case exp == 0:
	case exp > 0 && exp < len(pow10):
		v *= pow10[exp]
	case exp < 0 && -exp < len(pow10):
		v /= pow10[-exp]
	default:
		return 0, 0, false
	}
	if neg {
		v = -v
	}
	return v, i, true
}

var errFloatChar = errors.New("unsupported character in a number")

// parseFloat reads all of b as strconv.ParseFloat does, without Go's own notations (hexadecimal, underscores). Every
// NaN becomes the ordinary one.
func parseFloat(b []byte) (float64, error) {
	if v, n, ok := leadingFloat(b); ok && n == len(b) {
		return v, nil
	}
	if bytes.ContainsAny(b, "pP_") {
		return 0, errFloatChar
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
	if err != nil {
		var ne *strconv.NumError
		if errors.As(err, &ne) {
			err = ne.Err // without the text, which belongs to the caller
		}
		return 0, err
	}
	if math.IsNaN(v) {
		return normalNaN, nil
	}
	return v, nil
}
