// Package fields takes fields off the bytes of a record: variable-length numbers, counts, byte strings. Bytes from a
// disk may be anything; a Reader never reads past its end, and its user asks once, at the end, whether all was well.
package fields

import "encoding/binary"

// Reader takes fields off B, from the front. After a malformed one Bad is set, and all further ones are zero.
type Reader struct {
	B   []byte // what is left
	Bad bool
}

// Fail makes the reader bad, for a field that is well formed and yet cannot be.
func (r *Reader) Fail() { r.B, r.Bad = nil, true }

// Uint reads a number as encoding/binary.AppendUvarint writes it.
func (r *Reader) Uint() uint64 {
	v, k := binary.Uvarint(r.B)
	if k <= 0 {
		r.Fail()
		return 0
	}
	r.B = r.B[k:]
	return v
}

// Int reads a number as encoding/binary.AppendVarint writes it.
func (r *Reader) Int() int64 {
	v, k := binary.Varint(r.B)
	if k <= 0 {
		r.Fail()
		return 0
	}
	r.B = r.B[k:]
	return v
}

// Count reads how many things follow that take a byte at least each: not more than there are bytes.
func (r *Reader) Count() uint64 {
	n := r.Uint()
	if n > uint64(len(r.B)) {
		r.Fail()
		return 0
	}
	return n
}

// Bytes reads a length and as many bytes, which stay those of the record.
func (r *Reader) Bytes() []byte {
	n := r.Count()
	v := r.B[:n]
	r.B = r.B[n:]
	return v
}
