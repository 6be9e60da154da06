package tsdb

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Listed returns the numbers of the parts that the manifest in dir says live, in order; none if there is no
// manifest. Those from unnamed on it does not know: they live as well. damaged tells that records may be missing: then
// every part that opens is taken for live at the start. It changes nothing.
func Listed(fsys vfs.FS, dir string) (parts []uint64, unnamed uint64, damaged, err error) {
	m, damaged, err := openManifest(fsys, dir)
	if err != nil {
		return nil, 0, nil, err
	}
	return slices.Sorted(maps.Keys(m.live)), m.next, damaged, nil
}

// PartDir returns the directory of the part with this number in the database in dir.
func PartDir(dir string, number uint64) string {
	return filepath.Join(dir, "parts", fmt.Sprintf("%08d", number))
}

// Level returns how far a part with samples in mint..maxt is merged: 1 for one as the head is cut, more for
// longer windows.
func Level(mint, maxt int64) int {
	for i, r := range mergeRanges {
		if window(mint, r) == window(maxt, r) {
			return i + 1
		}
	}
	return len(mergeRanges) + 1
}

// CheckTombstones reads both copies of the tombstones in dir and returns how many bytes they have, and an error that
// begins with the file's name for each that is damaged. It changes nothing.
func CheckTombstones(fsys vfs.FS, dir string) (bytes int64, damaged []error, err error) {
	for _, n := range TombstoneFiles() {
		name := filepath.Join(dir, n)
		_, err := readTombstonesFile(fsys, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case errors.Is(err, wal.ErrCorrupt):
			damaged = append(damaged, fmt.Errorf("%s: it is not one record of tombstones: what is deleted is known from the other copy, if that is whole", name))
		case err != nil:
			return bytes, nil, err
		}
		st, err := fsys.Stat(name)
		if err != nil {
			return bytes, nil, err
		}
		bytes += st.Size()
	}
	return bytes, damaged, nil
}
