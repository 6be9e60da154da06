package head

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Files is what the head has on disk, as a start would read it.
type Files struct {
	Snapshot uint64 // number of the newest; 0 if there is none
	Tiles    []uint64
	Segments []uint64 // of the log, from the one on that the snapshot names

	SnapshotBytes, TilesBytes, LogBytes int64
	Torn                                int64 // bytes at the end of the log that are no whole record: nobody was told of them
}

// Check reads every byte that a start would read of the head in dir, and returns all damage: *wal.Damage for
// bytes that are no record. It changes nothing. An error is one of the disk or of ctx.
func Check(ctx context.Context, fsys vfs.FS, dir string) (Files, []error, error) {
	c := checker{ctx: ctx, o: Options{FS: vfs.NewOverlay(fsys, dir), Dir: dir}} // a torn end is cut off there only
	err := c.check()
	return c.files, c.damage, err
}

type checker struct {
	ctx    context.Context
	o      Options
	files  Files
	damage []error
}

func (c *checker) damaged(err error) { c.damage = append(c.damage, err) }

func (c *checker) check() error {
	for _, d := range []string{c.o.logDir(), c.o.headDir()} {
		if _, err := c.o.FS.Stat(d); errors.Is(err, fs.ErrNotExist) {
			if err := c.o.FS.MkdirAll(d); err != nil {
				return err
			}
		}
	}
	ns, err := c.o.numbered(".snap")
	if err != nil {
		return err
	}
	segment := uint64(0)
	if len(ns) > 0 {
		c.files.Snapshot = ns[len(ns)-1]
		if segment, err = c.snapshot(); err != nil {
			return err
		}
	}
	for _, n := range c.files.Tiles {
		size, err := c.records(c.o.tilesName(n), n, func(typ byte, data []byte) error {
			if typ != tileRecord {
				return nil
			}
			if len(data) < 4 {
				return errTile
			}
			_, err := parseTile(data[4:])
			return err
		})
		if err != nil {
			return err
		}
		c.files.TilesBytes += size
	}
	return c.log(segment)
}

// snapshot reads the newest snapshot and returns the first segment it needs.
func (c *checker) snapshot() (segment uint64, err error) {
	name := c.o.snapName(c.files.Snapshot)
	ended := false
	var version error
	c.files.SnapshotBytes, err = c.records(name, c.files.Snapshot, func(typ byte, data []byte) error {
		rd := newReader(data)
		switch typ {
		case snapHeader:
			if v := rd.Uint(); v != snapVersion {
				version = fmt.Errorf("%s has version %d, this hearth reads %d: run the hearth that wrote it", name, v, snapVersion)
				return nil
			}
			segment = rd.Uint()
			rd.id()
			for range min(rd.Uint(), 1<<20) {
				c.files.Tiles = append(c.files.Tiles, rd.Uint())
			}
			if rd.Bad {
				return errors.New("malformed header")
			}
		case snapEnd:
			ended = true
		}
		return nil
	})
	switch {
	case err != nil || version != nil: // no damage, and nothing to repair
		return segment, errors.Join(err, version)
	case !ended:
		c.damaged(fmt.Errorf("%s: it has no end", name))
	}
	return segment, nil
}

// records reads all records of a file, which f may find wrong, and returns its length.
func (c *checker) records(name string, salt uint64, f func(typ byte, data []byte) error) (int64, error) {
	file, err := c.o.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		c.damaged(fmt.Errorf("%s: it is gone", name))
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := wal.NewReader(file, name, salt, 0)
	for {
		if err := c.ctx.Err(); err != nil {
			return 0, err
		}
		typ, data, err := r.Next()
		var d *wal.Damage
		switch {
		case err == io.EOF:
			return r.Offset(), nil
		case errors.As(err, &d):
			c.damaged(d)
		case err != nil:
			return 0, err
		default:
			if err := f(typ, data); err != nil {
				c.damaged(fmt.Errorf("%s: record before %d: %w", name, r.Offset(), err))
			}
		}
	}
}

// log reads the segments from the given one on.
func (c *checker) log(segment uint64) error {
	segs, err := wal.Segments(c.o.FS, c.o.logDir())
	if err != nil {
		return err
	}
	for _, s := range segs {
		if s < segment {
			continue
		}
		c.files.Segments = append(c.files.Segments, s)
		if st, err := c.o.FS.Stat(filepath.Join(c.o.logDir(), wal.SegmentName(s))); err == nil {
			c.files.LogBytes += st.Size()
		}
	}
	rep, err := wal.Replay(c.o.FS, c.o.logDir(), segment, func(r wal.Record) error {
		if r.Type == recRows {
			var e entry
			if err := e.skimRows(r.Data, func(*entry, []byte) error { return nil }); err != nil {
				c.damaged(fmt.Errorf("%s: record before %d: %w", filepath.Join(c.o.logDir(), wal.SegmentName(r.Pos.Segment())), uint32(r.Pos), err))
			}
		}
		return c.ctx.Err()
	})
	for _, d := range rep.Damage {
		c.damaged(d)
	}
	c.files.Torn = rep.Torn
	return err
}

// SnapshotName returns the snapshot with this number of the head in dir.
func SnapshotName(dir string, n uint64) string { return (&Options{Dir: dir}).snapName(n) }

// TilesName returns the tile file with this number.
func TilesName(dir string, n uint64) string { return (&Options{Dir: dir}).tilesName(n) }

// SegmentName returns the segment of the log with this number.
func SegmentName(dir string, n uint64) string {
	return filepath.Join((&Options{Dir: dir}).logDir(), wal.SegmentName(n))
}
