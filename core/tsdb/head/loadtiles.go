package head

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// tileFiles maps the tile files and sorts what they hold by group into tiles.
func (l *loader) tileFiles(numbers []uint64, tiles map[uint32][]tile) error {
	for _, n := range numbers {
		name := l.h.opts.tilesName(n)
		m, err := l.h.opts.FS.Map(name)
		if errors.Is(err, fs.ErrNotExist) {
			l.damaged(fmt.Errorf("%s is gone, with the tiles in it", name))
			continue
		}
		if err != nil {
			return err
		}
		data := m.Data()
		f := &tileFile{number: n, name: name, mapping: m, mint: math.MaxInt64, maxt: math.MinInt64}
		f.refs.Store(1)
		damage := 0
		r := wal.NewMappedReader(data, name, n)
		for {
			typ, rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				l.damaged(err)
				damage++
				continue
			}
			if typ != tileRecord || len(rec) < 4 {
				continue
			}
			t, err := parseTile(rec[4:])
			if err != nil {
				l.damaged(fmt.Errorf("%s at %d: %w", name, r.Offset(), err))
				damage++
				continue
			}
			t.file = f
			f.mint, f.maxt = min(f.mint, t.mint), max(f.maxt, t.maxt)
			id := binary.LittleEndian.Uint32(rec)
			tiles[id] = append(tiles[id], t)
		}
		vfs.Unload(m)
		if damage == 0 {
			l.h.check.files = append(l.h.check.files, f)
			continue
		}
		// What can be read goes into the file of the checkpoint that follows, and this one is set aside.
		for _, ts := range tiles {
			for i := range ts {
				if ts[i].file == f {
					ts[i].blob, ts[i].file = slices.Clone(ts[i].blob), nil
				}
			}
		}
		f.release()
		if err := copyAside(l, name); err != nil {
			return err
		}
	}
	return nil
}
