package promql

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestRandomQueriesOnTheDatabase writes random data to the real database, row by row as scrapes do, and compares what
// queries give on it with upstream's engine on the data as it was made.
func TestRandomQueriesOnTheDatabase(t *testing.T) {
	for s := range uint64(6) {
		r := rand.New(rand.NewPCG(s, 1))
		data := randomData(r)
		db, err := tsdb.Open(tsdb.Options{
			Dir: t.TempDir(), Sync: "off", Clock: func() time.Time { return time.UnixMilli(dataStart + 2*dataSpan) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range data {
			write(t, db, c)
		}
		both := newBoth(t, false).helped()
		both.stored = db
		for range 150 {
			c := randomCase(r)
			diff, _, want, got := both.compare(data, c)
			if diff != "" && (want == "" || got == "") {
				t.Errorf("seed %d: %s\n%s", s, c, diff)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// write appends the rows of c as one group.
func write(t *testing.T, to storage.Writer, c *columns) {
	t.Helper()
	g, err := to.Group(labels.FromStrings("instance", c.labels[0].Get("instance"), "job", c.labels[0].Get("job")))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	all := make([]storage.Slot, len(c.labels))
	for i, ls := range c.labels {
		if all[i], err = g.Slot(ls); err != nil {
			t.Fatal(err)
		}
	}
	for row, at := range c.times {
		var slots []storage.Slot
		var values []float64
		for i, col := range c.values {
			if !storage.IsAbsent(col[row]) {
				slots, values = append(slots, all[i]), append(values, col[row])
			}
		}
		if err := g.Append(at, slots, values); err != nil {
			t.Fatal(err)
		}
	}
}
