package tsdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/fields"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/compact"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// The tombstones are a file of one record that is written anew for every deletion, so that a deletion takes place
// as a whole, in all parts and in the head. There are two copies of it: samples that were deleted must not come
// back because a byte has turned. FORMAT.md, section 6, gives the bytes.
const (
	tombstonesName = "TOMBSTONES"
	tombstonesCopy = "TOMBSTONES.copy"
	tombstonesSalt = 0x656e6f74736d6f74
	tombstonesType = 1
)

// TombstoneFiles returns the names of the files that tell what is deleted; a database without deletions has none.
func TombstoneFiles() []string { return []string{tombstonesName, tombstonesCopy} }

// tombstone is a deletion and where it applies.
type tombstone struct {
	compact.Tombstone          // Ends is for the head
	parts             []uint64 // numbers, ascending
}

// tombstones are what is deleted and still stored.
type tombstones struct {
	sequence uint64 // of the file; the copy with the greater one counts
	list     []tombstone
}

// ofPart returns the tombstones of a part.
func (s *tombstones) ofPart(n uint64) []compact.Tombstone {
	var out []compact.Tombstone
	for _, t := range s.list {
		if slices.Contains(t.parts, n) {
			t.Ends = nil
			out = append(out, t.Tombstone)
		}
	}
	return out
}

// ofHead returns the tombstones of the head.
func (s *tombstones) ofHead() []compact.Tombstone {
	var out []compact.Tombstone
	for _, t := range s.list {
		if len(t.Ends) > 0 {
			out = append(out, t.Tombstone)
		}
	}
	return out
}

// pruned returns those that still apply: to parts that live, or to a head that begins at headMint.
func (s *tombstones) pruned(live func(n uint64) bool, headMint int64) []tombstone {
	var out []tombstone
	for _, t := range s.list {
		t.parts = slices.DeleteFunc(slices.Clone(t.parts), func(n uint64) bool { return !live(n) })
		ends := map[string]int64{}
		for g, end := range t.Ends {
			if end >= headMint {
				ends[g] = end
			}
		}
		t.Ends = ends
		if len(t.parts) > 0 || len(ends) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// readTombstones reads the copies in dir. damaged tells of a copy that cannot be read while the other one can. If
// none can, and one is there, the error wraps wal.ErrCorrupt: what was deleted is not known any more.
func readTombstones(fsys vfs.FS, dir string) (s tombstones, damaged, err error) {
	found := 0
	var bad []error
	for _, name := range TombstoneFiles() {
		one, err := readTombstonesFile(fsys, filepath.Join(dir, name))
		switch {
		case err == nil:
			found++
			if one.sequence >= s.sequence {
				s = one
			}
		case errors.Is(err, wal.ErrCorrupt):
			bad = append(bad, err)
		case !errors.Is(err, fs.ErrNotExist):
			return s, nil, err
		}
	}
	damaged = errors.Join(bad...)
	if damaged != nil && found == 0 {
		return s, nil, damaged
	}
	return s, damaged, nil
}

// setTombstonesAside renames the files that are there, so that they can be looked at and nothing writes over them.
// It returns the new names.
func setTombstonesAside(fsys vfs.FS, dir string) (aside []string, err error) {
	for _, name := range TombstoneFiles() {
		name = filepath.Join(dir, name)
		switch err := fsys.Rename(name, name+".damaged"); {
		case err == nil:
			aside = append(aside, name+".damaged")
		case !errors.Is(err, fs.ErrNotExist):
			return aside, err
		}
	}
	return aside, fsys.SyncDir(dir)
}

func readTombstonesFile(fsys vfs.FS, name string) (tombstones, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return tombstones{}, err
	}
	defer f.Close()
	r := wal.NewReader(f, name, tombstonesSalt, 0)
	typ, data, err := r.Next()
	if err == nil && typ == tombstonesType {
		var s tombstones
		if s, err = decodeTombstones(data); err == nil {
			if _, _, err = r.Next(); err == io.EOF {
				return s, nil
			}
		}
	}
	var d *wal.Damage
	if err == nil || err == io.EOF || errors.As(err, &d) || errors.Is(err, wal.ErrCorrupt) {
		return tombstones{}, fmt.Errorf("%w: %s is not one record of tombstones (%v)", wal.ErrCorrupt, name, err)
	}
	return tombstones{}, err
}

// write writes both copies, one after the other, each as a whole or not at all.
func (s *tombstones) write(fsys vfs.FS, dir string) error {
	data := s.encode()
	if len(data) > wal.MaxRecord {
		return errors.New("too many deletions at once: clean the tombstones first")
	}
	rec := wal.AppendRecord(nil, tombstonesSalt, tombstonesType, data)
	for _, name := range TombstoneFiles() {
		name = filepath.Join(dir, name)
		f, err := fsys.Create(name + ".tmp")
		if err != nil {
			return err
		}
		_, err = f.Write(rec)
		if err == nil {
			err = f.Sync()
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if err := fsys.Rename(name+".tmp", name); err != nil {
			return err
		}
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

func (s *tombstones) encode() []byte {
	str := func(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	b := binary.AppendUvarint(nil, s.sequence)
	b = binary.AppendUvarint(b, uint64(len(s.list)))
	for _, t := range s.list {
		b = binary.AppendVarint(b, t.Mint)
		b = binary.AppendVarint(b, t.Maxt)
		b = binary.AppendUvarint(b, uint64(len(t.Matchers)))
		for _, m := range t.Matchers {
			b = append(b, byte(m.Type))
			b = str(str(b, m.Name), m.Value)
		}
		b = binary.AppendUvarint(b, uint64(len(t.parts)))
		for _, n := range t.parts {
			b = binary.AppendUvarint(b, n)
		}
		b = binary.AppendUvarint(b, uint64(len(t.Ends)))
		for _, key := range sortedKeys(t.Ends) {
			b = binary.AppendVarint(str(b, key), t.Ends[key])
		}
	}
	return b
}

func sortedKeys(m map[string]int64) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// decodeTombstones decodes what encode made; the error wraps wal.ErrCorrupt.
func decodeTombstones(b []byte) (s tombstones, err error) {
	r := fields.Reader{B: b}
	s.sequence = r.Uint()
	for n := r.Count(); n > 0 && !r.Bad; n-- {
		t := tombstone{Tombstone: compact.Tombstone{Mint: r.Int(), Maxt: r.Int(), Ends: map[string]int64{}}}
		for k := r.Count(); k > 0 && !r.Bad; k-- {
			typ := r.Count()
			m, err := labels.NewMatcher(labels.MatchType(typ), string(r.Bytes()), string(r.Bytes()))
			if err != nil || typ > uint64(labels.MatchNotRegexp) {
				return s, fmt.Errorf("%w: matcher of type %d: %v", wal.ErrCorrupt, typ, err)
			}
			t.Matchers = append(t.Matchers, m)
		}
		for k := r.Count(); k > 0 && !r.Bad; k-- {
			t.parts = append(t.parts, r.Uint())
		}
		for k := r.Count(); k > 0 && !r.Bad; k-- {
			key := string(r.Bytes())
			t.Ends[key] = r.Int()
		}
		s.list = append(s.list, t)
	}
	if r.Bad || len(r.B) > 0 {
		return s, fmt.Errorf("%w: malformed tombstones", wal.ErrCorrupt)
	}
	return s, nil
}
