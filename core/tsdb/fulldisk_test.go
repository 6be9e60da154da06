package tsdb

import (
	"errors"
	"math"
	"syscall"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// full refuses what takes space, as a file system without any does: empty files still find place.
func full(op vfs.Op) error {
	if op.Kind == "write" {
		return &vfs.TornWrite{Keep: 0, Err: syscall.ENOSPC}
	}
	return nil
}

func TestADatabaseOpensOnAFullDisk(t *testing.T) {
	for _, how := range []string{"after it was closed", "after it was killed"} {
		t.Run(how, func(t *testing.T) {
			disk := vfs.NewMem()
			mustMkdir(t, disk)
			db, err := testDB(t, disk, "off")
			if err != nil {
				t.Fatal(err)
			}
			const start = 1_600_000_000_000
			fill(t, db, 3, 8, start)
			if err := db.maintain(t.Context()); err != nil { // parts beside the head
				t.Fatal(err)
			}
			want := within(t, db, math.MinInt64, math.MaxInt64)
			if how == "after it was closed" {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			disk = disk.Kill()
			disk.Hook(full)
			db, err = testDB(t, disk, "off")
			if err != nil {
				t.Fatalf("open on a full disk: %v", err)
			}
			defer db.Close()
			verifySame(t, within(t, db, math.MinInt64, math.MaxInt64), want)

			late := one(seriesN(0), start+9*3600_000, 1)
			for range 2 {
				if err := db.Append(t.Context(), late); !errors.Is(err, storage.ErrNoSpace) {
					t.Fatalf("append on a full disk: %v, want %v", err, storage.ErrNoSpace)
				}
				if err := db.maintain(t.Context()); !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("maintenance on a full disk: %v, want ENOSPC", err)
				}
			}
			verifySame(t, within(t, db, math.MinInt64, start+9*3600_000-1), want)

			disk.Hook(nil)
			if err := db.maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Append(t.Context(), late); err != nil {
				t.Fatalf("append with space again: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if db, err = testDB(t, disk.Kill(), "off"); err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			got := within(t, db, math.MinInt64, math.MaxInt64)
			if len(got) != len(want)+1 {
				t.Errorf("%d samples, want %d", len(got), len(want)+1)
			}
		})
	}
}
