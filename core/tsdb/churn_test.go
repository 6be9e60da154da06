package tsdb

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// A target whose series are replaced, but for a few that stay: what its open rows need must not grow with all series
// that it ever had, and no sample may be lost or doubled on the way to younger groups, over crashes either.
func TestSeriesThatStayDoNotKeepRoomForThoseThatWent(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	open := func() (*DB, storage.Group) {
		db, err := testDB(t, disk, "off")
		if err != nil {
			t.Fatal(err)
		}
		g, err := db.Group(labels.FromStrings("instance", "a", "job", "pods"))
		if err != nil {
			t.Fatal(err)
		}
		return db, g
	}
	const live = 100
	want := map[sampleID]float64{}
	var sets [live]labels.Labels
	next := 0
	fresh := func(i int) {
		sets[i] = labels.FromStrings("__name__", "pod", "instance", "a", "job", "pods", "pod", fmt.Sprint(next))
		next++
	}
	for i := range sets {
		fresh(i)
	}
	db, g := open()
	slots := map[string]storage.Slot{}
	now := scenarioStart
	highest := int64(0)
	for minute := range 20 * 60 {
		now += time.Minute.Milliseconds()
		var row []storage.Slot
		var vals []float64
		for i, ls := range sets {
			s, ok := slots[ls.String()]
			if !ok {
				var err error
				if s, err = g.Slot(ls); err != nil {
					t.Fatal(err)
				}
				slots[ls.String()] = s
			}
			row, vals = append(row, s), append(vals, float64(minute*i))
			want[sampleID{ls.String(), now}] = float64(minute * i)
		}
		if err := g.Append(now, row, vals); err != nil {
			t.Fatal(err)
		}
		for k := range 5 { // a twentieth is replaced
			if i := (minute*5 + k) % live; i%10 > 0 || minute%300 == 0 { // one in ten stays for hours
				fresh(i)
			}
		}
		if err := db.maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		highest = max(highest, db.Stats().Head.OpenBytes)
		if minute%250 == 249 {
			was := disk
			disk = was.Kill()
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			db, g = open()
			clear(slots)
			if got := all(t, db); !maps.Equal(got, want) {
				t.Fatalf("minute %d: %d samples after a crash, want %d", minute, len(got), len(want))
			}
		}
	}
	if got := all(t, db); !maps.Equal(got, want) {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
	// About 900 series have samples in three hours of head; the widths of rows grow in steps, and two groups may be open.
	if most := int64(2 * 900 * 32 * 8); highest > most {
		t.Errorf("open rows took %d bytes, of %d series in all; want at most %d", highest, next, most)
	}
	if s := db.Stats().Head; s.Groups > 3 {
		t.Errorf("%d groups", s.Groups)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
