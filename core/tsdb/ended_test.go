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

// Three quarters of the series end at once: within the hour the head lets go of them, and no sample is lost.
func TestSeriesThatEndedAreLetGoOfBeforeACutIsDue(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	now := scenarioStart
	db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", Clock: func() time.Time { return time.UnixMilli(now) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := map[sampleID]float64{}
	type target struct {
		g     storage.Group
		slots []storage.Slot
		sets  []labels.Labels
	}
	targets := make([]target, 4)
	for i := range targets {
		x := &targets[i]
		if x.g, err = db.Group(labels.FromStrings("instance", fmt.Sprint(i), "job", "x")); err != nil {
			t.Fatal(err)
		}
		for k := range 4000 {
			ls := labels.FromStrings("__name__", fmt.Sprint("m", k), "instance", fmt.Sprint(i), "job", "x")
			s, err := x.g.Slot(ls)
			if err != nil {
				t.Fatal(err)
			}
			x.slots, x.sets = append(x.slots, s), append(x.sets, ls)
		}
	}
	vals := make([]float64, 4000)
	least := 0
	for minute := range 75 {
		now += time.Minute.Milliseconds()
		for i, x := range targets {
			if i > 0 && minute >= 10 {
				continue
			}
			if err := x.g.Append(now, x.slots, vals); err != nil {
				t.Fatal(err)
			}
			for _, ls := range x.sets {
				want[sampleID{ls.String(), now}] = 0
			}
		}
		if err := db.maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := db.Stats().Head.Series; minute < 45 && n != 16000 {
			t.Fatalf("minute %d: the head has %d series", minute, n)
		} else {
			least = n
		}
	}
	if least != 4000 {
		t.Errorf("the head has %d series an hour after 12000 of 16000 ended", least)
	}
	if got := all(t, db); !maps.Equal(got, want) {
		t.Errorf("%d samples, want %d", len(got), len(want))
	}
}
