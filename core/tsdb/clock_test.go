package tsdb

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// The clock is a year ahead for a while. What is stored then stays; what comes once it is right is taken, but for series
// that have newer samples, which need the window.
func TestAClockThatWasAheadShutsNothingOut(t *testing.T) {
	for _, window := range []time.Duration{0, 2 * time.Hour} {
		t.Run(window.String(), func(t *testing.T) {
			disk := vfs.NewMem()
			mustMkdir(t, disk)
			now := time.UnixMilli(scenarioStart)
			open := func() *DB {
				db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", Retention: 15 * 24 * time.Hour, OutOfOrderWindow: window,
					Clock: func() time.Time { return now }})
				if err != nil {
					t.Fatal(err)
				}
				return db
			}
			db := open()
			old, fresh := labels.FromStrings("__name__", "old", "job", "x"), labels.FromStrings("__name__", "fresh", "job", "y")
			want := map[sampleID]float64{}
			refused := 0
			run := func(minutes int, sets ...labels.Labels) {
				for m := range minutes {
					now = now.Add(time.Minute)
					for _, ls := range sets {
						id := sampleID{ls.String(), now.UnixMilli()}
						switch err := db.Append(t.Context(), []model.Series{{Labels: ls, Samples: []model.Sample{{T: id.t, V: float64(m)}}}}); {
						case err == nil:
							want[id] = float64(m)
						case errors.Is(err, storage.ErrOutOfOrder):
							refused++
						default:
							t.Fatal(err)
						}
					}
					if err := errors.Join(db.maintain(t.Context()), db.retire(t.Context())); err != nil {
						t.Fatal(err)
					}
				}
			}
			run(100, old)
			now = now.AddDate(1, 0, 0)
			run(400, old)
			for id := range want {
				if id.t < scenarioStart+180*24*3600_000 {
					delete(want, id) // beyond the retention, as the clock had it
				}
			}
			now = now.AddDate(-1, 0, 0).Add(time.Minute)
			run(60, old, fresh)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db = open()
			run(540, old, fresh)
			if held := now.UnixMilli() - db.head.MinTime(); held > 4*3600_000 {
				t.Errorf("the head holds %v", time.Duration(held)*time.Millisecond)
			}
			if window == 0 && refused != 600 || window > 0 && refused > 0 {
				t.Errorf("%d samples were refused", refused)
			}
			if n := db.Stats().Parts; n > 20 {
				t.Errorf("%d parts of 18 hours", n)
			}
			verifySame(t, all(t, db), want)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
