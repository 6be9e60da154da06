package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// Copied is what a snapshot consists of.
type Copied struct {
	Dir   string `json:"dir"`
	To    string `json:"to"`
	Parts int    `json:"parts"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`  // of all files
	Taken int64  `json:"copied"` // of them; the others are linked and take no space of their own
}

// Snapshot makes a copy of the database in dir, which no server may have open, in the directory to, which must not
// exist or be empty. Files that never change are linked where the file system can, the rest is copied; all is on
// stable storage when it returns. A database with damage is refused: a copy would pass for a good one.
func Snapshot(ctx context.Context, fsys vfs.FS, dir, to string) (out Copied, err error) {
	l, err := lock(fsys, dir)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if es, err := fsys.ReadDir(to); err == nil && len(es) > 0 {
		return out, fmt.Errorf("%s is not empty: name a directory that is not there yet", to)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	v, err := Verify(ctx, fsys, dir, false)
	if err != nil {
		return out, err
	}
	if len(v.Findings) > 0 {
		return out, fmt.Errorf("%s is damaged in %d places, the first is %s: repair it before it is copied", dir, len(v.Findings), v.Findings[0])
	}
	c := copier{ctx: ctx, fs: fsys, out: Copied{Dir: dir, To: to}}
	err = c.all()
	return c.out, err
}

type copier struct {
	ctx context.Context
	fs  vfs.FS
	out Copied
}

func (c *copier) all() error {
	dirs, _, err := directories(c.fs, c.out.Dir)
	if err != nil {
		return err
	}
	stands := filepath.Dir(filepath.Clean(c.out.To)) // the directory in which the first new name is
	for ; ; stands = filepath.Dir(stands) {
		if _, err := c.fs.Stat(stands); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	for _, d := range []string{"parts", "head", "wal"} {
		if err := c.fs.MkdirAll(filepath.Join(c.out.To, d)); err != nil {
			return err
		}
	}
	for _, d := range dirs {
		if d.state != Live {
			continue
		}
		to := filepath.Join(c.out.To, "parts", d.name)
		if err := c.fs.MkdirAll(to); err != nil {
			return err
		}
		for _, f := range block.Files() {
			if err := c.link(filepath.Join(d.path, f), filepath.Join(to, f)); err != nil {
				return err
			}
		}
		if err := c.fs.SyncDir(to); err != nil {
			return err
		}
		c.out.Parts++
	}
	files, _, err := head.Check(c.ctx, c.fs, c.out.Dir)
	if err != nil {
		return err
	}
	if files.Snapshot > 0 {
		if err := c.both(c.link, head.SnapshotName, files.Snapshot); err != nil {
			return err
		}
	}
	for _, n := range files.Tiles {
		if err := c.both(c.link, head.TilesName, n); err != nil {
			return err
		}
	}
	for _, n := range files.Segments { // a start cuts the last one, so the two must not share it
		if err := c.both(c.copy, head.SegmentName, n); err != nil {
			return err
		}
	}
	for _, n := range []string{"MANIFEST", "TOMBSTONES", "TOMBSTONES.copy"} {
		if err := c.copy(filepath.Join(c.out.Dir, n), filepath.Join(c.out.To, n)); err != nil && (n == "MANIFEST" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	for _, d := range []string{"parts", "head", "wal"} {
		if err := c.fs.SyncDir(filepath.Join(c.out.To, d)); err != nil {
			return err
		}
	}
	for d := filepath.Clean(c.out.To); ; d = filepath.Dir(d) {
		if err := c.fs.SyncDir(d); err != nil || d == stands {
			return err
		}
	}
}

// both does something with the file that has this name in both databases.
func (c *copier) both(do func(from, to string) error, name func(dir string, n uint64) string, n uint64) error {
	return do(name(c.out.Dir, n), name(c.out.To, n))
}

// link links a file, or copies it where that cannot be, as between file systems.
func (c *copier) link(from, to string) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if err := c.fs.Link(from, to); err != nil {
		return c.copy(from, to)
	}
	st, err := c.fs.Stat(from)
	if err != nil {
		return err
	}
	c.out.Files++
	c.out.Bytes += st.Size()
	return nil
}

func (c *copier) copy(from, to string) (err error) {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	r, err := c.fs.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := c.fs.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	n, err := io.Copy(w, r)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	c.out.Files++
	c.out.Bytes += n
	c.out.Taken += n
	return w.Sync()
}
