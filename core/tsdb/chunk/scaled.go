package chunk

import "math"

// Programs make seconds of integers by other arithmetic than the division that a decimal's text stands for: they multiply
// with a constant like 0.001, or divide by a thousand twice. Such values are a float or two off the decimals. These
// domains bring them back bit for bit: 18 to 26 are n times the float64 nearest to 10^-1 to 10^-9, 27 is n/1000/1000.
const (
	domainTimes = 17 // and k: n * 10^-k
	domainTwice = 27 // n/1000/1000
)

// scaledDomains are those that columns are tried in, the likeliest first.
var scaledDomains = [...]byte{domainTimes + 3, domainTimes + 6, domainTwice, domainTimes + 9, domainTimes + 2}

// scaled returns what the domain c makes of integers, if it is one of these.
func scaled(c byte) (d domain, unit float64, ok bool) {
	switch k := int(c) - domainTimes; {
	case k >= 1 && c < domainTwice:
		return domain{product: true, hi: 1 / pow10[k]}, pow10[k], true
	case c == domainTwice:
		return domain{div: 1000, again: true}, 1e6, true
	}
	return domain{}, 0, false
}

// toScaled fills e.x with the integers of one of these domains, if at most limit ordinary values have none; these and
// all special values become e.rows.
func (e *Encoder) toScaled(vals []float64, limit int) (c byte, ok bool) {
	for _, c := range scaledDomains {
		if e.tryScaled(vals, c, limit) {
			return c, true
		}
	}
	return 0, false
}

func (e *Encoder) tryScaled(vals []float64, c byte, limit int) bool {
	d, unit, _ := scaled(c)
	e.rows = e.rows[:0]
	prev, first := int64(0), -1
	for i, v := range vals {
		n, fits := int64(0), false
		if f := v * unit; f > -maxInt && f < maxInt && !isSpecial(v) {
			n = int64(math.RoundToEven(f))
			fits = math.Float64bits(d.value(n)) == math.Float64bits(v)
		}
		if !fits {
			e.rows = append(e.rows, i)
			if !isSpecial(v) {
				if limit--; limit < 0 {
					return false
				}
			}
			n = prev
		} else if first < 0 {
			first = i
		}
		e.x[i] = n
		prev = n
	}
	fillHead(e.x, first)
	return first >= 0
}
