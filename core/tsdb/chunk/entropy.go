package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// The entropy mode splits each residual into a symbol, which says about how large it is and goes through a Huffman code,
// and the bits that are left, which are as good as random. Its table costs some 30 bytes, so short columns do not try.

const (
	entropyRows = 256
	streamRows  = 512 // from here on four streams, which decode side by side
	maxRest     = 56  // bits that are left of a residual, at most
	maxSteps    = 4
	entropyGain = 25 // one part in so many of the bytes is what the mode must save
)

// classes are the ranges of residuals that symbols stand for: those less than base and those not less than it are
// numbered by their distance u to it. Each power of two is cut into 2^steps classes; u below 2^steps have one each.
// Source: the buckets of HdrHistogram by Gil Tene, and bit lengths in a Huffman code as in JPEG, ITU-T T.81, F.1.2.
type classes struct {
	base   int64
	steps  int
	signed bool // the lowest bit of a symbol is set for residuals less than base; else there are none
}

const classesSigned = 1 << 7 // of the byte with the steps

// of returns the bucket of a residual and how many of the lowest bits of its distance are left.
func (b classes) of(r int64) (symbol, rest int) {
	d := r - b.base
	u := uint64(d)
	if d < 0 {
		u = -u
	}
	rest = max(bits.Len64(u)-1-b.steps, 0)
	symbol = rest<<b.steps + int(u>>rest)
	if b.signed {
		symbol = symbol<<1 | int(uint64(d)>>63)
	}
	return symbol, rest
}

// size returns about how many bytes a column of rows residuals takes in these classes, judged by some of them. It is false
// if these do not fit.
func (b classes) size(some []int64, rows int) (size int, ok bool) {
	var counts [256]int32
	left := 0
	for _, r := range some {
		symbol, rest := b.of(r)
		if symbol > math.MaxUint8 || rest > maxRest || !b.signed && r < b.base {
			return 0, false
		}
		counts[symbol]++
		left += rest
	}
	code, distinct := codeLen(&counts, len(some))
	return (code+(left+7)/8)*rows/len(some) + distinct*tableBits/8, true
}

const (
	sampleRows = 256 // how many residuals the classes are chosen by
	tableBits  = 8   // about what a symbol takes in the description of the tree
)

// chooseClasses returns the classes in which e.best likely takes the fewest bytes, and about how many. If it looks as if
// that were more than limit, they are not chosen with care.
func (e *Encoder) chooseClasses(limit int) (best classes, size int) {
	var room [sampleRows]int64
	some := room[:min(len(e.best), sampleRows)]
	for i := range some {
		some[i] = e.best[i*len(e.best)/len(some)]
	}
	size = math.MaxInt
	try := func(b classes) bool {
		n, ok := b.size(some, len(e.best))
		if ok && n < size {
			best, size = b, n
			return true
		}
		return false
	}
	steps := func(n int) classes { b := best; b.steps = n; return b }
	try(classes{base: slices.Min(e.best), steps: 2})
	try(classes{base: e.middle(), steps: 1, signed: true})
	switch {
	case size > limit:
	case try(steps(best.steps + 1)):
		for best.steps < maxSteps && try(steps(best.steps+1)) {
		}
	default:
		try(steps(best.steps - 1))
	}
	return best, size
}

// classify fills e.symbols. It is false if the residuals do not fit the classes.
func (e *Encoder) classify(b classes) bool {
	symbols := slices.Grow(e.symbols[:0], len(e.best))[:len(e.best)]
	for i, r := range e.best {
		symbol, rest := b.of(r)
		if symbol > math.MaxUint8 || rest > maxRest || !b.signed && r < b.base {
			return false
		}
		symbols[i] = byte(symbol)
	}
	e.symbols = symbols
	return true
}

// middle returns about the median of e.best.
func (e *Encoder) middle() int64 {
	var some [31]int64
	for i := range some {
		some[i] = e.best[i*len(e.best)/len(some)]
	}
	slices.Sort(some[:])
	return some[len(some)/2]
}

// appendEntropy appends the column in entropy mode, unless that saves hardly anything of size bytes.
func (e *Encoder) appendEntropy(dst []byte, c *column, size int) ([]byte, bool) {
	limit := size - size/entropyGain
	b, about := e.chooseClasses(limit + limit/entropyGain)
	if about > limit || !e.classify(b) {
		return dst, false
	}
	if e.huff == nil {
		e.huff = &huff0.Scratch{Reuse: huff0.ReusePolicyNone}
	}
	code := huff0.Compress1X
	if len(e.best) >= streamRows {
		code = huff0.Compress4X
	}
	coded, _, err := code(e.symbols, e.huff)
	if err != nil { // no code is shorter than the symbols
		return dst, false
	}
	mark := len(dst)
	dst = c.header(dst, modeEntropy, c.seq.start)
	body := len(dst)
	kind := byte(b.steps)
	if b.signed {
		kind |= classesSigned
	}
	dst = append(dst, kind)
	dst = binary.AppendVarint(dst, b.base)
	dst = binary.AppendUvarint(dst, uint64(len(coded)))
	dst = append(dst, coded...)
	dst = b.appendRests(dst, e.best)
	if len(dst)-body >= limit {
		return dst[:mark], false
	}
	return dst, true
}

