package chunk

import (
	"encoding/binary"
	"math"
)

// Sums of decimals in floating point, such as the _sum of a histogram of seconds, are decimals but for rounding
// errors that pile up. The ulp mode stores the nearest decimals and, apart, how many floats away the values are.

const (
	ulpSamples = 16      // values that must look like drifted decimals; shorter columns do not try
	ulpMargin  = 0.25    // how far off such a one is at most, in units of the last decimal
	ulpMax     = 1 << 50 // integers beyond are decimals hardly farther apart than floats
)

// ulpExponent returns the least exponent at which samples of the ordinary values lie so close to decimals that it can
// hardly be chance: of other values half would. If there is none, the decimals may all be moved by the same shift,
// of less than a unit of the last one: a sum that began elsewhere.
func ulpExponent(vals []float64) (e int, shift float64, ok bool) {
	var samples [ulpSamples]float64
	k := 0
	for i := 0; i < len(vals) && k < ulpSamples; i += max(1, len(vals)/(ulpSamples+2)) {
		if v := vals[i]; !isSpecial(v) && v != 0 {
			samples[k] = v
			k++
		}
	}
	if k < ulpSamples {
		return 0, 0, false
	}
	for e = 1; e <= maxExponent; e++ {
		if driftedDecimals(samples[:], e, 0) {
			return e, 0, true
		}
	}
	for e = 1; e <= maxExponent; e++ {
		f := samples[0] * pow10[e]
		shift = f - math.RoundToEven(f)
		if driftedDecimals(samples[:], e, shift) {
			return e, shift, true
		}
	}
	return 0, 0, false
}

func driftedDecimals(samples []float64, e int, shift float64) bool {
	for _, v := range samples {
		f := float64(v * pow10[e])
		off := f - shift
		off -= math.RoundToEven(off)
		if !(math.Abs(f) < ulpMax && math.Abs(off) <= ulpMargin) {
			return false
		}
	}
	return true
}

// appendUlp appends the column in ulp mode, or nothing if it does not suit.
func (e *Encoder) appendUlp(dst []byte, c column) []byte {
	exp, shift, ok := ulpExponent(c.vals)
	if !ok || !e.toDrifted(&c, exp, shift) || e.differences(&c.seq) == 0 {
		return dst
	}
	if len(e.rows) > 0 {
		c.flags |= flagExceptions
	}
	e.planPacked(&c.seq)
	dst = c.header(dst, modeUlp, c.seq.start)
	dst = e.appendPlanned(dst)

	e.x, e.off = e.off, e.x
	s := sequence{g: 1}
	plainDifferences(e.d, e.x)
	e.planPacked(&s)
	dst = append(dst, byte(s.transform))
	dst = binary.AppendVarint(dst, s.start)
	if s.hasSlope() {
		dst = binary.AppendVarint(dst, s.slope)
	}
	dst = e.appendPlanned(dst)
	if len(e.rows) > 0 {
		dst = appendExceptions(dst, c.vals, e.rows)
	}
	return dst
}

// toDrifted fills e.x with the nearest decimals, or what would be that but for the shift, and e.off with how many
// floats the values lie above, and sets c.domain. Special values become e.rows.
func (e *Encoder) toDrifted(c *column, exp int, shift float64) bool {
	e.rows = e.rows[:0]
	first, n := -1, int64(0)
	for i, v := range c.vals {
		if isSpecial(v) {
			e.rows = append(e.rows, i)
		} else {
			f := float64(v*pow10[exp]) - shift
			if !(f > -maxInt && f < maxInt) {
				return false
			}
			n = int64(math.RoundToEven(f))
			if first < 0 {
				first = i
			}
		}
		e.x[i] = n
	}
	fillHead(e.x, first)
	c.domain = byte(exp)
	if fitsNarrow(e.x, exp) {
		c.domain |= flagNarrow
	}
	dom, err := ulpDomain(c.domain)
	if err != nil {
		panic(err)
	}
	off := int64(0)
	for i, v := range c.vals {
		if !isSpecial(v) {
			off = ordered(v) - ordered(dom.value(e.x[i]))
		}
		e.off[i] = off
	}
	fillHead(e.off, first)
	return true
}

// ulpDomain reads the domain of a column in ulp mode. The distances take up what a value is off, so one product
// with the rounded 10^-e does where the division would be exact.
func ulpDomain(c byte) (domain, error) {
	d, err := newDomain(c)
	if err != nil || d.product {
		return d, err
	}
	if d.bits {
		return d, corrupt("ulp mode with domain %#x", c)
	}
	return domain{product: true, hi: 1 / d.div}, nil
}

// ulp reads the body of the mode: dst gets the decimals, then their distances.
func (d *Decoder) ulp(dst []float64, s *sequence, dom *domain, r *reader) error {
	if err := d.products(dst, s, dom, r); err != nil {
		return err
	}
	off := sequence{transform: transform(r.byte()), g: 1}
	if off.transform >= transformLine {
		return corrupt("transform %d of distances", off.transform)
	}
	off.readStart(r)
	if err := off.read(d.x, r); err != nil {
		return err
	}
	for i, n := range d.x {
		dst[i] = unordered(ordered(dst[i]) + n)
	}
	return nil
}
