package tsdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/hearth-project/hearth/core/internal/fields"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// The manifest is the log of which parts live: FORMAT.md, section 5. A part counts from the record on that
// adds it, and until the one that removes it.
const (
	manifestName = "MANIFEST"
	manifestSalt = 0x7374726170 // ties the records to this kind of file
	manifestEdit = 1
)

// manifest is the open log. It belongs to whoever holds the database's parts lock.
type manifest struct {
	fs   vfs.FS
	dir  string
	live map[uint64]bool
	next uint64 // number of the next part
	f    vfs.File
}

// openManifest reads the manifest of dir. damaged tells that records may be missing: the live parts are then
// not known for sure, and a part too many does no harm, as its samples are those of others.
func openManifest(fsys vfs.FS, dir string) (m *manifest, damaged error, err error) {
	m = &manifest{fs: fsys, dir: dir, live: map[uint64]bool{}, next: 1}
	name := filepath.Join(dir, manifestName)
	records := 0
	f, err := fsys.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, err
	default:
		defer f.Close()
		r := wal.NewReader(f, name, manifestSalt, 0)
		for {
			typ, data, err := r.Next()
			if err == io.EOF {
				break
			}
			var d *wal.Damage
			if errors.As(err, &d) {
				damaged = d // even at the end: whether a crash tore it or it was whole once cannot be told
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			records++
			if typ == manifestEdit && !m.apply(data) {
				damaged = fmt.Errorf("%s: malformed edit before %d", name, r.Offset())
			}
		}
	}
	if records == 0 && damaged == nil { // the first start writes one before there is any part
		if es, err := fsys.ReadDir(filepath.Join(dir, "parts")); err == nil && len(es) > 0 {
			damaged = fmt.Errorf("%s: it is gone or empty, though there are parts", name)
		}
	}
	return m, damaged, nil
}

// apply carries an edit out.
func (m *manifest) apply(b []byte) bool {
	r := fields.Reader{B: b}
	m.next = max(m.next, r.Uint())
	for n := r.Count(); n > 0 && !r.Bad; n-- {
		if part := r.Uint(); !r.Bad {
			m.live[part] = true
			m.next = max(m.next, part+1)
		}
	}
	for n := r.Count(); n > 0 && !r.Bad; n-- {
		if part := r.Uint(); !r.Bad {
			delete(m.live, part)
		}
	}
	return !r.Bad
}

func (m *manifest) encode(add, remove []uint64) []byte {
	b := binary.AppendUvarint(nil, m.next)
	for _, l := range [][]uint64{add, remove} {
		b = binary.AppendUvarint(b, uint64(len(l)))
		for _, n := range l {
			b = binary.AppendUvarint(b, n)
		}
	}
	return wal.AppendRecord(nil, manifestSalt, manifestEdit, b)
}

// rewrite replaces the file by one record that says what lives.
func (m *manifest) rewrite() error {
	m.close()
	name := filepath.Join(m.dir, manifestName)
	f, err := m.fs.Create(name + ".tmp")
	if err != nil {
		return err
	}
	live := slices.Sorted(maps.Keys(m.live))
	_, err = f.Write(m.encode(live, nil))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := m.fs.Rename(name+".tmp", name); err != nil {
		return err
	}
	if err := m.fs.SyncDir(m.dir); err != nil {
		return err
	}
	m.f, err = m.fs.OpenAppend(name)
	return err
}

// edit adds and removes parts, all or nothing, durably.
func (m *manifest) edit(add, remove []uint64) error {
	if m.f == nil { // an earlier edit failed halfway: begin from what is known
		if err := m.rewrite(); err != nil {
			return fmt.Errorf("manifest: %w", err)
		}
	}
	for _, n := range add {
		m.next = max(m.next, n+1)
	}
	_, err := m.f.Write(m.encode(add, remove))
	if err == nil {
		err = m.f.Sync()
	}
	if err != nil {
		m.close()
		return fmt.Errorf("manifest: %w", err)
	}
	for _, n := range add {
		m.live[n] = true
	}
	for _, n := range remove {
		delete(m.live, n)
	}
	return nil
}

func (m *manifest) close() {
	if m.f != nil {
		m.f.Close() // every edit was synced
		m.f = nil
	}
}
