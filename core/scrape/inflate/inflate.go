// Package inflate decompresses bodies in gzip (RFC 1952, RFC 1951) that are in memory as a whole, in one go: into a buffer
// that holds all of the result, so matches are copied within it and nothing waits for more input. That is about twice as
// fast as decompressing a stream.
//
// The way of decoding is that of libdeflate by Eric Biggers: 64 bits of input at hand, one table look-up for a code and
// its extra bits, several literals for each time that bits are loaded.
package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

var (
	ErrCorrupt  = errors.New("the gzip data is damaged")
	ErrTooLarge = errors.New("the result is larger than allowed")
)

// room is what the output has beyond where it is written to: for the longest match, copied by sixteen bytes, and literals.
const room = 258 + 16 + 3

// Decoder decompresses. The zero value is ready; it keeps tables, and may be used again and again, but not concurrently.
type Decoder struct {
	lengths [lengthSize]uint32
	offsets [offsetSize]uint32
	meta    [1 << metaBits]uint32
	codes   [288 + 32]uint8 // lengths of codes

	in   []byte
	pos  int    // in in
	bits uint64 // from in, the next one lowest
	n    uint   // how many there are of them; those above may be anything that in goes on with
	over uint   // how many of them are beyond the end of in

	out   []byte // what may be written to
	begin int    // of the member, in out
	at    int    // where to write to
	limit int
}

// Gzip decompresses src, one member of gzip or several, and appends the result to dst. It fails with ErrTooLarge, having
// written not much more than that, when dst gets longer than limit; with ErrCorrupt, when src is no gzip or its checksum
// is wrong; and with io.ErrUnexpectedEOF when src is cut off. In all cases it returns what there is.
func (d *Decoder) Gzip(dst, src []byte, limit int) ([]byte, error) {
	d.in, d.pos, d.limit = src, 0, limit
	d.out, d.at = dst[:max(len(dst), min(cap(dst), limit+room))], len(dst)
	err := d.members()
	if err == nil && d.at > limit {
		err = ErrTooLarge
	}
	out := d.out[:d.at]
	d.in, d.out = nil, nil
	return out, err
}

// members decodes all of the input.
func (d *Decoder) members() error {
	if size, ok := sizeOf(d.in); ok && size <= d.limit-d.at {
		d.grow(size + room)
	}
	for first := true; first || d.pos < len(d.in); first = false {
		if err := d.header(); err != nil {
			return err
		}
		d.begin = d.at
		if err := d.blocks(); err != nil {
			return err
		}
		if len(d.in)-d.pos < 8 {
			return io.ErrUnexpectedEOF
		}
		sum, size := binary.LittleEndian.Uint32(d.in[d.pos:]), binary.LittleEndian.Uint32(d.in[d.pos+4:])
		d.pos += 8
		if body := d.out[d.begin:d.at]; crc32.ChecksumIEEE(body) != sum || uint32(len(body)) != size {
			return fmt.Errorf("%w: the checksum is wrong", ErrCorrupt)
		}
	}
	return nil
}

// sizeOf returns the size of the result as the end of src tells it, if that can be.
func sizeOf(src []byte) (int, bool) {
	const least = 18       // bytes of the header and the end
	const mostRatio = 1032 // of DEFLATE: 258 bytes in two bits
	if len(src) < least {
		return 0, false
	}
	size := int64(binary.LittleEndian.Uint32(src[len(src)-4:]))
	return int(size), size <= int64(len(src))*mostRatio
}

// grow makes room for n more bytes.
func (d *Decoder) grow(n int) {
	if len(d.out)-d.at < n {
		d.out = append(make([]byte, 0, d.at+n), d.out[:d.at]...)[:d.at+n]
	}
}

// more makes room for something to be decoded; it fails if too much has been.
func (d *Decoder) more() error {
	if d.at > d.limit {
		return ErrTooLarge
	}
	d.grow(min(max(d.at, 4096), d.limit-d.at) + room)
	return nil
}

// header reads the header of a member.
func (d *Decoder) header() error {
	const (
		hasChecksum = 1 << 1
		hasExtra    = 1 << 2
		hasName     = 1 << 3
		hasComment  = 1 << 4
		mostText    = 512 // bytes of a name or comment; upstream's limit
	)
	h := d.in[d.pos:]
	if len(h) < 10 {
		return io.ErrUnexpectedEOF
	}
	if h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 {
		return fmt.Errorf("%w: there is no gzip header", ErrCorrupt)
	}
	flags, n := h[3], 10
	if flags&hasExtra != 0 {
		if len(h) < n+2 {
			return io.ErrUnexpectedEOF
		}
		n += 2 + int(binary.LittleEndian.Uint16(h[n:]))
	}
	for _, has := range []byte{hasName, hasComment} {
		if flags&has != 0 {
			end := bytes.IndexByte(h[min(n, len(h)):min(n+mostText, len(h))], 0)
			switch {
			case end < 0 && len(h) >= n+mostText:
				return fmt.Errorf("%w: the name or the comment in its header is too long", ErrCorrupt)
			case end < 0:
				return io.ErrUnexpectedEOF
			}
			n += end + 1
		}
	}
	if flags&hasChecksum != 0 {
		if n+2 > len(h) {
			return io.ErrUnexpectedEOF
		}
		if binary.LittleEndian.Uint16(h[n:]) != uint16(crc32.ChecksumIEEE(h[:n])) {
			return fmt.Errorf("%w: the checksum of the header is wrong", ErrCorrupt)
		}
		n += 2
	}
	if n > len(h) {
		return io.ErrUnexpectedEOF
	}
	d.pos += n
	return nil
}
