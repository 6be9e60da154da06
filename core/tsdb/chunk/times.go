package chunk

import (
	"encoding/binary"
	"math"
)

// timesKind is the low bits of the first byte of a column of timestamps: FORMAT.md, section 3. The other bits are
// flagGCD and zeros. For kinds 0..3 it is the transform.
const timesRegular = 4 // a start and, if there is more than one row, a step

// EncodeTimes appends the timestamps ts, 1..MaxRows, Unix milliseconds, strictly increasing. It keeps neither
// argument. Regular timestamps take a handful of bytes however many they are.
func EncodeTimes(dst []byte, ts []int64) []byte {
	checkRows(len(ts))
	n := len(ts)
	if n == 1 {
		return binary.AppendVarint(append(dst, timesRegular), ts[0])
	}
	var scratch [3][MaxRows]int64
	d, r, best := scratch[0][:n], scratch[1][:n], scratch[2][:n]
	regular := true
	for i := 1; i < n; i++ {
		d[i] = ts[i] - ts[i-1]
		regular = regular && d[i] == d[1]
	}
	if regular {
		dst = binary.AppendVarint(append(dst, timesRegular), ts[0])
		return binary.AppendUvarint(dst, uint64(d[1]))
	}
	s := sequence{g: 1}
	if g := commonDivisor(d); worthDividing(g, n-1) {
		s.g = int64(g)
		q := newDivisor(g)
		for i, v := range d {
			d[i] = q.signed(v)
		}
	}
	var winner sequence
	size := math.MaxInt
	var plans, bestPlans [MaxRows / miniRows]mini
	for _, t := range [...]transform{transformDelta, transformDoD, transformLine} {
		s.transform = t
		if t == transformLine {
			s.alongLine(r, d, ts[0])
		} else {
			s.residuals(r, d, ts[0])
		}
		_, bytes := planMinis(plans[:], r, size)
		if s.hasSlope() {
			bytes += uvarintLen(zigzag(s.slope))
		}
		if bytes < size {
			size, winner = bytes, s
			best, r = r, best
			bestPlans = plans
		}
	}
	first := byte(winner.transform)
	if s.g > 1 {
		first |= flagGCD
	}
	dst = append(dst, first)
	if s.g > 1 {
		dst = binary.AppendUvarint(dst, uint64(s.g))
	}
	dst = binary.AppendVarint(dst, winner.start)
	if winner.hasSlope() {
		dst = binary.AppendVarint(dst, winner.slope)
	}
	return appendMinis(dst, bestPlans[:(n+miniRows-1)/miniRows], best)
}

// alongLine fills r with how far each timestamp is off the mean interval from the first on: jitter around a steady
// clock stays small, where differences would double it.
func (s *sequence) alongLine(r, d []int64, x0 int64) {
	total := uint64(0)
	for _, v := range d[1:] {
		total += uint64(v)
	}
	steps := uint64(len(d) - 1)
	s.start, s.slope = x0, int64((total+steps/2)/steps)
	off := int64(0)
	r[0] = 0
	for i := 1; i < len(d); i++ {
		off += d[i] - s.slope
		r[i] = off
	}
}

// DecodeTimes fills dst, 1..MaxRows timestamps, from b, which must have been encoded from that many. It reads
// nothing beyond len(b). An error wraps ErrCorrupt; without one dst is strictly increasing.
func DecodeTimes(dst []int64, b []byte) error {
	if err := checkDst(len(dst)); err != nil {
		return err
	}
	r := reader{b: b}
	first := r.byte()
	if r.short {
		return corrupt("no bytes")
	}
	s := sequence{transform: transform(first &^ flagGCD), g: 1}
	var err error
	switch {
	case first == timesRegular:
		s.start = r.varint()
		step := int64(0)
		if len(dst) > 1 {
			step = int64(r.uvarint())
		}
		for i := range dst {
			dst[i] = s.start + int64(i)*step
		}
	case s.transform > transformLine:
		return corrupt("timestamps of kind %#x", first)
	default:
		if first&flagGCD != 0 {
			if s.g = int64(r.uvarint()); s.g <= 1 {
				return corrupt("common divisor %d", s.g)
			}
		}
		s.readStart(&r)
		err = s.read(dst, &r)
	}
	if err == nil {
		err = r.end()
	}
	if err == nil && !strictlyIncreasing(dst) {
		err = corrupt("timestamps do not increase")
	}
	return err
}

func strictlyIncreasing(ts []int64) bool {
	ok := true
	for i := 1; i < len(ts); i++ {
		ok = ok && ts[i] > ts[i-1]
	}
	return ok
}
