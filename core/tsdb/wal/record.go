package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// HeaderSize is the length of what precedes each record's data.
const HeaderSize = 11

// MaxRecord is the largest record; longer ones are refused when written and damage when read.
const MaxRecord = 32 << 20

// ErrCorrupt marks bytes that fail their checksum.
var ErrCorrupt = errors.New("corrupt record")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendRecord appends one framed record to dst. salt ties it to its file, so that bytes of another file are
// never taken for it. The layout is in FORMAT.md, section 2.
func AppendRecord(dst []byte, salt uint64, typ byte, data []byte) []byte {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, typ, 0, 0)
	h := dst[at : at+HeaderSize]
	binary.LittleEndian.PutUint32(h[4:], uint32(len(data)))
	binary.LittleEndian.PutUint16(h[9:], headerCheck(h, salt))
	dst = append(dst, data...)
	binary.LittleEndian.PutUint32(dst[at:], crc32.Checksum(dst[at+4:], castagnoli))
	return dst
}

// headerCheck is a short sum of length, type and salt: it tells a header from other bytes without reading
// the record, which makes finding the next good record after damage cheap.
func headerCheck(h []byte, salt uint64) uint16 {
	var b [13]byte
	copy(b[:5], h[4:9])
	binary.LittleEndian.PutUint64(b[5:], salt)
	return uint16(crc32.Checksum(b[:], castagnoli))
}

// Damage is a range of a file that holds no valid record.
type Damage struct {
	File   string
	Offset int64
	Bytes  int64
	Tail   bool // nothing valid follows: a write that a crash tore, unless an fsync lies further on
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s: %d bytes at offset %d are no record", d.File, d.Bytes, d.Offset)
}

// Unwrap returns ErrCorrupt.
func (d *Damage) Unwrap() error { return ErrCorrupt }

// Reader reads framed records one after the other. It holds no more than the largest record and a little.
type Reader struct {
	r      io.Reader
	name   string
	salt   uint64
	buf    []byte
	lo, hi int
	base   int64 // offset in the file of buf[0]
	eof    bool
	err    error
}

// NewReader reads records framed with salt from r, whose first byte is at offset of the file called name.
func NewReader(r io.Reader, name string, salt uint64, offset int64) *Reader {
	return &Reader{r: r, name: name, salt: salt, base: offset, buf: make([]byte, 64<<10)}
}

// NewMappedReader reads records framed with salt from a file called name that is in memory: what Next returns stays
// valid as long as data does.
func NewMappedReader(data []byte, name string, salt uint64) *Reader {
	return &Reader{name: name, salt: salt, buf: data, hi: len(data), eof: true}
}

// Offset returns the offset in the file of the next byte to read.
func (r *Reader) Offset() int64 { return r.base + int64(r.lo) }

// need makes n bytes available at lo, if the file has them.
func (r *Reader) need(n int) bool {
	if r.hi-r.lo >= n || r.eof {
		return r.hi-r.lo >= n
	}
	if r.lo > 0 {
		copy(r.buf, r.buf[r.lo:r.hi])
		r.base += int64(r.lo)
		r.hi -= r.lo
		r.lo = 0
	}
	if n > len(r.buf) {
		grown := make([]byte, max(n, min(2*len(r.buf), MaxRecord)))
		copy(grown, r.buf[:r.hi])
		r.buf = grown
	}
	for r.hi < n && !r.eof && r.err == nil {
		k, err := r.r.Read(r.buf[r.hi:])
		r.hi += k
		if err == io.EOF {
			r.eof = true
		} else if err != nil {
			r.err = fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return r.hi >= n
}

// valid tells whether a whole, correct record begins at lo, and its data's length.
func (r *Reader) valid() (int, bool) {
	if !r.need(HeaderSize) {
		return 0, false
	}
	h := r.buf[r.lo : r.lo+HeaderSize]
	n := int64(binary.LittleEndian.Uint32(h[4:]))
	if n > MaxRecord || binary.LittleEndian.Uint16(h[9:]) != headerCheck(h, r.salt) || !r.need(HeaderSize+int(n)) {
		return 0, false
	}
	rec := r.buf[r.lo : r.lo+HeaderSize+int(n)]
	return int(n), binary.LittleEndian.Uint32(rec) == crc32.Checksum(rec[4:], castagnoli)
}

// Next returns the next record; data is valid until the next call. At the end it returns io.EOF. A *Damage
// tells of bytes it skipped: the call after it goes on with the next valid record.
func (r *Reader) Next() (typ byte, data []byte, err error) {
	if n, ok := r.valid(); ok {
		typ, data = r.buf[r.lo+8], r.buf[r.lo+HeaderSize:r.lo+HeaderSize+n]
		r.lo += HeaderSize + n
		return typ, data, nil
	}
	if r.err != nil {
		return 0, nil, r.err
	}
	if !r.need(1) {
		return 0, nil, io.EOF
	}
	d := &Damage{File: r.name, Offset: r.Offset()}
	for r.need(1) {
		if _, ok := r.valid(); ok {
			break
		}
		if r.err != nil {
			return 0, nil, r.err
		}
		r.lo++
	}
	d.Bytes = r.Offset() - d.Offset
	d.Tail = !r.need(1)
	return 0, nil, d
}
