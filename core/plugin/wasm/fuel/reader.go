package fuel

import (
	"errors"
	"fmt"
)

var errTruncated = errors.New("it ends in the middle")

// reader reads the pieces of the binary format. After the first error everything it returns is zero and done is true,
// so that loops end; err is that error.
type reader struct {
	b   []byte
	p   int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.p = len(r.b)
}

func (r *reader) failf(format string, args ...any) { r.fail(fmt.Errorf(format, args...)) }

func (r *reader) done() bool { return r.p >= len(r.b) }

// end reports the first error, or that something is left to read.
func (r *reader) end(what string) error {
	if r.err == nil && r.p != len(r.b) {
		r.failf("%d bytes too many", len(r.b)-r.p)
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", what, r.err)
	}
	return nil
}

func (r *reader) byte() byte {
	if r.p >= len(r.b) {
		r.fail(errTruncated)
		return 0
	}
	r.p++
	return r.b[r.p-1]
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := uint(0); shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	r.failf("a number does not fit 32 bits")
	return 0
}

// below reads an index and checks it against the number of things there are.
func (r *reader) below(n uint32, what string) uint32 {
	v := r.u32()
	if v >= n && r.err == nil {
		r.failf("%s %d of %d", what, v, n)
		return 0
	}
	return v
}

// skipNumber skips a LEB128 number of up to 64 bits.
func (r *reader) skipNumber() {
	for range 10 {
		if r.byte() < 0x80 {
			return
		}
	}
	r.failf("a number has too many digits")
}

func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.p) {
		r.fail(errTruncated)
		return nil
	}
	r.p += int(n)
	return r.b[r.p-int(n) : r.p]
}

func (r *reader) text() string { return string(r.take(r.u32())) }

// count reads the length of a vector whose items take at least one byte each.
func (r *reader) count() uint32 {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)-r.p) {
		r.fail(errTruncated)
		return 0
	}
	return n
}

func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendS33 appends a number that is not negative as a signed LEB128 number.
func appendS33(b []byte, v uint32) []byte {
	for v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendText(b []byte, s string) []byte { return append(appendU32(b, uint32(len(s))), s...) }
