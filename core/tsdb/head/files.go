package head

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// tileFile is a file of sealed tiles, mapped into memory. The head keeps it while a group refers to it, a
// lease while somebody reads.
type tileFile struct {
	number     uint64
	name       string
	mapping    vfs.Mapping
	mint, maxt int64
	refs       atomic.Int64
}

func (f *tileFile) retain() { f.refs.Add(1) }

// release unmaps the file with the last reference; what it holds is then unreachable.
func (f *tileFile) release() {
	if f.refs.Add(-1) == 0 {
		_ = f.mapping.Close() // of a read-only mapping: nothing is lost
	}
}

// The directories of the head.
func (o *Options) logDir() string  { return filepath.Join(o.Dir, "wal") }
func (o *Options) headDir() string { return filepath.Join(o.Dir, "head") }

func (o *Options) snapName(n uint64) string {
	return filepath.Join(o.headDir(), fmt.Sprintf("%08d.snap", n))
}

func (o *Options) tilesName(n uint64) string {
	return filepath.Join(o.headDir(), fmt.Sprintf("%08d.tiles", n))
}

// numbered returns the numbers of the files in the head's directory with this extension, in order.
func (o *Options) numbered(ext string) ([]uint64, error) {
	es, err := o.FS.ReadDir(o.headDir())
	if err != nil {
		return nil, err
	}
	var out []uint64
	for _, e := range es {
		if s, ok := strings.CutSuffix(e.Name(), ext); ok {
			if n, err := strconv.ParseUint(s, 10, 63); err == nil {
				out = append(out, n)
			}
		}
	}
	return out, nil
}
