package chunk

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

func zigzag(x int64) uint64   { return uint64(x<<1) ^ uint64(x>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// uvarintLen returns how many bytes a uvarint takes.
func uvarintLen(u uint64) int { return (bits.Len64(u|1) + 6) / 7 }

// packedLen returns how many bytes n values of w bits take.
func packedLen(n, w int) int { return (n*w + 7) / 8 }

// lowBits returns a mask of w bits, 1..64.
func lowBits(w int) uint64 { return ^uint64(0) >> (64 - w) }

// appendPacked appends the low w bits, 0..64, of every v-base, least significant bit first.
func appendPacked(dst []byte, vals []int64, base int64, w int) []byte {
	if w == 0 {
		return dst
	}
	size := packedLen(len(vals), w)
	at := len(dst)
	dst = slices.Grow(dst, size+8)[:at+size+8]
	out := dst[at:]
	mask := lowBits(w)
	var acc uint64 // the next n bits
	n := 0
	for _, v := range vals {
		u := uint64(v-base) & mask
		acc |= u << (n & 63)
		n += w
		if n >= 64 {
			binary.LittleEndian.PutUint64(out, acc)
			out = out[8:]
			n -= 64
			acc = u >> (w - n)
		}
	}
	binary.LittleEndian.PutUint64(out, acc)
	return dst[:at+size]
}

// unpackAll fills out with values of w bits, 0..64, from in, which has packedLen(len(out), w) bytes.
func unpackAll(w int, in []byte, out []int64) {
	if w == 0 {
		clear(out)
		return
	}
	full := len(out) &^ 31
	unpack(w, in, out[:full])
	if rest := out[full:]; len(rest) > 0 { // a kernel reads 32 values: give it room
		var room [256]byte
		var tail [32]int64
		copy(room[:], in[full/8*w:])
		unpack(w, room[:4*w], tail[:])
		copy(rest, tail[:])
	}
}

// bitReader reads fields of a few bits from bytes it never leaves.
type bitReader struct {
	b  []byte
	at int // bit
}

// next returns the next w bits, 0..64; past the end of the bytes come zeros.
func (r *bitReader) next(w int) uint64 {
	if w == 0 {
		return 0
	}
	i, off := r.at>>3, r.at&7
	r.at += w
	var u, top uint64
	if i+9 <= len(r.b) {
		u, top = binary.LittleEndian.Uint64(r.b[i:]), uint64(r.b[i+8])
	} else if i < len(r.b) {
		var room [9]byte
		copy(room[:], r.b[i:])
		u, top = binary.LittleEndian.Uint64(room[:]), uint64(room[8])
	}
	return (u>>off | top<<(64-off)) & lowBits(w)
}

// reader takes numbers off the front of b; what is missing reads as zero and sets short.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) fail() {
	r.short, r.b = true, nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		u := uint64(r.b[0])
		r.b = r.b[1:]
		return u
	}
	u, k := binary.Uvarint(r.b)
	if k <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[k:]
	return u
}

func (r *reader) varint() int64 { return unzigzag(r.uvarint()) }

func (r *reader) uint64() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	u := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return u
}

// end refuses bytes that were missing and bytes that are left.
func (r *reader) end() error {
	switch {
	case r.short:
		return corrupt("cut short")
	case len(r.b) > 0:
		return corrupt("%d bytes after the end", len(r.b))
	}
	return nil
}

// take returns the next n bytes, nil if there are fewer.
func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.fail()
		return nil
	}
	t := r.b[:n]
	r.b = r.b[n:]
	return t
}
