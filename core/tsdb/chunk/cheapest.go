package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// differences fills e.d with x[i]-x[i-1] over their common divisor, which it puts in s, and 0 first. It returns how
// many are not 0.
func (e *Encoder) differences(s *sequence) (changes int) {
	d := e.d
	changes = plainDifferences(d, e.x)
	s.g = 1
	if g := commonDivisor(d); worthDividing(g, changes) {
		s.g = int64(g)
		q := newDivisor(g)
		for i, v := range d {
			d[i] = q.signed(v)
		}
	}
	return changes
}

// plainDifferences fills d with x[i]-x[i-1], 0 first, and returns how many are not 0.
func plainDifferences(d, x []int64) (changes int) {
	x = x[:len(d)]
	d[0] = 0
	for i := 1; i < len(d); i++ {
		v := x[i] - x[i-1]
		d[i] = v
		if v != 0 {
			changes++
		}
	}
	return changes
}

// worthDividing tells whether dividing changes by g saves more bits than g takes.
func worthDividing(g uint64, changes int) bool {
	return g < 1<<63 && changes*(bits.Len64(g)-1) > 8*uvarintLen(g)
}

// appendCheapest appends header and body in the mode that takes the fewest bytes.
func (e *Encoder) appendCheapest(dst []byte, c *column, changes int) []byte {
	n := len(e.d)
	sparse := math.MaxInt
	if changes*4 <= n {
		sparse = sparseLen(e.d, changes)
	}
	packed := math.MaxInt
	if changes*16 > n || n < miniRows {
		packed = e.planPacked(&c.seq)
	}
	var plans []mini // of changes, for a bitmap
	bitmap := math.MaxInt
	if changes*5 < n*4 && changes*16 > n {
		e.changes = e.changes[:0]
		for _, v := range e.d {
			if v != 0 {
				e.changes = append(e.changes, v)
			}
		}
		var size int
		plans, size = planMinis(e.plans[1-e.bestBuf][:], e.changes, min(packed, sparse))
		bitmap = size + packedLen(n, 1)
	}
	best := min(packed, sparse, bitmap)
	if e.Entropy && n >= entropyRows && changes*8 > n {
		if longer, ok := e.appendEntropy(dst, c, best); ok {
			return longer
		}
	}
	switch {
	case bitmap < packed && bitmap < sparse:
		dst = c.header(dst, modeBitmap, e.x[0])
		dst = appendBitmap(dst, e.d)
		return appendMinis(dst, plans, e.changes)
	case sparse <= packed:
		dst = c.header(dst, modeSparse, e.x[0])
		return appendSparse(dst, e.d, changes)
	}
	dst = c.header(dst, modePacked, c.seq.start)
	return e.appendPlanned(dst)
}

// appendPlanned appends the residuals that planPacked chose.
func (e *Encoder) appendPlanned(dst []byte) []byte {
	return appendMinis(dst, e.plans[e.bestBuf][:(len(e.best)+miniRows-1)/miniRows], e.best)
}

// planPacked chooses the transform: e.best and the winner's plans hold what it makes of the differences. It
// returns the bytes of the packed body.
func (e *Encoder) planPacked(s *sequence) (size int) {
	size = math.MaxInt
	var winner sequence
	first := 0 // width of the winner's first mini
	for _, t := range [...]transform{transformDelta, transformFOR, transformDoD} {
		s.transform = t
		if winner.g != 0 && len(e.d) > 2*miniRows && !e.promising(s, first) {
			continue
		}
		s.residuals(e.r, e.d, e.x[0])
		plans, bytes := planMinis(e.plans[1-e.bestBuf][:], e.r, size)
		if s.hasSlope() {
			bytes += uvarintLen(zigzag(s.slope))
		}
		if bytes < size {
			size, winner = bytes, *s
			e.r, e.best = e.best, e.r
			e.bestBuf = 1 - e.bestBuf
			first = plans[0].width
		}
	}
	*s = winner
	return size
}

// promising tells whether the first residuals of a transform take not much wider fields than the winner's.
func (e *Encoder) promising(s *sequence, width int) bool {
	n := min(len(e.d), miniRows)
	s.residuals(e.r[:n], e.d[:n], e.x[0])
	m, _ := planMini(e.r[:n])
	return m.width <= width+width/4+2
}

// header appends what comes before the body: FORMAT.md, section 2.
func (c *column) header(dst []byte, m mode, start int64) []byte {
	flags := c.flags
	if c.seq.g > 1 {
		flags |= flagGCD
	}
	second := c.domain
	if m.hasTransform() {
		second |= byte(c.seq.transform) << transformShift
	}
	dst = append(dst, byte(m)|flags, second)
	if c.seq.g > 1 {
		dst = binary.AppendUvarint(dst, uint64(c.seq.g))
	}
	dst = binary.AppendVarint(dst, start)
	if m.hasTransform() && c.seq.hasSlope() {
		dst = binary.AppendVarint(dst, c.seq.slope)
	}
	return dst
}
