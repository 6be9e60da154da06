package tsdb

import (
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
)

// A late sample opens the sealed tile of its time and no other: it costs the same however long the head's memory of
// the series is.
func TestALateSampleCostsTheSameInALongHead(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", OutOfOrderWindow: 24 * time.Hour,
		Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const start = int64(1_600_000_000_000)
	ls := labels.FromStrings("__name__", "x")
	row := int64(0)
	grow := func(to int64) {
		for row < to {
			var ss []model.Sample
			for range 1000 {
				ss = append(ss, model.Sample{T: start + row*100, V: float64(row % 7)})
				row++
			}
			if err := db.Append(t.Context(), []model.Series{{Labels: ls, Samples: ss}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	late := func(first int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for k := range int64(200) {
			if err := db.Append(t.Context(), one(ls, start+(first+k*3)*100+50, 1)); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	grow(4000)
	short := late(100)
	grow(100_000)
	if long := late(2000); long > 3*short {
		t.Errorf("200 late samples take %d bytes of memory among 4000 rows, %d among 100000", short, long)
	}
}
