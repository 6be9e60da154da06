package inflate

import (
	"encoding/binary"
	"fmt"
	"io"
)

// blocks decodes the blocks of a member.
func (d *Decoder) blocks() error {
	d.bits, d.n, d.over = 0, 0, 0
	for last := false; !last; {
		if !d.fill() {
			return io.ErrUnexpectedEOF
		}
		last = d.take(1) == 1
		var err error
		switch d.take(2) {
		case 0:
			err = d.stored()
		case 1:
			err = d.compressed(d.fixedCodes())
		case 2:
			var lengths, offsets []uint8
			if lengths, offsets, err = d.readCodes(); err == nil {
				err = d.compressed(lengths, offsets)
			}
		default:
			err = fmt.Errorf("%w: a block of no kind", ErrCorrupt)
		}
		if err != nil && d.n < d.over { // what is wrong comes from beyond the end
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return d.align()
}

// fill takes bits from the input, until there are 56 or more. It returns false when there are none.
func (d *Decoder) fill() (ok bool) {
	if d.pos+8 <= len(d.in) {
		d.bits |= binary.LittleEndian.Uint64(d.in[d.pos:]) << d.n
		d.pos += int(63-d.n) / 8
		d.n |= 56
		return true
	}
	d.bits, d.n, d.pos, ok = d.last(d.bits, d.n, d.pos)
	return ok
}

// last is fill near the end of the input: it takes zeros from beyond, and returns false once some of them have been used.
func (d *Decoder) last(b uint64, n uint, pos int) (uint64, uint, int, bool) {
	if n < d.over {
		return b, n, pos, false
	}
	for ; n <= 56; n += 8 {
		if pos < len(d.in) {
			b |= uint64(d.in[pos]) << n
			pos++
		} else {
			d.over += 8
		}
	}
	return b, n, pos, true
}

// take uses so many bits, which are there.
func (d *Decoder) take(n uint) int {
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.n -= n
	return int(v)
}

// align goes to the next byte of the input and gives back the bits after it.
func (d *Decoder) align() error {
	if d.n < d.over {
		return io.ErrUnexpectedEOF
	}
	d.pos -= int(d.n-d.over) / 8
	d.bits, d.n, d.over = 0, 0, 0
	return nil
}

// stored copies a block that is not compressed.
func (d *Decoder) stored() error {
	if err := d.align(); err != nil {
		return err
	}
	if len(d.in)-d.pos < 4 {
		return io.ErrUnexpectedEOF
	}
	size, check := binary.LittleEndian.Uint16(d.in[d.pos:]), binary.LittleEndian.Uint16(d.in[d.pos+2:])
	if d.pos += 4; size != ^check {
		return fmt.Errorf("%w: a stored block with a wrong length", ErrCorrupt)
	}
	n := int(size)
	if n > len(d.in)-d.pos {
		return io.ErrUnexpectedEOF
	}
	if n > d.limit-d.at {
		return ErrTooLarge
	}
	d.grow(n)
	copy(d.out[d.at:], d.in[d.pos:d.pos+n])
	d.at += n
	d.pos += n
	return nil
}

// fixedCodes returns the lengths of the codes of blocks that bring none.
func (d *Decoder) fixedCodes() (lengths, offsets []uint8) {
	for i := range d.codes {
		switch {
		case i < 144, i >= 280 && i < 288:
			d.codes[i] = 8
		case i < 256:
			d.codes[i] = 9
		case i < 280:
			d.codes[i] = 7
		default:
			d.codes[i] = 5
		}
	}
	return d.codes[:288], d.codes[288:]
}

// readCodes reads the lengths of the codes of a block.
func (d *Decoder) readCodes() (lengths, offsets []uint8, err error) {
	nLengths, nOffsets, nMeta := d.take(5)+257, d.take(5)+1, d.take(4)+4
	if nLengths > 286 || nOffsets > 30 {
		return nil, nil, fmt.Errorf("%w: a block with too many codes", ErrCorrupt)
	}
	var meta [19]uint8
	order := [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	for _, i := range order[:nMeta] {
		if !d.fill() {
			return nil, nil, io.ErrUnexpectedEOF
		}
		meta[i] = uint8(d.take(3))
	}
	if !build(d.meta[:], metaBits, meta[:], metaSymbols[:]) {
		return nil, nil, fmt.Errorf("%w: a block with an impossible code", ErrCorrupt)
	}
	codes := d.codes[:nLengths+nOffsets]
	for i := 0; i < len(codes); {
		if !d.fill() {
			return nil, nil, io.ErrUnexpectedEOF
		}
		e := d.meta[d.bits&(1<<metaBits-1)]
		d.take(uint(e & 63))
		symbol, repeat := uint8(e>>16), 1
		switch {
		case e == 0 || symbol == 16 && i == 0:
			return nil, nil, fmt.Errorf("%w: a block with an impossible code", ErrCorrupt)
		case symbol == 16:
			symbol, repeat = codes[i-1], 3+d.take(2)
		case symbol == 17:
			symbol, repeat = 0, 3+d.take(3)
		case symbol == 18:
			symbol, repeat = 0, 11+d.take(7)
		}
		if repeat > len(codes)-i {
			return nil, nil, fmt.Errorf("%w: a block with too many codes", ErrCorrupt)
		}
		for ; repeat > 0; repeat-- {
			codes[i] = symbol
			i++
		}
	}
	return codes[:nLengths], codes[nLengths:], nil
}
