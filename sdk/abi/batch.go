package abi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// batchMagic begins a batch: "HBT1".
const batchMagic = 0x31544248

const (
	flagSamples = 1 // the data is samples, not values at the steps
	batchHead   = 56
)

// MissingBits is the bit pattern that stands where there is no value, in both directions: upstream's staleness marker.
const MissingBits = 0x7ff0000000000002

// Batch is the input of hearth_eval: many series at once, and where a function is to be computed. ABI.md, section 4, has
// its bytes.
type Batch struct {
	Function   string
	DeadlineMS uint32 // from the moment of the call; 0 is unknown
	Start      int64  // Unix milliseconds of the first step; of samples, the end of its window
	Step       int64  // milliseconds from step to step
	Steps      int
	Args       []Arg
	Series     int

	Values []float64 // of a function of vectors: Series rows of Steps cells

	Range   int64     // of a function of matrices: milliseconds, windows are (end-Range, end]
	Offsets []uint32  // Series+1 places in Times and Samples: those of series i are Offsets[i]..Offsets[i+1]-1
	Times   []int64   // Unix milliseconds, rising within a series
	Samples []float64 // no value is missing
}

// Arg is an argument besides the data: a number, the same at each step or not, or a text.
type Arg struct {
	Numbers []float64 // one, or one for each step; nil if it is a text
	Text    string
}

// kinds of arguments
const (
	argNumber = iota
	argNumbers
	argText
)

func pad(n int) int { return (n + 7) &^ 7 }

// Append appends the bytes of b to dst, whose length must be a multiple of 8.
func (b *Batch) Append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = slices.Grow(dst, b.size())
	flags := uint32(0)
	if b.Offsets != nil {
		flags |= flagSamples
	}
	dst = le.AppendUint32(dst, batchMagic)
	dst = le.AppendUint32(dst, flags)
	dst = le.AppendUint32(dst, uint32(b.Series))
	dst = le.AppendUint32(dst, uint32(b.Steps))
	dst = le.AppendUint64(dst, uint64(b.Start))
	dst = le.AppendUint64(dst, uint64(b.Step))
	dst = le.AppendUint64(dst, uint64(b.Range))
	dst = le.AppendUint32(dst, uint32(len(b.Samples)))
	dst = le.AppendUint32(dst, uint32(len(b.Args)))
	dst = le.AppendUint32(dst, uint32(len(b.Function)))
	dst = le.AppendUint32(dst, b.DeadlineMS)
	dst = appendText(dst, b.Function)
	for _, a := range b.Args {
		kind, n := uint32(argText), len(a.Text)
		switch {
		case len(a.Numbers) == 1:
			kind, n = argNumber, 1
		case a.Numbers != nil:
			kind, n = argNumbers, len(a.Numbers)
		}
		dst = le.AppendUint32(dst, kind)
		dst = le.AppendUint32(dst, uint32(n))
		if kind == argText {
			dst = appendText(dst, a.Text)
		} else {
			dst = AppendCells(dst, a.Numbers)
		}
	}
	if b.Offsets == nil {
		return AppendCells(dst, b.Values)
	}
	dst = appendNumbers(dst, b.Offsets)
	dst = append(dst, make([]byte, pad(len(dst))-len(dst))...)
	dst = appendNumbers(dst, b.Times)
	return AppendCells(dst, b.Samples)
}

// size returns how many bytes a batch has.
func (b *Batch) size() int {
	n := batchHead + pad(len(b.Function)) + 8*(len(b.Values)+len(b.Times)+len(b.Samples)) + pad(4*len(b.Offsets))
	for _, a := range b.Args {
		n += 8 + 8*len(a.Numbers) + pad(len(a.Text))
	}
	return n
}

func appendText(dst []byte, s string) []byte {
	dst = append(dst, s...)
	return append(dst, make([]byte, pad(len(s))-len(s))...)
}

// AppendCells appends the bytes of numbers.
func AppendCells(dst []byte, v []float64) []byte { return appendNumbers(dst, v) }

// appendNumbers appends numbers as they lie in memory, if that is little endian.
func appendNumbers[T uint32 | int64 | float64](dst []byte, v []T) []byte {
	if littleEndian {
		return append(dst, inMemory(v)...)
	}
	dst, _ = binary.Append(dst, binary.LittleEndian, v) // fails for types of no fixed size
	return dst
}

// inMemory returns the bytes of numbers as they lie in memory, which they share.
func inMemory[T uint32 | int64 | float64](v []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v)*int(unsafe.Sizeof(one)))
}

