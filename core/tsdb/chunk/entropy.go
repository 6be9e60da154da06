package chunk

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// The entropy mode gives all residuals of a column one base and one width. The top symbolBits of each field go
// through a Huffman code, the rest is packed. Its table costs some 30 bytes, so short columns do not try.

const (
	entropyRows = 256
	symbolBits  = 8
	streamRows  = 512 // from here on four streams, which decode side by side
)

// appendEntropy appends the column in entropy mode, unless that saves less than one part in 25 of the packed bytes.
func (e *Encoder) appendEntropy(dst []byte, c *column, packed int) ([]byte, bool) {
	m := e.commonPlan()
	if m.width < 2 || m.width > 56 {
		return dst, false
	}
	low := max(m.width-symbolBits, 0)
	e.symbols = slices.Grow(e.symbols[:0], len(e.best))
	for _, v := range e.best {
		e.symbols = append(e.symbols, byte(uint64(v-m.base)&lowBits(m.width)>>low))
	}
	if e.huff == nil {
		e.huff = &huff0.Scratch{Reuse: huff0.ReusePolicyNone}
	}
	if least := codeLen(e.symbols) + packedLen(len(e.best), low); least*25 > packed*24 {
		return dst, false
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
	dst = append(dst, byte(m.width))
	dst = binary.AppendVarint(dst, m.base)
	dst = binary.AppendUvarint(dst, uint64(len(coded)))
	dst = append(dst, coded...)
	dst = appendPacked(dst, e.best, m.base, low)
	dst = e.appendOutliers(dst, m)
	if (len(dst)-body)*25 > packed*24 {
		return dst[:mark], false
	}
	return dst, true
}

// codeLen returns bytes that no code of single symbols stays below: their entropy, by a logarithm that is at most 0.09
// too great. To make a code takes much longer, and most columns have none that is worth it.
func codeLen(symbols []byte) int {
	var counts [256]int32
	for _, s := range symbols {
		counts[s]++
	}
	n := float64(len(symbols))
	total := n * math.Log2(n)
	for _, c := range counts {
		if c > 1 {
			top := bits.Len32(uint32(c)) - 1
			total -= float64(c) * (float64(top) + float64(c)/float64(int32(1)<<top) - 1 + 0.0861) // log2(1+x) <= x + 0.0861
		}
	}
	return int(max(total, 0) / 8)
}

// commonPlan returns a base and a width that hold what the plans of all minis hold.
func (e *Encoder) commonPlan() mini {
	plans := e.plans[e.bestBuf][:(len(e.best)+miniRows-1)/miniRows]
	base, top := plans[0].base, plans[0].base
	for _, p := range plans {
		if p.width > 56 {
			return mini{width: 64}
		}
		base = min(base, p.base)
		top = max(top, p.base+int64(lowBits(max(p.width, 1))))
	}
	return mini{base: base, width: bits.Len64(uint64(top) - uint64(base))}
}

// appendOutliers appends the high parts of the residuals that the width does not hold.
func (e *Encoder) appendOutliers(dst []byte, m mini) []byte {
	count := 0
	for _, v := range e.best {
		if (v-m.base)>>m.width != 0 {
			count++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(count))
	next := 0
	for i, v := range e.best {
		if high := (v - m.base) >> m.width; high != 0 {
			dst = binary.AppendUvarint(dst, uint64(i-next))
			dst = binary.AppendVarint(dst, high)
			next = i + 1
		}
	}
	return dst
}

// entropy fills d.x from the body of the mode.
func (d *Decoder) entropy(s *sequence, r *reader) error {
	width := int(r.byte())
	base := r.varint()
	size := r.uvarint()
	if width < 2 || width > 56 || size > uint64(len(r.b)) {
		return corrupt("entropy stage of %d bits in %d bytes", width, size)
	}
	if err := d.readSymbols(r.take(int(size))); err != nil {
		return err
	}
	low := max(width-symbolBits, 0)
	fields := r.take(packedLen(len(d.x), low))
	if r.short {
		return corrupt("entropy stage cut short")
	}
	unpackAll(low, fields, d.x)
	for i, c := range d.symbols {
		d.x[i] |= int64(c) << low
	}
	if err := readOutliers(d.x, width, r); err != nil {
		return err
	}
	s.sum(d.x, base)
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

func readOutliers(x []int64, width int, r *reader) error {
	row := uint64(0)
	for k := r.uvarint(); k > 0; k-- {
		gap, high := r.uvarint(), r.varint()
		if r.short || gap >= MaxRows || row+gap >= uint64(len(x)) {
			return corrupt("outlier after row %d of %d", row, len(x))
		}
		row += gap
		x[row] += high << width
		row++
	}
	return nil
}
