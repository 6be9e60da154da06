package tools

import (
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// The states of a directory in parts/.
const (
	Live       = "live"       // it is served
	Damaged    = "damaged"    // it is listed and does not open: a start sets it aside
	SetAside   = "set aside"  // a start did so
	Dead       = "dead"       // merged or deleted, or never finished: a start removes it
	Unfinished = "unfinished" // being written, or left by a crash
)

// directory is an entry of parts/.
type directory struct {
	number uint64
	name   string // "00000007"
	path   string
	state  string
}

// directories returns what is in parts/, in order of numbers. damaged is what is wrong with the manifest.
func directories(fsys vfs.FS, dir string) (out []directory, damaged, err error) {
	live, unnamed, damaged, err := tsdb.Listed(fsys, dir)
	if err != nil {
		return nil, nil, err
	}
	parts := filepath.Join(dir, "parts")
	es, err := fsys.ReadDir(parts)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	there := map[uint64]bool{}
	for _, e := range es {
		d := directory{name: e.Name(), path: filepath.Join(parts, e.Name()), state: Unfinished}
		name, aside := strings.CutSuffix(e.Name(), ".damaged")
		d.number, err = strconv.ParseUint(name, 10, 63)
		switch {
		case err != nil:
		case aside:
			d.state = SetAside
		case slices.Contains(live, d.number) || d.number >= unnamed || damaged != nil:
			d.state = Live
			there[d.number] = true
		default:
			d.state = Dead
		}
		out = append(out, d)
	}
	for _, n := range live {
		if !there[n] && damaged == nil { // else the record that it is dead may be what is missing
			p := tsdb.PartDir(dir, n)
			out = append(out, directory{number: n, name: filepath.Base(p), path: p, state: Damaged})
		}
	}
	slices.SortFunc(out, func(a, b directory) int { return strings.Compare(a.name, b.name) })
	return out, damaged, nil
}

// open opens the part, whatever its state.
func (d directory) open(fsys vfs.FS) (*block.Block, error) { return block.Open(fsys, d.path) }

// openHead loads the head.
func openHead(fsys vfs.FS, dir string) (h *head.Head, notes []string, err error) {
	said := new(warnings)
	h, err = head.Open(head.Options{FS: fsys, Dir: dir, SyncNever: true, Newest: math.MinInt64, Logger: slog.New(said), Clock: time.Now})
	return h, said.list, err
}

// size returns the bytes of all files below a directory; what cannot be read counts nothing.
func size(fsys vfs.FS, dir string) int64 {
	es, err := fsys.ReadDir(dir)
	if err != nil {
		return 0
	}
	n := int64(0)
	for _, e := range es {
		if e.IsDir() {
			n += size(fsys, filepath.Join(dir, e.Name()))
		} else if i, err := e.Info(); err == nil {
			n += i.Size()
		}
	}
	return n
}
