package block

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// Damage is a place in a file of a part that is not as it was written.
type Damage struct {
	File          string
	Offset, Bytes int64 // 0, 0 if it is the file as a whole
	What          string
}

func (d Damage) Error() string {
	if d.Bytes == 0 {
		return fmt.Sprintf("%s: %s", d.File, d.What)
	}
	return fmt.Sprintf("%s: %d bytes at offset %d: %s", d.File, d.Bytes, d.Offset, d.What)
}

// Check reads every byte of the part in dir and returns all damage, and how many bytes it read. With decode it
// also decodes every sample and label, which finds what was wrong already when the checksums were made. An error
// is one of the disk or of ctx.
func Check(ctx context.Context, fsys vfs.FS, dir string, decode bool) (found []Damage, read int64, err error) {
	if _, err := fsys.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return []Damage{{File: dir, What: "it is gone"}}, 0, nil
	}
	name := filepath.Join(dir, metaName)
	meta, err := readMeta(fsys, name)
	if err != nil {
		if !damaging(err) {
			return nil, 0, err
		}
		found = append(found, Damage{File: name, What: "not as it was written: " + reasonOf(err, name)})
	} else if st, err := fsys.Stat(name); err == nil {
		read += st.Size()
	}
	for _, f := range []struct {
		name string
		sum  uint32
	}{{dataName, meta.Data}, {indexName, meta.Index}} {
		name := filepath.Join(dir, f.name)
		sum := f.sum
		if len(found) > 0 && found[0].File == filepath.Join(dir, metaName) { // what it should be is lost
			if sum, err = ownSum(fsys, name); err != nil && !damaging(err) {
				return nil, read, err
			}
		}
		ds, n, err := checkPages(ctx, fsys, name, sum)
		if err != nil {
			return nil, read, err
		}
		found, read = append(found, ds...), read+n
	}
	if len(found) > 0 || !decode {
		return found, read, nil
	}
	if err := decodeAll(ctx, fsys, dir); errors.Is(err, ErrCorrupt) {
		return []Damage{{File: dir, What: err.Error()}}, read, nil
	} else if err != nil {
		return nil, read, err
	}
	return nil, read, nil
}

// damaging tells whether an error is the file's and not the disk's.
func damaging(err error) bool { return errors.Is(err, ErrCorrupt) || errors.Is(err, fs.ErrNotExist) }

// reasonOf says what an error of a file is without naming it again.
func reasonOf(err error, name string) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "it is gone"
	}
	s := err.Error()
	for _, prefix := range []string{ErrCorrupt.Error() + ": ", name + ": ", name + " "} {
		if len(s) > len(prefix) && s[:len(prefix)] == prefix {
			s = s[len(prefix):]
		}
	}
	return s
}

// ownSum returns the checksum that a paged file ends with.
func ownSum(fsys vfs.FS, name string) (uint32, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var b [4]byte
	if st.Size() < int64(len(b)) {
		return 0, fmt.Errorf("%w: %s has %d bytes", ErrCorrupt, name, st.Size())
	}
	if _, err := f.ReadAt(b[:], st.Size()-int64(len(b))); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// checkPages verifies every page; pages side by side that fail are one damage.
func checkPages(ctx context.Context, fsys vfs.FS, name string, sum uint32) (found []Damage, read int64, err error) {
	p, err := openPages(fsys, name, sum)
	if err != nil {
		if damaging(err) {
			return []Damage{{File: name, What: reasonOf(err, name)}}, 0, nil
		}
		return nil, 0, err
	}
	defer p.close()
	for k := uint64(0); k*pageSize < p.Len(); k++ {
		if err := ctx.Err(); err != nil {
			return nil, read, err
		}
		page := p.data[k*pageSize : min(p.Len(), (k+1)*pageSize)]
		read += int64(len(page))
		if crc32.Checksum(page, castagnoli) == binary.LittleEndian.Uint32(p.sums[4*k:]) {
			continue
		}
		off := int64(k * pageSize)
		if n := len(found); n > 0 && found[n-1].Offset+found[n-1].Bytes == off {
			found[n-1].Bytes += int64(len(page))
			continue
		}
		found = append(found, Damage{File: name, Offset: off, Bytes: int64(len(page)), What: "fails its checksum"})
	}
	return found, read + int64(len(p.sums)) + pagesFooter, nil
}

// decodeAll reads all labels and samples.
func decodeAll(ctx context.Context, fsys vfs.FS, dir string) error {
	b, err := Open(fsys, dir)
	if err != nil {
		return err
	}
	defer b.Close()
	var vals []float64
	samples := int64(0)
	for g := range b.Groups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		c, err := b.Group(g)
		if err != nil {
			return err
		}
		for i := range c.Len() {
			lo, hi := c.Rows(i)
			if vals, err = c.Values(i, lo, hi, vals); err != nil {
				return err
			}
			samples += count(vals)
		}
	}
	if samples != b.meta.Samples {
		return fmt.Errorf("%w: %s: it has %d samples, %s says %d", ErrCorrupt, dir, samples, metaName, b.meta.Samples)
	}
	return nil
}

// ReadMeta returns what is known of the part in dir without opening it.
func ReadMeta(fsys vfs.FS, dir string) (Meta, error) {
	return readMeta(fsys, filepath.Join(dir, metaName))
}

// Files returns the names of the files of a part.
func Files() []string { return []string{metaName, dataName, indexName} }

// GroupIn returns what group i has in mint..maxt, nil if that is nothing. It reads no more of the group's times and
// directories than that, so that it can serve where another part of them is damaged.
func (b *Block) GroupIn(i int, mint, maxt int64) (storage.Columns, error) {
	g, err := b.index.Group(i)
	if err != nil {
		return nil, b.indexError(err)
	}
	slots := make([]uint32, g.Len)
	for s := range slots {
		slots[s] = uint32(s)
	}
	c, err := b.columns(g, slots, mint, maxt)
	if err != nil || c == nil {
		return nil, err
	}
	return c, nil
}
