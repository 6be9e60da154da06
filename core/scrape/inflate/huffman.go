package inflate

import "math/bits"

// An entry of a table says what the next bits of the input are:
//
//	bits 0-5    length of the code and the extra bits that follow it
//	bits 8-11   length of the code; of a link, that of an index into the second table
//	bits 12-14  literal, link or end; none for a match
//	bits 16-31  the literal; the base of a match's length or distance; of a link, where the second table begins
//
// No code is 0.
const (
	isLiteral = 1 << 12
	isLink    = 1 << 13
	isEnd     = 1 << 14
)

const maxCode = 15 // bits of a code

// Sizes of tables. Codes that are longer than the first part's index go on in second tables behind it. Each of them has
// two codes or more.
const (
	lengthBits = 10
	lengthSize = 1<<lengthBits + 286/2<<(maxCode-lengthBits)
	offsetBits = 8
	offsetSize = 1<<offsetBits + 30/2<<(maxCode-offsetBits)
	metaBits   = 7
)

// Symbols as entries without a code, from RFC 1951, section 3.2.5: base and extra bits.
var (
	lengthSymbols = func() (s [288]uint32) {
		for i := range 256 {
			s[i] = uint32(i)<<16 | isLiteral
		}
		s[256] = isEnd
		base := uint32(3)
		for i := range uint32(28) {
			extra := max(i/4, 1) - 1
			s[257+i] = base<<16 | extra
			base += 1 << extra
		}
		s[285] = 258 << 16
		return s // 286 and 287 are no symbols, though the fixed code has them
	}()
	offsetSymbols = func() (s [32]uint32) {
		base := uint32(1)
		for i := range uint32(30) {
			extra := max(i/2, 1) - 1
			s[i] = base<<16 | extra
			base += 1 << extra
		}
		return s
	}()
	metaSymbols = func() (s [19]uint32) {
		for i := range s {
			s[i] = uint32(i)<<16 | isLiteral
		}
		return s
	}()
)

// build fills a table for the canonical code with these lengths, one for each of the first symbols, 0 for those that do
// not occur. It returns false if there is no such code: it is incomplete, unless it is a single code of one bit, or has
// too many. A code without symbols is one whose table says of all bits that they are none.
func build(table []uint32, indexBits int, lengths []uint8, symbols []uint32) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	longest := maxCode
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	clear(table[:1<<indexBits])
	if longest == 0 {
		return true
	}
	count[0] = 0
	var next [maxCode + 1]int // code of each length
	code := 0
	for n := 1; n <= longest; n++ {
		code = (code + count[n-1]) << 1
		next[n] = code
	}
	if end := code + count[longest]; end != 1<<longest && !(end == 1 && longest == 1) {
		return false
	}
	secondBits := longest - indexBits
	end := 1 << indexBits // of the second tables so far
	for i, n := range lengths {
		if n == 0 {
			continue
		}
		code := int(bits.Reverse16(uint16(next[n]))) >> (16 - n) // as it comes in the input
		next[n]++
		e := symbols[i] // 0 is no symbol
		if e != 0 {
			e += uint32(n)<<8 | uint32(n)
		}
		if int(n) <= indexBits {
			for at := code; at < 1<<indexBits; at += 1 << n {
				table[at] = e
			}
			continue
		}
		link := &table[code&(1<<indexBits-1)]
		if *link == 0 {
			*link = uint32(end)<<16 | isLink | uint32(secondBits)<<8 | uint32(indexBits)
			clear(table[end : end+1<<secondBits])
			end += 1 << secondBits
		}
		if e != 0 {
			e -= uint32(indexBits)<<8 | uint32(indexBits) // the link has taken them
		}
		for at := code >> indexBits; at < 1<<secondBits; at += 1 << (int(n) - indexBits) {
			table[int(*link>>16)+at] = e
		}
	}
	return true
}
