package head

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Rows of the log go on from those before a checkpoint, whether it succeeds or not: nothing begins again, and whichever
// snapshot a start finds, all rows are back.
func TestRowsGoOnAcrossCheckpoints(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail string // the operation on the snapshot that fails
	}{
		{"that succeed", ""},
		{"that cannot be written", "write"},
		{"that cannot be renamed", "rename"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const groups = 4
			fs := newMem(t)
			h := open(t, testOptions(fs))
			want := reference{}
			row := int64(0)
			rows := func(n int64) {
				for range n {
					fill(t, h, want, groups, row)
					row++
				}
			}
			rows(10)
			if err := h.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			rows(10)
			fs.Hook(func(op vfs.Op) error {
				if op.Kind == tt.fail && strings.Contains(op.Name, ".snap") {
					return errors.New("no")
				}
				return nil
			})
			if err := h.Checkpoint(); (err == nil) != (tt.fail == "") {
				t.Fatal(err)
			}
			fs.Hook(nil)
			rows(10)

			left := fs.Kill()
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			fs = left
			fresh := 0
			if _, err := wal.Replay(fs, "db/wal", 0, func(r wal.Record) error {
				if r.Type != recRows {
					return nil
				}
				var e entry
				return e.skimRows(r.Data, func(e *entry, _ []byte) error {
					if e.fresh && e.t > 10*15000 {
						fresh++
					}
					return nil
				})
			}); err != nil {
				t.Fatal(err)
			}
			if fresh > 0 {
				t.Errorf("%d rows begin again", fresh)
			}
			h = open(t, testOptions(fs))
			diff(t, "after a kill", contents(t, h, math.MinInt64, math.MaxInt64), want)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