// CellBytes returns the bytes of numbers, which share their memory where that is possible.
func CellBytes(v []float64) []byte {
	if !littleEndian || len(v) == 0 {
		return AppendCells(nil, v)
	}
	return inMemory(v)
}

// Cells reads what AppendCells wrote. p must have a multiple of 8 bytes; where they can be used as they lie, the result
// shares them.
func Cells(p []byte) []float64 {
	return view[float64](p, func(u uint64) float64 { return math.Float64frombits(u) })
}

// view reads 8-byte numbers.
func view[T int64 | float64](p []byte, of func(uint64) T) []T {
	n := len(p) / 8
	if n == 0 {
		return []T{}
	}
	if at := unsafe.Pointer(unsafe.SliceData(p)); littleEndian && uintptr(at)%8 == 0 {
		return unsafe.Slice((*T)(at), n)
	}
	out := make([]T, n)
	for i := range out {
		out[i] = of(binary.LittleEndian.Uint64(p[8*i:]))
	}
	return out
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// ErrBatch is wrapped by the errors of ParseBatch.
var ErrBatch = errors.New("malformed batch")

// ParseBatch reads a batch. The result shares the memory of p where that is possible.
func ParseBatch(p []byte) (*Batch, error) {
	r := batchReader{rest: p}
	head := r.take(batchHead)
	if r.err != nil || binary.LittleEndian.Uint32(head) != batchMagic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrBatch)
	}
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(head[at:]) }
	i64 := func(at int) int64 { return int64(binary.LittleEndian.Uint64(head[at:])) }
	b := &Batch{Series: int(u32(8)), Steps: int(u32(12)), Start: i64(16), Step: i64(24), Range: i64(32), DeadlineMS: u32(52)}
	samples, args, name := u32(40), u32(44), u32(48)
	b.Function = r.text(name)
	for range args {
		if r.err != nil {
			break
		}
		b.Args = append(b.Args, r.arg(b.Steps))
	}
	switch flags := u32(4); flags {
	case 0:
		b.Values = Cells(r.cells(uint64(b.Series) * uint64(b.Steps)))
	case flagSamples:
		b.Offsets = r.offsets(uint64(b.Series)+1, samples)
		b.Times = view[int64](r.cells(uint64(samples)), func(u uint64) int64 { return int64(u) })
		b.Samples = Cells(r.cells(uint64(samples)))
	default:
		return nil, fmt.Errorf("%w: flags %#x are not known", ErrBatch, flags)
	}
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes after its end", len(r.rest))
	}
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}

// batchReader takes the parts of a batch one after the other. After an error it takes nothing.
type batchReader struct {
	rest []byte
	err  error
}

func (r *batchReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrBatch}, args...)...)
	}
	r.rest = nil
}

func (r *batchReader) take(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail("it ends too early")
		return nil
	}
	p := r.rest[:n:n]
	r.rest = r.rest[n:]
	return p
}

func (r *batchReader) cells(n uint64) []byte {
	if n > MaxRequest {
		r.fail("it ends too early")
		return nil
	}
	return r.take(8 * n)
}

func (r *batchReader) text(n uint32) string {
	p := r.take(uint64(pad(int(n))))
	if r.err != nil {
		return ""
	}
	return string(p[:n])
}

func (r *batchReader) arg(steps int) Arg {
	head := r.take(8)
	if r.err != nil {
		return Arg{}
	}
	kind, n := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
	switch {
	case kind == argText:
		return Arg{Text: r.text(n)}
	case kind == argNumber && n == 1, kind == argNumbers && int(n) == steps:
		return Arg{Numbers: Cells(r.cells(uint64(n)))}
	}
	r.fail("an argument of kind %d has %d values, with %d steps", kind, n, steps)
	return Arg{}
}

// offsets reads the places where series begin and checks that they are in order and end with the last sample.
func (r *batchReader) offsets(n uint64, samples uint32) []uint32 {
	if n > MaxRequest {
		r.fail("it ends too early")
		return nil
	}
	p := r.take(uint64(pad(int(4 * n))))
	if r.err != nil {
		return nil
	}
	out := make([]uint32, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(p[4*i:])
		if i > 0 && out[i] < out[i-1] {
			r.fail("series %d ends before it begins", i-1)
			return nil
		}
	}
	if out[0] != 0 || out[n-1] != samples {
		r.fail("its series are not all of its samples")
		return nil
	}
	return out
}
