package tools

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb"
)

// Copied is what a snapshot consists of.
type Copied struct {
	Dir   string `json:"dir"`
	To    string `json:"to"`
	Parts int    `json:"parts"`
	Bytes int64  `json:"bytes"` // of all files; those that never change are links where the file system can
}

// Snapshot makes a copy of the database in dir, which no server may have open, in the directory to, which must not
// exist: tsdb.DB.Snapshot without a server. A database with damage is refused: a copy would pass for a good one.
func Snapshot(ctx context.Context, fsys vfs.FS, dir, to string) (out Copied, err error) {
	l, err := lock(fsys, dir)
	if errors.Is(err, ErrInUse) {
		return out, fmt.Errorf("%w, or have it make the copy: POST /api/v1/admin/tsdb/snapshot, with enable_admin_api = true in [server]", err)
	}
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	v, err := Verify(ctx, fsys, dir, false)
	if err != nil {
		return out, err
	}
	if len(v.Findings) > 0 {
		return out, fmt.Errorf("%s is damaged in %d places, the first is %s: repair it before it is copied", dir, len(v.Findings), v.Findings[0])
	}
	db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: locked{fsys}, Sync: "always"})
	if err != nil {
		return out, err
	}
	if err := errors.Join(db.Snapshot(ctx, to), db.Close()); err != nil {
		return out, err
	}
	parts, err := fsys.ReadDir(filepath.Join(to, "parts"))
	return Copied{Dir: dir, To: to, Parts: len(parts), Bytes: size(fsys, to)}, err
}
