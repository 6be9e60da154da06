package chunk

import "math"

// The buckets of a classic histogram are cumulative: each holds what the one below holds and a little more. The
// chain mode stores the difference to the column below, which for most buckets is small or does not change.

// EncodeAbove appends the column of vals like Encode, or as the difference to lower, the column of the next lower
// bucket in the same rows, if that is smaller; Traits.Chained tells. A reader then needs lower, so a container
// that wants single buckets back cheaply begins anew with Encode every few columns.
func (e *Encoder) EncodeAbove(dst []byte, vals, lower []float64) []byte {
	mark := len(dst)
	dst = e.Encode(dst, vals)
	end := len(dst)
	return shorter(e.EncodeDifference(dst, vals, lower, dst[mark:]), mark, end)
}

// EncodeDifference appends the column of vals, which Encode makes alone, as the difference to lower, or nothing if
// that does not suit. It may be the longer one.
func (e *Encoder) EncodeDifference(dst []byte, vals, lower []float64, alone []byte) []byte {
	header := alone[0]
	if mode(header&15) <= modeConstBits || !e.subtract(vals, lower[:len(vals)]) {
		return dst
	}
	flags := header & (flagDense | flagMonotone)
	if len(e.unchained) > 0 {
		flags |= flagExceptions
	}
	dst = append(dst, byte(modeChain)|flags)
	dst = e.Encode(dst, e.above)
	if len(e.unchained) > 0 {
		dst = appendExceptions(dst, vals, e.unchained)
	}
	return dst
}

// subtract fills e.above with vals less lower and e.unchained with the rows that this does not bring back.
func (e *Encoder) subtract(vals, lower []float64) bool {
	e.above, e.unchained = e.above[:0], e.unchained[:0]
	limit := len(vals)/32 + 1
	prev := 0.0
	for i, v := range vals {
		d := v - lower[i]
		if math.Float64bits(v) == math.Float64bits(lower[i]) {
			d = 0
		}
		if math.Float64bits(chained(lower[i], d)) != math.Float64bits(v) {
			if len(e.unchained) == limit {
				return false
			}
			e.unchained = append(e.unchained, i)
			d = prev
		}
		e.above = append(e.above, d)
		prev = d
	}
	return true
}

// chained returns the value that lies d above lower. No difference means the same bits, also those of a NaN.
func chained(lower, d float64) float64 {
	b := math.Float64bits(lower + d)
	if d == 0 {
		b = math.Float64bits(lower)
	}
	return math.Float64frombits(b)
}

// DecodeAbove decodes a column of EncodeAbove into dst, given the decoded column below, lower, which is at least as
// long and may be anything if the column is not chained. Else as Decode.
func (d *Decoder) DecodeAbove(dst, lower []float64, col []byte) error {
	if len(col) == 0 || mode(col[0]&15) != modeChain {
		return d.Decode(dst, col)
	}
	h, r := col[0], reader{b: col[1:]}
	if err := checkDst(len(dst)); err != nil {
		return err
	}
	if h&flagGCD != 0 {
		return corrupt("chained column with header %#x", h)
	}
	if err := d.column(dst, &r); err != nil {
		return err
	}
	lower = lower[:len(dst)]
	for i, v := range dst {
		dst[i] = chained(lower[i], v)
	}
	if h&flagExceptions != 0 {
		if err := patchExceptions(dst, &r); err != nil {
			return err
		}
	}
	return r.end()
}
