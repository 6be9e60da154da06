package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearth-project/hearth/core/tsdb/block"
)

// Snapshot makes a database in the directory to, which must not be there yet, with all samples that were
// acknowledged before the call and perhaps some that were later. Appends and queries go on. Files that never change are
// linked where the file system can: they take no space of their own until this database deletes its own. The
// directory has its name only once all of it is on stable storage.
func (db *DB) Snapshot(ctx context.Context, to string) error {
	unlock := db.alone()
	defer unlock()
	if err := db.snapshot(ctx, filepath.Clean(to)); err != nil {
		return fmt.Errorf("snapshot to %s: %w", to, err)
	}
	return nil
}

func (db *DB) snapshot(ctx context.Context, to string) (err error) {
	if _, err := db.fs.Stat(to); err == nil {
		return fmt.Errorf("it is there already: %w", fs.ErrExist)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	list, err := db.listed()
	if err != nil {
		return err
	}
	if err := db.checkpoint(db.opts.Clock()); err != nil { // little log is left to copy, and only its end grows
		return err
	}
	tmp := to + ".tmp"
	if err := db.fs.RemoveAll(tmp); err != nil { // of an attempt that a crash ended
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.fs.RemoveAll(tmp))
		}
	}()
	for _, p := range list {
		dir := filepath.Join(tmp, "parts", filepath.Base(p.dir))
		if err := db.fs.MkdirAll(dir); err != nil {
			return err
		}
		for _, name := range block.Files() {
			if err := db.link(ctx, filepath.Join(p.dir, name), filepath.Join(dir, name)); err != nil {
				return err
			}
		}
		if err := db.fs.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := db.snapshotHead(ctx, tmp); err != nil {
		return err
	}
	if err := db.snapshotLists(tmp, list); err != nil {
		return err
	}
	for _, dir := range []string{"parts", "head", "wal", ""} {
		dir = filepath.Join(tmp, dir)
		if err := errors.Join(db.fs.MkdirAll(dir), db.fs.SyncDir(dir)); err != nil {
			return err
		}
	}
	if err := db.fs.Rename(tmp, to); err != nil {
		return err
	}
	return db.fs.SyncDir(filepath.Dir(to))
}

// snapshotHead links what the last checkpoint wrote and copies the log since then. The names of the segments
// are taken once: those before the last do not grow, and a record that is cut short at the end of the last one is
// what a crash leaves.
func (db *DB) snapshotHead(ctx context.Context, tmp string) error {
	for _, d := range []struct {
		name string
		take func(ctx context.Context, from, to string) error
	}{{"head", db.link}, {"wal", db.copy}} {
		from, to := filepath.Join(db.opts.Dir, d.name), filepath.Join(tmp, d.name)
		if err := db.fs.MkdirAll(to); err != nil {
			return err
		}
		es, err := db.fs.ReadDir(from)
		if err != nil {
			return err
		}
		for _, e := range es { // in order of numbers
			switch filepath.Ext(e.Name()) {
			case ".snap", ".tiles", ".wal":
				if err := d.take(ctx, filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// snapshotLists writes which parts there are and what is deleted.
func (db *DB) snapshotLists(tmp string, list []*part) error {
	db.parts.Lock()
	m := manifest{fs: db.fs, dir: tmp, live: map[uint64]bool{}, next: db.parts.manifest.next}
	s := tombstones{sequence: 1, list: slices.Clone(db.parts.tombs.list)}
	db.parts.Unlock()
	for _, p := range list {
		m.live[p.number] = true
	}
	if err := m.rewrite(); err != nil {
		return err
	}
	m.close()
	if len(s.list) == 0 {
		return nil
	}
	return s.write(db.fs, tmp)
}

// link links a file, or copies it where that cannot be, as between file systems.
func (db *DB) link(ctx context.Context, from, to string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.fs.Link(from, to) == nil {
		return nil
	}
	return db.copy(ctx, from, to)
}

func (db *DB) copy(ctx context.Context, from, to string) (err error) {
	r, err := db.fs.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := db.fs.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := r.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			return w.Sync()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", strings.TrimPrefix(from, db.opts.Dir), err)
		}
	}
}
