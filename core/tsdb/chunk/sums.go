package chunk

import (
	"encoding/binary"
	"math"
	"slices"
)

// The _sum of a histogram grows by durations: decimals of a fixed unit, added in float64. What each row adds to the
// float before is a decimal again, and the float64 sum is the value, or a few floats beside it if several were added in
// between. The sums mode stores what has been added so far, as integers, and how many floats the rows lie beside; both
// are columns of their own.

// sumUnits are the decimal exponents that increments are tried in: milli, micro and nanoseconds.
var sumUnits = [...]int{3, 6, 9}

const (
	sumSamples = 12 // changes that must look like sums of decimals
	sumFar     = 64 // how many floats beside the sum a value is at most, for that
)

// sumUnit returns the least exponent in which the differences of vals are decimals.
func sumUnit(vals []float64) (exp int, ok bool) {
	for _, exp := range sumUnits {
		if seen := sumsOf(vals, exp); seen >= sumSamples {
			return exp, true
		}
	}
	return 0, false
}

// sumsOf returns how many changes are decimals of 10^-exp, looking at no more than sumSamples; 0 if one is not.
func sumsOf(vals []float64, exp int) (seen int) {
	for i := 1; i < len(vals) && seen < sumSamples; i++ {
		a, v := vals[i-1], vals[i]
		if a == v || isSpecial(a) || isSpecial(v) {
			continue
		}
		n := math.RoundToEven((v - a) * pow10[exp])
		if off := ordered(v) - ordered(a+n/pow10[exp]); off < -sumFar || off > sumFar || math.Abs(n) >= maxInt {
			return 0
		}
		seen++
	}
	return seen
}

// appendSums appends the column in sums mode, or nothing if it does not suit.
func (e *Encoder) appendSums(dst []byte, c column) []byte {
	exp, ok := sumUnit(c.vals)
	if !ok {
		return dst
	}
	first := slices.IndexFunc(c.vals, func(v float64) bool { return !isSpecial(v) })
	v, total, unit := c.vals[first], 0.0, pow10[exp]
	start := v
	e.added, e.beside, e.unsummed = e.added[:0], e.beside[:0], e.unsummed[:0]
	for i, x := range c.vals {
		off := int64(0)
		if isSpecial(x) {
			e.unsummed = append(e.unsummed, i)
		} else {
			n := math.RoundToEven((x - v) * unit)
			off = ordered(x) - ordered(v+n/unit)
			if total += n; !(math.Abs(n) < maxInt && math.Abs(total) < maxInt) || off < -maxInt || off > maxInt {
				return dst
			}
			v = x
		}
		e.added, e.beside = append(e.added, total), append(e.beside, float64(off))
	}
	if len(e.unsummed) > 0 {
		c.flags |= flagExceptions
	}
	dst = append(dst, byte(modeSums)|c.flags, byte(exp))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(start))
	dst = e.Encode(dst, e.added)
	dst = e.Encode(dst, e.beside)
	if len(e.unsummed) > 0 {
		dst = appendExceptions(dst, c.vals, e.unsummed)
	}
	return dst
}

// sums decodes the body of the mode.
func (d *Decoder) sums(dst []float64, r *reader) error {
	exp := r.byte()
	v := math.Float64frombits(r.uint64())
	if r.short || exp > maxExponent {
		return corrupt("sums in units of 10^-%d", exp)
	}
	d.beside = slices.Grow(d.beside[:0], len(dst))[:len(dst)]
	for _, col := range [][]float64{dst, d.beside} {
		if len(r.b) > 0 && mode(r.b[0]&15) > modeEntropy {
			return corrupt("sums of a column in mode %d", r.b[0]&15)
		}
		if err := d.column(col, r); err != nil {
			return err
		}
	}
	unit, before := pow10[exp], 0.0
	for i, total := range dst {
		v += (total - before) / unit
		before = total
		if off := d.beside[i]; off != 0 {
			v = unordered(ordered(v) + int64(off))
		}
		dst[i] = v
	}
	return nil
}
