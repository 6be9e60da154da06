package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strings"
	"unsafe"
)

// Symbols are written in order, in blocks of symbolBlock: the first of a block as it is, each other one as the
// length of what it begins with of the one before, and the rest.
const symbolBlock = 8

// writeSymbols writes where blocks begin, and the blocks; it returns where those begin.
func writeSymbols(e *encoder, texts []string) uint64 {
	var b []byte
	last := ""
	for i, s := range texts {
		shared := 0
		if i%symbolBlock == 0 {
			e.u32(uint32(len(b)))
		} else {
			for shared < min(len(s), len(last)) && s[shared] == last[shared] {
				shared++
			}
			b = binary.AppendUvarint(b, uint64(shared))
		}
		b = binary.AppendUvarint(b, uint64(len(s)-shared))
		b = append(b, s[shared:]...)
		last = s
	}
	if len(b) > math.MaxUint32 {
		e.fail(fmt.Errorf("labels of more than 4 GiB in one part"))
	}
	start := e.n
	e.put(b)
	return start
}

// blocks returns how many blocks n things make.
func blocks(n, size uint64) uint64 { return (n + size - 1) / size }

// symbolReader reads symbols of an index, cheaply in ascending order. For one goroutine.
type symbolReader struct {
	x    *Index
	next uint64 // symbol that comes next in rest; a multiple of symbolBlock: rest is not set
	rest []byte
	text []byte // the symbol before next
}

// at returns symbol i; it stays as it is until the next call.
func (r *symbolReader) at(i uint64) (string, error) {
	if i >= r.x.f.symbols {
		return "", fmt.Errorf("%w: symbol %d of %d", ErrCorrupt, i, r.x.f.symbols)
	}
	if i+1 == r.next {
		return r.string(), nil
	}
	if r.next%symbolBlock == 0 || i < r.next || i/symbolBlock != r.next/symbolBlock {
		if err := r.seek(i / symbolBlock); err != nil {
			return "", err
		}
	}
	for {
		if err := r.step(); err != nil {
			return "", err
		}
		if r.next > i {
			return r.string(), nil
		}
	}
}

func (r *symbolReader) string() string { return unsafe.String(unsafe.SliceData(r.text), len(r.text)) }

// seek goes to the beginning of a block.
func (r *symbolReader) seek(block uint64) error {
	f := &r.x.f
	n := min(2, blocks(f.symbols, symbolBlock)-block)
	b, err := r.x.src.Slice(block*4, n*4)
	if err != nil {
		return err
	}
	lo, hi, size := uint64(binary.LittleEndian.Uint32(b)), f.setStart-f.symbolText, f.setStart-f.symbolText
	if n == 2 {
		hi = uint64(binary.LittleEndian.Uint32(b[4:]))
	}
	if lo > hi || hi > size {
		return fmt.Errorf("%w: symbols from %d to %d", ErrCorrupt, lo, hi)
	}
	if r.rest, err = r.x.src.Slice(f.symbolText+lo, hi-lo); err != nil {
		return err
	}
	r.next, r.text = block*symbolBlock, r.text[:0]
	return nil
}

// step reads the symbol that comes next.
func (r *symbolReader) step() error {
	shared := uint64(0)
	if r.next%symbolBlock != 0 {
		shared, r.rest = uvarint(r.rest)
	}
	n, rest := uvarint(r.rest)
	if shared > uint64(len(r.text)) || n > uint64(len(rest)) {
		return fmt.Errorf("%w: symbol %d", ErrCorrupt, r.next)
	}
	r.text = append(r.text[:shared], rest[:n]...)
	r.rest = rest[n:]
	r.next++
	return nil
}

// symbol returns symbol i.
func (x *Index) symbol(i uint64) (string, error) {
	var buf [128]byte
	r := symbolReader{x: x, text: buf[:0]}
	s, err := r.at(i)
	return strings.Clone(s), err
}

// searchSymbol returns the first symbol at or after s, and whether it is s.
func (x *Index) searchSymbol(s string) (i uint64, found bool, err error) {
	var buf [128]byte
	r := symbolReader{x: x, text: buf[:0]}
	n := int(blocks(x.f.symbols, symbolBlock))
	block := sort.Search(n, func(k int) bool { // the first that begins after s
		t, e := r.at(uint64(k) * symbolBlock)
		if e != nil {
			err = e
		}
		return t > s
	})
	if err != nil || block == 0 {
		return 0, false, err
	}
	for i = uint64(block-1) * symbolBlock; i < min(x.f.symbols, uint64(block)*symbolBlock); i++ {
		t, err := r.at(i)
		if err != nil {
			return 0, false, err
		}
		if t >= s {
			return i, t == s, nil
		}
	}
	return i, false, nil
}
