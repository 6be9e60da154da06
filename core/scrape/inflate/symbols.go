package inflate

import (
	"encoding/binary"
	"fmt"
	"io"
)

// compressed decodes a block whose codes have these lengths.
func (d *Decoder) compressed(lengths, offsets []uint8) error {
	if !build(d.lengths[:], lengthBits, lengths, lengthSymbols[:]) || !build(d.offsets[:], offsetBits, offsets, offsetSymbols[:]) {
		return fmt.Errorf("%w: a block with an impossible code", ErrCorrupt)
	}
	return d.symbols()
}

// symbols decodes literals and matches up to the end of a block. What it needs of d is in variables meanwhile, so that it
// stays in registers, and fill is written out.
func (d *Decoder) symbols() error {
	in, out := d.in, d.out
	b, n, pos, at := d.bits, d.n, d.pos, d.at
	var err error
	ok := true
	for {
		if at+room > len(out) {
			d.at = at
			if err = d.more(); err != nil {
				break
			}
			out = d.out
		}
		if pos+8 <= len(in) {
			b |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
			pos += int(63-n) / 8
			n |= 56
		} else if b, n, pos, ok = d.last(b, n, pos); !ok {
			err = io.ErrUnexpectedEOF
			break
		}

		// 56 bits are enough for two literals of the first part of the table and any code for a length.
		e := d.lengths[b&(1<<lengthBits-1)]
		if e&isLiteral != 0 {
			b, n = b>>(e&63), n-uint(e&63)
			out[at] = byte(e >> 16)
			at++
			e = d.lengths[b&(1<<lengthBits-1)]
			if e&isLiteral != 0 {
				b, n = b>>(e&63), n-uint(e&63)
				out[at] = byte(e >> 16)
				at++
				e = d.lengths[b&(1<<lengthBits-1)]
			}
		}
		if e&isLink != 0 {
			b, n = b>>lengthBits, n-lengthBits
			e = d.lengths[e>>16+uint32(b)&(1<<(e>>8&15)-1)]
		}
		extra := b
		b, n = b>>(e&63), n-uint(e&63)
		if e&isLiteral != 0 {
			out[at] = byte(e >> 16)
			at++
			continue
		}
		if e&isEnd != 0 {
			break
		}
		length := int(e>>16) + int(extra&(1<<(e&63)-1)>>(e>>8&15))

		if n < maxCode+13 {
			if pos+8 <= len(in) {
				b |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
				pos += int(63-n) / 8
				n |= 56
			} else if b, n, pos, ok = d.last(b, n, pos); !ok {
				err = io.ErrUnexpectedEOF
				break
			}
		}
		o := d.offsets[b&(1<<offsetBits-1)]
		if o&isLink != 0 {
			b, n = b>>offsetBits, n-offsetBits
			o = d.offsets[o>>16+uint32(b)&(1<<(o>>8&15)-1)]
		}
		extra = b
		b, n = b>>(o&63), n-uint(o&63)
		offset := int(o>>16) + int(extra&(1<<(o&63)-1)>>(o>>8&15))
		if e == 0 || offset == 0 || offset > at-d.begin {
			err = fmt.Errorf("%w: a match of nothing", ErrCorrupt)
			break
		}

		end := at + length
		if offset >= 16 { // up to 15 bytes too many, which are written over
			for from := at - offset; at < end; from, at = from+16, at+16 {
				*(*[16]byte)(out[at:]) = *(*[16]byte)(out[from:])
			}
			at = end
		} else {
			for ; at < end; at++ {
				out[at] = out[at-offset]
			}
		}
	}
	d.bits, d.n, d.pos, d.at = b, n, pos, at
	return err
}
