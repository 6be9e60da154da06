// Package tools is what one does to a database without running it: list what is there, verify every byte,
// see what takes the space, print samples, mend damage, copy it. `hearth tsdb` is its command line.
//
// List, Verify, Analyze and Open only look. They see the directory through a vfs.Overlay, take no lock and
// change no byte, so a server may be writing there and the disk may be read-only. When the server cuts, merges
// or deletes while they read, they begin again, so that a file that went away in good order is not told as
// damage. Repair and Snapshot take the lock: they work on a database that no server has open.
package tools

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb"
)

// ErrNoDatabase marks a directory that holds no database.
var ErrNoDatabase = errors.New("no database there")

// maxTries is how often something is read anew because a server changed the database meanwhile.
const maxTries = 10

// frozen calls f with a view of the database in dir. It does so again if f is not sure of what it found and the
// database changed under it.
func frozen(fsys vfs.FS, dir string, f func(view vfs.FS) (sure bool, err error)) error {
	if err := exists(fsys, dir); err != nil {
		return err
	}
	for try := 1; ; try++ {
		before, err := generation(fsys, dir)
		if err != nil {
			return err
		}
		sure, err := f(vfs.NewOverlay(fsys, dir))
		if sure && err == nil || try == maxTries {
			return err
		}
		if after, gerr := generation(fsys, dir); gerr != nil || after == before {
			return errors.Join(err, gerr)
		}
	}
}

// exists tells why dir cannot be looked at as a database, or nil.
func exists(fsys vfs.FS, dir string) error {
	es, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: the directory does not exist; give that of [storage] path", dir, ErrNoDatabase)
	}
	if err != nil {
		return err
	}
	for _, e := range es {
		switch e.Name() {
		case "MANIFEST", "parts", "wal":
			return nil
		}
	}
	return fmt.Errorf("%s: %w: it has neither MANIFEST nor parts nor wal; give the directory of [storage] path", dir, ErrNoDatabase)
}

// generation changes with every cut, merge, deletion and checkpoint.
func generation(fsys vfs.FS, dir string) (uint64, error) {
	h := fnv.New64a()
	f, err := fsys.Open(filepath.Join(dir, "MANIFEST"))
	if err == nil {
		_, err = io.Copy(h, f)
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, d := range []string{"parts", "head", "wal"} {
		es, err := fsys.ReadDir(filepath.Join(dir, d))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		for _, e := range es {
			io.WriteString(h, d+"/"+e.Name()+"\n")
		}
	}
	return h.Sum64(), nil
}

// Open opens the database in dir to be read, as it is now; what is appended later is not seen. notes are what a
// start would warn of: damage, and what is done about it.
func Open(fsys vfs.FS, dir string) (db *tsdb.DB, notes []string, err error) {
	err = frozen(fsys, dir, func(view vfs.FS) (bool, error) {
		if db != nil {
			if err := db.Close(); err != nil {
				return false, err
			}
			db = nil
		}
		said := new(warnings)
		var err error
		db, err = tsdb.Open(tsdb.Options{Dir: dir, FS: view, Sync: "off", Logger: slog.New(said)})
		notes = said.list
		return len(notes) == 0, err
	})
	return db, notes, err
}

// warnings is a slog.Handler that keeps warnings and errors as text.
type warnings struct {
	mu   sync.Mutex
	list []string
	lost int64 // samples of the log that cannot be read because others before them cannot
}

// Enabled implements slog.Handler.
func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements slog.Handler.
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	lost := int64(0)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "lost_samples" {
			lost = a.Value.Int64()
		}
		fmt.Fprintf(&b, "; %s: %v", a.Key, a.Value)
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost += lost
	if r.Level >= slog.LevelWarn {
		w.list = append(w.list, b.String())
	}
	return nil
}

// WithAttrs implements slog.Handler; the database's logger has none.
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup implements slog.Handler.
func (w *warnings) WithGroup(string) slog.Handler { return w }
