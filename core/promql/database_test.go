package promql

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
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

// TestRandomHistogramQueriesOnTheDatabase does that with native histograms. Of what the data says of resets the database
// keeps what upstream's does, so upstream's engine gets what the database returns.
func TestRandomHistogramQueriesOnTheDatabase(t *testing.T) {
	for s := range uint64(6) {
		r := rand.New(rand.NewPCG(s, 2))
		db, err := tsdb.Open(tsdb.Options{
			Dir: t.TempDir(), Sync: "off", Clock: func() time.Time { return time.UnixMilli(dataStart + 2*dataSpan) },
		})
		if err != nil {
			t.Fatal(err)
		}
		made := append(randomData(r), randomHistograms(r)...)
		for _, c := range made {
			write(t, db, c)
		}
		data := readAll(t, db)
		if got, want := samples(data), samples(made); got != want {
			t.Fatalf("seed %d: %d samples are stored of %d", s, got, want)
		}
		both := newBoth(t, false).helped()
		both.stored = db
		for range 150 {
			c := randomCaseOf(r, true)
			diff, _, want, got := both.compare(data, c)
			if got == bothKinds && want == "" {
				continue
			}
			if diff != "" && (want == "" || got == "") {
				t.Errorf("seed %d: %s\n%s", s, c, diff)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// samples counts.
func samples(m memory) (n int) {
	for _, c := range m {
		for i := range c.labels {
			for row, v := range c.values[i] {
				if !storage.IsAbsent(v) || c.hists != nil && c.hists[i][row].h != nil {
					n++
				}
			}
		}
	}
	return n
}

// readAll returns what a database holds.
func readAll(t *testing.T, db *tsdb.DB) (m memory) {
	t.Helper()
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	cs, err := q.Select(t.Context(), math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		times := c.Times()
		var ss []storedSeries
		for i := range c.Len() {
			s := storedSeries{labels: c.Labels(i)}
			vals, err := c.Values(i, 0, len(times), nil)
			if err != nil {
				t.Fatal(err)
			}
			var hs storage.Histograms
			hc, native := c.(storage.HistogramColumns)
			if native = native && hc.HasHistograms(i); native {
				if err := hc.Histograms(i, 0, len(times), &hs); err != nil {
					t.Fatal(err)
				}
			}
			for row, v := range vals {
				p := storedSample{t: times[row], v: v}
				if native {
					p.h, p.integer = hs.At(row), hs.Integer[row]
				}
				if p.h != nil || !storage.IsAbsent(v) {
					s.samples = append(s.samples, p)
				}
			}
			ss = append(ss, s)
		}
		slices.SortFunc(ss, func(a, b storedSeries) int { return labels.Compare(a.labels, b.labels) })
		m = append(m, newColumns(ss))
	}
	return m
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
	native := make([]*facet.Series, len(c.labels))
	for i, ls := range c.labels {
		native[i] = facet.New(g, ls)
	}
	for row, at := range c.times {
		var slots []storage.Slot
		var values []float64
		for i, col := range c.values {
			if c.hists != nil && c.hists[i][row].h != nil {
				if slots, values, err = native[i].FloatHistogram(c.hists[i][row].h, slots, values); err != nil {
					t.Fatal(err)
				}
				continue
			}
			if !storage.IsAbsent(col[row]) {
				native[i].Forget()
				slots, values = append(slots, all[i]), append(values, col[row])
			}
		}
		if err := g.Append(at, slots, values); err != nil {
			t.Fatal(err)
		}
	}
}
