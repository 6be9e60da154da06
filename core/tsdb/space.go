package tsdb

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// Space is how the disk of the database is.
type Space struct {
	Free, Size int64 // bytes
	Ballast    int64 // bytes that the ballast has
	Wanted     int64 // and that it should have
	Full       bool  // something could not be written, and there is no room for the ballast again yet
}

// BallastName is the file that takes space until the disk is full.
const BallastName = "BALLAST"

const ballastPart = 50 // of the file system, at most

// ballast is what the database knows of its own. All but size is guarded by maintenance.
type ballast struct {
	size atomic.Int64 // Options.Ballast, unless that has changed since
	full bool
	ran  atomic.Bool // out of space, since the last look
}

// SetBallast changes Options.Ballast.
func (db *DB) SetBallast(bytes int64) { db.ballast.size.Store(bytes) }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// noteFull hears of an error that may be for want of space.
func (db *DB) noteFull(err error) {
	if isFull(err) {
		db.ballast.ran.Store(true)
	}
}

// watchSpace looks at the disk, gives the ballast back if that is full, makes it anew when there is room, and tells who
// wants to know. The caller holds maintenance.
func (db *DB) watchSpace() {
	free, err := db.fs.Free(db.opts.Dir)
	if err != nil {
		db.log.Debug("How much of the disk is free cannot be found out", "err", err)
		return
	}
	size, err := db.fs.Size(db.opts.Dir)
	if err != nil {
		size = 0
	}
	b := &db.ballast
	s := Space{Free: int64(min(free, 1<<62)), Size: int64(min(size, 1<<62)), Wanted: b.size.Load()}
	if s.Size > 0 {
		s.Wanted = min(s.Wanted, s.Size/ballastPart)
	}
	name := filepath.Join(db.opts.Dir, BallastName)
	if st, err := db.fs.Stat(name); err == nil {
		s.Ballast = st.Size()
	}
	failed := isFull(db.head.Failed()) // and what would mend the log needs more than there is
	if ran := b.ran.Swap(false); failed || ran && s.Free < s.Wanted {
		b.full = s.Wanted > 0
	}
	switch {
	case s.Ballast > 0 && (b.full && (failed || s.Free < s.Wanted) || s.Ballast > s.Wanted):
		if err := db.fs.Remove(name); err != nil {
			db.log.Error("The ballast stays", "file", name, "err", err)
			break
		}
		if b.full {
			db.log.Warn("The disk is full: the ballast is given back, so that there is room to tidy up", "bytes", s.Ballast)
		}
		s.Free, s.Ballast = s.Free+s.Ballast, 0
	case !failed && s.Ballast < s.Wanted && s.Free+s.Ballast >= 2*s.Wanted:
		if err := writeBallast(db.fs, name, s.Wanted); err != nil {
			db.log.Debug("The ballast cannot be written", "err", err)
			db.remove(name)
			break
		}
		s.Free, s.Ballast = s.Free+s.Ballast-s.Wanted, s.Wanted
	}
	if b.full && !failed && (s.Wanted == 0 || s.Ballast == s.Wanted && s.Free >= s.Wanted) {
		b.full = false
		db.log.Info("There is space on the disk again", "free", s.Free)
	}
	s.Full = b.full
	if db.opts.Space != nil {
		db.opts.Space(s)
	}
}

// writeBallast makes the file of n bytes that no file system can store in less.
func writeBallast(fsys vfs.FS, name string, n int64) (err error) {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	noise := rand.NewChaCha8([32]byte{})
	buf := make([]byte, 256<<10)
	for n > 0 {
		k := min(n, int64(len(buf)))
		_, _ = noise.Read(buf[:k]) // never fails
		if _, err := f.Write(buf[:k]); err != nil {
			return err
		}
		n -= k
	}
	return f.Sync()
}
