package head

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The cells of a row in the log: FORMAT.md, section 3.4. A value is an integer at the scale of its slot; what is
// written is how far that integer is from where the slot's past lets it be expected, in a code whose parameter
// follows the slot too. So a value costs about the bits of what is new in it.
//
// Source of the code: exponential Golomb codes, Teuhola, "A compression method for clustered bit-vectors", 1978;
// of the idea to adapt it from the size of past residuals: Weinberger et al., "The LOCO-I lossless image
// compression algorithm", 2000.

const (
	decimals  = 18 // scales below are decimal exponents: the integer is v * 10^scale
	shiftMax  = 44 // scales from 18 to 18+44: the integer is the bits of v, in order of size, less 0 to 44 low ones
	scaleRaw  = 63 // not a scale, but a value that none has: NaN, infinities, minus zero
	escapeLen = 12 // ones before a cell that has its scale and length with it
	maxDirect = 1 << 62

	maxCellLen = 12 // bytes of a cell at most: a flag, the escape, its scale and length, and all 64 bits
)

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17}

// slotState is what is known of a slot from its cells before, by the writer and the reader alike. The zero value
// is that of a slot without any.
type slotState struct {
	last  int64 // the integer before; at scaleRaw the bits
	step  int32 // what it grows by, on average
	scale uint8
	width uint8 // bits of what is new, on average, in quarters
	trend int8  // positive if step has been a better guess than none
	still uint8 // how often the integer is the one before, of 256
}

// ordered maps the bits of floats to integers of the same order; it is its own inverse.
func ordered(b uint64) int64 { return int64(b ^ uint64(int64(b)>>63)>>1) }

