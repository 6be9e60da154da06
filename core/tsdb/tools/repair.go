package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// ErrInUse is returned when another process has the database open.
var ErrInUse = errors.New("a server has the database open: stop it first")

// Loss is a part of which some or all is served no more.
type Loss struct {
	Part    string `json:"part"`
	Now     string `json:"now"`   // where it was moved; "" if it was gone
	Known   bool   `json:"known"` // the rest is
	MinTime int64  `json:"min_time,omitempty"`
	MaxTime int64  `json:"max_time,omitempty"`
	Series  int    `json:"series,omitempty"`
	Samples int64  `json:"samples,omitempty"` // that it had
	Saved   int64  `json:"saved,omitempty"`   // of them: they could be read, and are in a new part in its place
}

// Repaired is what a repair found, did and gave up.
type Repaired struct {
	Dir    string    `json:"dir"`
	Dry    bool      `json:"dry_run"`
	Found  []Finding `json:"found"`
	Done   []string  `json:"done"`
	Lost   []Loss    `json:"lost"`
	Cells  int64     `json:"lost_log_samples"` // of the log, besides those in the damaged bytes: they refer to these
	Notes  []string  `json:"notes,omitempty"`  // of the start that was made to mend the head
	Remain []Finding `json:"remain"`           // what is still wrong
}

// locked is a file system on which the database's lock is held already.
type locked struct{ vfs.FS }

func (locked) Lock(string) (io.Closer, error) { return nothing{}, nil }

type nothing struct{}

func (nothing) Close() error { return nil }

// lock takes the lock of the database in dir.
func lock(fsys vfs.FS, dir string) (io.Closer, error) {
	if err := exists(fsys, dir); err != nil {
		return nil, err
	}
	l, err := fsys.Lock(filepath.Join(dir, "LOCK"))
	if err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("%w (%w)", ErrInUse, err)
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return l, nil
}

// Repair makes the database in dir one without damage: damaged parts are set aside, and what can be read of them
// is written into new ones in their place; records of the log that can be read go into a new checkpoint and the
// damaged files are kept under another name; a torn end of the log is cut off; the manifest is written anew.
// With dry it is only tried, in memory, beside a server if need be.
func Repair(ctx context.Context, fsys vfs.FS, dir string, dry bool) (out Repaired, err error) {
	out = Repaired{Dir: dir, Dry: dry, Found: []Finding{}, Done: []string{}, Lost: []Loss{}, Remain: []Finding{}}
	if dry {
		if err := exists(fsys, dir); err != nil {
			return out, err
		}
		fsys = vfs.NewOverlay(fsys, dir)
	} else {
		l, err := lock(fsys, dir)
		if err != nil {
			return out, err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
	}
	before := Verified{Dir: dir, Findings: out.Found}
	if err := before.verify(ctx, fsys, true); err != nil {
		return out, err
	}
	out.Found = before.Findings
	if err := out.parts(ctx, fsys); err != nil {
		return out, err
	}
	if err := out.start(fsys, before); err != nil {
		return out, err
	}
	after := Verified{Dir: dir, Findings: out.Remain}
	err = after.verify(ctx, fsys, true)
	out.Remain = after.Findings
	return out, err
}

// parts sets damaged parts aside.
func (r *Repaired) parts(ctx context.Context, fsys vfs.FS) error {
	dirs, _, err := directories(fsys, r.Dir)
	if err != nil {
		return err
	}
	moved := false
	for _, d := range dirs {
		if d.state != Live && d.state != Damaged {
			continue
		}
		found, _, err := block.Check(ctx, fsys, d.path, true)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		loss := Loss{Part: d.path, Now: d.path + ".damaged"}
		err = fsys.Rename(d.path, loss.Now)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err = fsys.Stat(loss.Now); errors.Is(err, fs.ErrNotExist) {
				loss.Now = ""
				r.Done = append(r.Done, fmt.Sprintf("took %s, which is gone, off the manifest", d.path))
				r.Lost = append(r.Lost, loss)
				continue
			} // an earlier repair came this far
		}
		if err != nil {
			return fmt.Errorf("set %s aside: %w: move %s out of the data directory if it is in the way", d.path, err, loss.Now)
		}
		if m, err := block.ReadMeta(fsys, loss.Now); err == nil {
			loss.Known, loss.MinTime, loss.MaxTime, loss.Series, loss.Samples = true, m.MinTime, m.MaxTime, m.Series, m.Samples
		}
		moved = true
		r.Done = append(r.Done, fmt.Sprintf("moved %s to %s", d.path, loss.Now))
		saved, err := salvage(ctx, fsys, loss.Now, d.path)
		if err != nil {
			return fmt.Errorf("save what can be read of %s: %w: mend that and repair again", loss.Now, err)
		}
		if loss.Saved = saved.Samples; saved.Samples > 0 {
			r.Done = append(r.Done, fmt.Sprintf("wrote the %d samples of it that can be read into a new %s", saved.Samples, d.path))
		}
		r.Lost = append(r.Lost, loss)
	}
	if !moved {
		return nil
	}
	return fsys.SyncDir(filepath.Join(r.Dir, "parts"))
}

// told tells whether a note is of a part that this repair took away.
func (r *Repaired) told(note string) bool {
	return slices.ContainsFunc(r.Lost, func(l Loss) bool { return strings.Contains(note, l.Part+";") })
}

// start opens the database, which mends the manifest and the head, and closes it.
func (r *Repaired) start(fsys vfs.FS, before Verified) error {
	files, damage, err := head.Check(context.Background(), fsys, r.Dir)
	if err != nil {
		return err
	}
	said := new(warnings)
	db, err := tsdb.Open(tsdb.Options{Dir: r.Dir, FS: locked{fsys}, Sync: "always", Logger: slog.New(said)})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	r.Notes, r.Cells = slices.DeleteFunc(said.list, r.told), said.lost
	r.Done = append(r.Done, "wrote the manifest anew")
	if before.Torn > 0 {
		r.Done = append(r.Done, fmt.Sprintf("cut %d bytes off the end of the log that no sender was told are stored", before.Torn))
	}
	if len(damage) > 0 {
		r.Done = append(r.Done, fmt.Sprintf("wrote what can be read of the head into a new checkpoint, %s", head.SnapshotName(r.Dir, files.Snapshot+1)))
	}
	return nil
}
