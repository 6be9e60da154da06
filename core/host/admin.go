package host

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hearth-project/hearth/core/tsdb"
)

// admin is the database as the admin API sees it.
type admin struct {
	*tsdb.DB
	snapshots string // directory of the copies
}

// Snapshot implements api.Admin. Copies are named by the time they were asked for.
func (a admin) Snapshot(ctx context.Context) (string, error) {
	now := time.Now().UTC()
	name := fmt.Sprintf("%s-%09d", now.Format("20060102T150405Z"), now.Nanosecond())
	return name, a.DB.Snapshot(ctx, filepath.Join(a.snapshots, name))
}