func zigzag(d int64) uint64 { return uint64(d<<1) ^ uint64(d>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// rounded returns v*10^e rounded, if that is an integer to count from.
func rounded(v float64, e uint8) (int64, bool) {
	f := float64(v * pow10[e]) // the conversion keeps the product from being fused into the sum
	if !(f > -1e15 && f < 1e15) {
		return 0, false
	}
	return int64(f + math.Copysign(0.5, f)), true
}

// integer returns the integer of v at the scale, if it gives the bits of v back.
func integer(v float64, scale uint8) (int64, bool) {
	vb := math.Float64bits(v)
	if scale < decimals {
		i, ok := rounded(v, scale)
		return i, ok && math.Float64bits(float64(i)/pow10[scale]) == vb
	}
	o, s := ordered(vb), scale-decimals
	return o >> s, o>>s<<s == o
}

// value is the inverse of integer.
func value(i int64, scale uint8) float64 {
	if scale < decimals {
		return float64(i) / pow10[scale]
	}
	if scale == scaleRaw {
		return math.Float64frombits(uint64(i))
	}
	return math.Float64frombits(uint64(ordered(uint64(i << (scale - decimals)))))
}

// findScale returns the first scale that gives v back, and its integer.
func findScale(v float64) (uint8, int64) {
	if v-v != 0 || v == 0 && math.Signbit(v) {
		return scaleRaw, int64(math.Float64bits(v))
	}
	if s, i, ok := findUnits(v); ok {
		return s, i
	}
	for e := range uint8(decimals) {
		if i, ok := integer(v, e); ok {
			return e, i
		}
		if f := v * pow10[e]; !(f > -1e15 && f < 1e15) {
			break
		}
	}
	o := ordered(math.Float64bits(v))
	s := uint8(min(bits.TrailingZeros64(uint64(o)), shiftMax))
	return decimals + s, o >> s
}

// findUnits returns the scale that counts v in pages of 4096 or, if it has none, in units of 1024, if it is many of
// them: the low bits of sizes of memory are always zero.
func findUnits(v float64) (uint8, int64, bool) {
	exp := int(math.Float64bits(v)>>52&0x7ff) - 1023
	if exp < 20 || exp >= 53 {
		return 0, 0, false
	}
	for _, unit := range [...]int{12, 10} {
		s := uint8(min(52-exp+unit, shiftMax)) + decimals
		if i, ok := integer(v, s); ok {
			return s, i, true
		}
	}
	return 0, 0, false
}

// at returns the slot's last value as an integer at another scale, about: 0 if it has none.
func (s *slotState) at(scale uint8) int64 {
	if scale == s.scale {
		return s.last
	}
	if s.scale == scaleRaw || scale == scaleRaw {
		return 0
	}
	v := value(s.last, s.scale)
	if scale < decimals {
		i, _ := rounded(v, scale)
		return i
	}
	return ordered(math.Float64bits(v)) >> (scale - decimals)
}

// guess returns what is expected to be added to last.
func (s *slotState) guess() int64 {
	if s.trend > 0 {
		return int64(s.step)
	}
	return 0
}

// parameter returns how many low bits of what is new are written as they are.
func (s *slotState) parameter() uint { return uint(max(s.width, 6)-6) >> 2 }

// flagged tells whether a cell begins with a bit that says if the integer is another one. It costs the others that
// bit, and saves the bits that a zero would take.
func (s *slotState) flagged() bool { return uint(s.still)*(s.parameter()+1) > 256 }

// rest takes in that the integer stayed.
func (s *slotState) rest() {
	s.still += uint8((256 - int(s.still)) >> 2)
	s.step -= s.step >> 2
}

// learn takes in that i came, with the residual u.
func (s *slotState) learn(i int64, u uint64) {
	d := i - s.last
	s.last = i
	e := d - int64(s.step)
	if with, without := bits.Len64(zigzag(e)), bits.Len64(zigzag(d)); with < without {
		s.trend = min(s.trend+1, 3)
	} else if with > without {
		s.trend = max(s.trend-1, -3)
	}
	const most = 1 << 30
	s.step += int32((min(max(d, -most), most) - int64(s.step) + 2) >> 2)
	s.width += uint8((4*bits.Len64(u) - int(s.width) + 2) >> 2)
	if d != 0 {
		s.still -= s.still >> 2
	} else {
		s.still += uint8((256 - int(s.still)) >> 2)
	}
}

// restart takes in that i came at a scale, by itself.
func (s *slotState) restart(i int64, scale uint8, u uint64) {
	*s = slotState{last: i, scale: scale, width: uint8(min(max(4*bits.Len64(u), 4), 240))}
}

// bitWriter appends bits, the lowest first. buf must have 8 bytes more than are needed.
type bitWriter struct {
	buf []byte
	at  int
	acc uint64
	n   uint // bits in acc, below 8 between two calls
}

// put appends the low n bits of v, at most 56, the others being 0.
func (w *bitWriter) put(v uint64, n uint) {
	w.acc |= v << w.n
	w.n += n
	binary.LittleEndian.PutUint64(w.buf[w.at:], w.acc)
	w.at += int(w.n >> 3)
	w.acc >>= w.n &^ 7
	w.n &= 7
}

// end fills the last byte and returns where the next begins.
func (w *bitWriter) end() int {
	if w.n > 0 {
		w.buf[w.at] = byte(w.acc)
		w.at++
	}
	return w.at
}

// cell appends v and updates the slot's state.
func (w *bitWriter) cell(v float64, s *slotState) {
	if s.width == 0 { // nothing came yet but zeros
		if math.Float64bits(v) == 0 {
			w.put(0, 1)
			return
		}
		w.put(1, 1)
		scale, i := findScale(v)
		w.explicit(i, scale, s)
		return
	}
	if s.scale == scaleRaw {
		if s.last == int64(math.Float64bits(v)) {
			w.put(0, 1)
			return
		}
	} else if i, ok := integer(v, s.scale); ok {
		if s.flagged() {
			if i == s.last {
				w.put(0, 1)
				s.rest()
				return
			}
			w.put(1, 1)
		}
		u := zigzag(i - s.last - s.guess())
		if u < maxDirect {
			k := s.parameter()
			x := u + 1<<k
			n := uint(bits.Len64(x)) - 1
			if q := n - k; q < escapeLen {
				w.put(1<<q-1, q+1)
				x ^= 1 << n
				if n > 32 {
					w.put(x&math.MaxUint32, 32)
					x >>= 32
					n -= 32
				}
				w.put(x, n)
				s.learn(i, u)
				return
			}
		}
		w.escape(i, s.scale, s)
		return
	}
	if s.scale != scaleRaw && s.flagged() {
		w.put(1, 1)
	}
	scale, i := findScale(v)
	w.escape(i, scale, s)
}

// escape appends a cell with its scale and length.
func (w *bitWriter) escape(i int64, scale uint8, s *slotState) {
	w.put(1<<escapeLen-1, escapeLen)
	w.explicit(i, scale, s)
}

// explicit appends the scale, the length and how far i is from the last integer.
func (w *bitWriter) explicit(i int64, scale uint8, s *slotState) {
	u := zigzag(i - s.at(scale))
	n := uint(max(bits.Len64(u), 1))
	w.put(uint64(scale)|uint64(n-1)<<6, 12)
	w.put(u&math.MaxUint32, min(n, 32))
	if n > 32 {
		w.put(u>>32, n-32)
	}
	s.restart(i, scale, u)
}

// bitReader reads what a bitWriter wrote. Past the end it reads zeros; over tells.
type bitReader struct {
	buf []byte
	pos uint // in bits
}

func (r *bitReader) over() bool { return r.pos > uint(len(r.buf))*8 }

// peek returns at least 56 bits.
func (r *bitReader) peek() uint64 {
	at := r.pos >> 3
	if at+8 <= uint(len(r.buf)) {
		return binary.LittleEndian.Uint64(r.buf[at:]) >> (r.pos & 7)
	}
	var u uint64
	for j := uint(0); at+j < uint(len(r.buf)); j++ {
		u |= uint64(r.buf[at+j]) << (8 * j)
	}
	return u >> (r.pos & 7)
}

// get returns n bits, at most 64.
func (r *bitReader) get(n uint) uint64 {
	if n > 32 {
		lo := r.peek() & math.MaxUint32
		r.pos += 32
		n -= 32
		u := lo | r.peek()&(1<<n-1)<<32
		r.pos += n
		return u
	}
	u := r.peek() & (1<<n - 1)
	r.pos += n
	return u
}

// cell reads a value and updates the slot's state.
func (r *bitReader) cell(s *slotState) (float64, error) {
	p := r.peek()
	if s.width == 0 {
		r.pos++
		if p&1 == 0 {
			return 0, nil
		}
		return r.explicit(s), nil
	}
	if s.scale != scaleRaw && s.flagged() {
		r.pos++
		if p&1 == 0 {
			s.rest()
			return value(s.last, s.scale), nil
		}
		p >>= 1
	}
	q := uint(bits.TrailingZeros64(^p))
	if q >= escapeLen {
		r.pos += escapeLen
		return r.explicit(s), nil
	}
	r.pos += q + 1
	if s.scale == scaleRaw {
		if q > 0 {
			return 0, errEntry
		}
		return value(s.last, scaleRaw), nil
	}
	k := s.parameter()
	n := k + q
	if n > 63 {
		return 0, errEntry
	}
	u := r.get(n) + 1<<n - 1<<k
	i := s.last + s.guess() + unzigzag(u)
	s.learn(i, u)
	return value(i, s.scale), nil
}

func (r *bitReader) explicit(s *slotState) float64 {
	scale := uint8(r.get(6))
	u := r.get(uint(r.get(6)) + 1)
	i := s.at(scale) + unzigzag(u)
	s.restart(i, scale, u)
	return value(i, scale)
}
