package block

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"sync/atomic"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// A paged file is a run of bytes with a checksum for every 64 KiB of it: FORMAT.md, section 2. The checksums
// are at the end and verified when the file is opened; a page is verified when it is first read.
const (
	pageSize     = 64 << 10
	pagesMagic   = "HPAG"
	pagesVersion = 1
	pagesFooter  = 4 + 4 + 8 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pageWriter writes a paged file.
type pageWriter struct {
	f    vfs.File
	w    *bufio.Writer
	n    uint64
	sum  uint32 // of the page under way
	sums []byte
}

func createPages(fs vfs.FS, name string) (*pageWriter, error) {
	f, err := fs.Create(name)
	if err != nil {
		return nil, err
	}
	return &pageWriter{f: f, w: bufio.NewWriterSize(f, 4*pageSize)}, nil
}

// Write implements io.Writer.
func (w *pageWriter) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		k := min(len(rest), pageSize-int(w.n%pageSize))
		w.sum = crc32.Update(w.sum, castagnoli, rest[:k])
		w.n += uint64(k)
		rest = rest[k:]
		if w.n%pageSize == 0 {
			w.endPage()
		}
	}
	return w.w.Write(b)
}

func (w *pageWriter) endPage() {
	w.sums = binary.LittleEndian.AppendUint32(w.sums, w.sum)
	w.sum = 0
}

// finish writes the checksums, and returns the one over them when all is on stable storage.
func (w *pageWriter) finish() (uint32, error) {
	if w.n%pageSize != 0 {
		w.endPage()
	}
	b := append(w.sums, pagesMagic...)
	b = binary.LittleEndian.AppendUint32(b, pagesVersion)
	b = binary.LittleEndian.AppendUint64(b, w.n)
	sum := crc32.Checksum(b, castagnoli)
	_, err := w.w.Write(binary.LittleEndian.AppendUint32(b, sum))
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil {
		err = w.f.Sync()
	}
	if err != nil {
		w.abandon()
		return 0, err
	}
	err = w.f.Close()
	w.f = nil
	return sum, err
}

// abandon closes a file that something has failed for.
func (w *pageWriter) abandon() {
	if w.f != nil {
		w.f.Close() // the first error is the one that matters
		w.f = nil
	}
}

// pages is an open paged file, mapped into memory. Safe for concurrent use until closed.
type pages struct {
	name    string
	mapping vfs.Mapping
	data    []byte
	sums    []byte
	good    []atomic.Uint32 // bit by page: it was verified
}

// openPages opens a paged file whose last checksum must be sum.
func openPages(fs vfs.FS, name string, sum uint32) (_ *pages, err error) {
	m, err := fs.Map(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.Close() // what is wrong with its contents matters more
		}
	}()
	p := &pages{name: name, mapping: m}
	b := m.Data()
	if len(b) < pagesFooter {
		return nil, p.corrupt("it has %d bytes", len(b))
	}
	foot := b[len(b)-pagesFooter:]
	n := binary.LittleEndian.Uint64(foot[8:])
	count := n/pageSize + min(n%pageSize, 1)
	if string(foot[:4]) != pagesMagic || n > uint64(len(b)) || n+4*count+pagesFooter != uint64(len(b)) {
		return nil, p.corrupt("its end is not that of such a file")
	}
	if got := crc32.Checksum(b[n:len(b)-4], castagnoli); got != binary.LittleEndian.Uint32(foot[16:]) || got != sum {
		return nil, p.corrupt("its checksums are damaged or those of another part")
	}
	if v := binary.LittleEndian.Uint32(foot[4:]); v != pagesVersion {
		return nil, fmt.Errorf("%s has version %d, this hearth reads %d: run the hearth that wrote it", name, v, pagesVersion)
	}
	p.data, p.sums = b[:n:n], b[n:n+4*count]
	p.good = make([]atomic.Uint32, count/32+1)
	return p, nil
}

func (p *pages) corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrCorrupt, p.name, fmt.Sprintf(format, args...))
}

// Len returns the length of the contents.
func (p *pages) Len() uint64 { return uint64(len(p.data)) }

// Slice returns n bytes from off on, after it has verified the pages they lie in.
func (p *pages) Slice(off, n uint64) ([]byte, error) {
	size := uint64(len(p.data))
	if off > size || n > size-off {
		return nil, p.corrupt("%d bytes at %d, it has %d", n, off, size)
	}
	if n == 0 {
		return nil, nil
	}
	for k := off / pageSize; k <= (off+n-1)/pageSize; k++ {
		if p.good[k/32].Load()&(1<<(k%32)) != 0 {
			continue
		}
		page := p.data[k*pageSize : min(size, (k+1)*pageSize)]
		if crc32.Checksum(page, castagnoli) != binary.LittleEndian.Uint32(p.sums[4*k:]) {
			return nil, p.corrupt("the %d bytes at %d fail their checksum", len(page), k*pageSize)
		}
		p.good[k/32].Or(1 << (k % 32))
	}
	return p.data[off : off+n : off+n], nil
}

func (p *pages) close() error {
	if err := p.mapping.Close(); err != nil {
		return fmt.Errorf("unmap %s: %w", filepath.Base(p.name), err)
	}
	return nil
}
