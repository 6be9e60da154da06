package chunk

import (
	"encoding/binary"
	"math"
)

// Sums of decimals in floating point, such as the _sum of a histogram of seconds, are decimals but for rounding
// errors that pile up. The ulp mode stores the nearest decimals and, apart, how many floats away the values are.

const (
	ulpRows    = 16 // fewest rows to try the mode with
	ulpSamples = 8  // values that must look like drifted decimals
	ulpMargin  = 64 // distance between decimals over distance of the value to one, at least
)

// nearestDecimal returns n with n/10^e nearest to v, and how many floats v lies above that.
func nearestDecimal(v float64, e int) (n, off int64, ok bool) {
	f := float64(v * pow10[e])
	if !(f > -maxInt && f < maxInt) {
		return 0, 0, false
	}
	n = int64(math.RoundToEven(f))
	return n, ordered(v) - ordered(float64(n)/pow10[e]), true
}

// ulpExponent returns the least exponent at which samples of the ordinary values lie so close to decimals that it
// can be no chance. Then decimal and distance together take fewer bits than the value: what the decimals lack in
// resolution is more than the distances take.
func ulpExponent(vals []float64) (e int, ok bool) {
	var samples [ulpSamples]float64
	k := 0
	for i := 0; i < len(vals) && k < ulpSamples; i += max(1, len(vals)/(ulpSamples+2)) {
		if v := vals[i]; !isSpecial(v) && v != 0 {
			samples[k] = v
			k++
		}
	}
	if k < ulpSamples {
		return 0, false
	}
	for e = 1; e <= maxExponent; e++ {
		if driftedDecimals(samples[:], e) {
			return e, true
		}
	}
	return 0, false
}

func driftedDecimals(samples []float64, e int) bool {
	for _, v := range samples {
		n, off, ok := nearestDecimal(v, e)
		if !ok {
			return false
		}
		spacing := ordered(float64(n+1)/pow10[e]) - ordered(float64(n)/pow10[e])
		if n == 0 || n == -1 || int64(magnitude(off)) >= spacing/ulpMargin {
			return false
		}
	}
	return true
}

// appendUlp appends the column in ulp mode, or reports that it does not suit.
func (e *Encoder) appendUlp(dst []byte, c *column) ([]byte, bool) {
	if len(c.vals) < ulpRows {
		return dst, false
	}
	exp, ok := ulpExponent(c.vals)
	if !ok || !e.toDrifted(c, exp) || e.differences(&c.seq) == 0 {
		return dst, false
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
	return dst, true
}

// toDrifted fills e.x with the nearest decimals and e.off with the distances, and sets c.domain; special values
// become e.rows.
func (e *Encoder) toDrifted(c *column, exp int) bool {
	e.rows = e.rows[:0]
	first, n := -1, int64(0)
	for i, v := range c.vals {
		if isSpecial(v) {
			e.rows = append(e.rows, i)
		} else {
			var ok bool
			if n, _, ok = nearestDecimal(v, exp); !ok {
				return false
			}
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