// appendRests appends what symbols do not tell of residuals.
func (b classes) appendRests(dst []byte, r []int64) []byte {
	var acc uint64
	n := 0
	for _, v := range r {
		_, rest := b.of(v)
		u := magnitude(v - b.base)
		acc |= u & (1<<rest - 1) << n
		if n += rest; n >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			n -= 64
			acc = u & (1<<rest - 1) >> (rest - n)
		}
	}
	for ; n > 0; n -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// codeLen returns bytes that no code of single symbols stays below, and how many there are: their entropy, by a logarithm
// that is at most 0.09 too great. To make a code takes much longer, and most columns have none that is worth it.
func codeLen(counts *[256]int32, symbols int) (bytes, distinct int) {
	n := float64(symbols)
	total := n * math.Log2(n)
	for _, c := range counts {
		if c == 0 {
			continue
		}
		if distinct++; c > 1 {
			top := bits.Len32(uint32(c)) - 1
			total -= float64(c) * (float64(top) + float64(c)/float64(int32(1)<<top) - 1 + 0.0861) // log2(1+x) <= x + 0.0861
		}
	}
	return int(max(total, 0) / 8), distinct
}

// entropy fills d.x from the body of the mode.
func (d *Decoder) entropy(s *sequence, r *reader) error {
	kind := r.byte()
	b := classes{steps: int(kind &^ classesSigned), signed: kind&classesSigned != 0}
	b.base = r.varint()
	size := r.uvarint()
	if b.steps > maxSteps || size > uint64(len(r.b)) {
		return corrupt("entropy stage of %d steps and %d bytes", b.steps, size)
	}
	if err := d.readSymbols(r.take(int(size))); err != nil {
		return err
	}
	if err := d.readResiduals(b, r); err != nil {
		return err
	}
	s.sum(d.x, b.base)
	return nil
}

// class is what a symbol stands for: the residual, less the base, with which it begins, and how many bits are left.
type class struct {
	first int64
	rest  uint8
}

// table returns the classes by symbol.
func (b classes) table() *[256]class {
	t := new([256]class)
	for c := range t {
		index, neg := c, int64(0)
		if b.signed {
			index, neg = c>>1, -int64(c&1)
		}
		rest := max(index>>b.steps-1, 0)
		u := int64(index-rest<<b.steps) << min(rest, 63)
		t[c] = class{(u ^ neg) - neg, uint8(rest)}
	}
	return t
}

// readResiduals fills d.x with the residuals of d.symbols, less the base.
func (d *Decoder) readResiduals(b classes, r *reader) error {
	sign := int64(0)
	if b.signed {
		sign = 1
	}
	if d.tables[sign][b.steps] == nil {
		d.tables[sign][b.steps] = b.table()
	}
	table := d.tables[sign][b.steps]
	left, widest := 0, uint8(0)
	for _, c := range d.symbols {
		rest := table[c].rest
		left += int(rest)
		widest = max(widest, rest)
	}
	in := r.take((left + 7) / 8)
	if r.short || widest > maxRest {
		return corrupt("entropy stage with %d bits left", left)
	}
	d.rests = append(append(d.rests[:0], in...), 0, 0, 0, 0, 0, 0, 0, 0) // so that eight bytes can be loaded anywhere
	rests, at := d.rests, uint(0)
	x := d.x[:len(d.symbols)]
	for i, c := range d.symbols {
		t := table[c]
		rest := uint(t.rest) & 63
		low := int64(binary.LittleEndian.Uint64(rests[at>>3:]) >> (at & 7) & (1<<rest - 1))
		at += rest
		neg := -(int64(c) & sign)
		x[i] = t.first + (low ^ neg) - neg
	}
	return nil
}

// readSymbols decodes as many symbols as d.x has rows.
func (d *Decoder) readSymbols(coded []byte) error {
	if d.huff == nil {
		d.huff = &huff0.Scratch{}
	}
	table, rest, err := huff0.ReadTable(coded, d.huff)
	if err != nil {
		return corrupt("Huffman table: %v", err)
	}
	d.huff = table
	n := len(d.x)
	d.symbols = slices.Grow(d.symbols[:0], n)
	out := d.symbols[:0:n]
	if n >= streamRows {
		out, err = table.Decoder().Decompress4X(out, rest)
	} else {
		out, err = table.Decoder().Decompress1X(out, rest)
	}
	if err != nil || len(out) != n {
		return corrupt("Huffman code of %d symbols: %d, %v", n, len(out), err)
	}
	d.symbols = out
	return nil
}
