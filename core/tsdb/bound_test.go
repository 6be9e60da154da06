package tsdb

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
)

// What a power cut may take is what the setting says.
func TestAPowerCutTakesNoMoreThanSyncSays(t *testing.T) {
	for _, tt := range []struct {
		sync  string
		bound time.Duration
		loses bool // something, sometimes
	}{
		{"always", 0, false},
		{"200ms", 200 * time.Millisecond, true},
		{"2s", 2 * time.Second, true},
		{"off", math.MaxInt64, true},
	} {
		t.Run(tt.sync, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { cutThePower(t, tt.sync, tt.bound, tt.loses) })
		})
	}
}

func cutThePower(t *testing.T, sync string, bound time.Duration, loses bool) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	db, err := Open(Options{Dir: "data", FS: disk, Sync: sync, CheckpointBytes: 2000})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- db.Run(ctx) }()
	ls := labels.FromStrings("__name__", "x")
	acked := map[int64]time.Time{}
	lost := 0
	for step := range 400 {
		time.Sleep(37 * time.Millisecond)
		synctest.Wait()
		if step%7 == 3 {
			cut, err := testDB(t, disk.Crash(nil), "off")
			if err != nil {
				t.Fatal(err)
			}
			got := all(t, cut)
			for at, when := range acked {
				if _, ok := got[sampleID{ls.String(), at}]; ok {
					continue
				}
				lost++
				if age := time.Since(when); age > bound {
					t.Fatalf("step %d: a sample acknowledged %v before the power cut is lost", step, age)
				}
			}
			if err := cut.Close(); err != nil {
				t.Fatal(err)
			}
		}
		at := time.Now().UnixMilli()
		if err := db.Append(ctx, one(ls, at, float64(step))); err != nil {
			t.Fatal(err)
		}
		acked[at] = time.Now()
	}
	if (lost > 0) != loses {
		t.Errorf("%d samples were lost in power cuts", lost)
	}
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
