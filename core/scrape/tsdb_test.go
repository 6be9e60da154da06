package scrape

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	adapter "github.com/hearth-project/hearth/core/storage/upstream"
	"github.com/hearth-project/hearth/core/tsdb"
)

// openDB opens a real database in memory.
func openDB(t testing.TB) *tsdb.DB {
	t.Helper()
	db, err := tsdb.Open(tsdb.Options{Dir: "data", FS: vfs.NewMem(), Retention: 24 * time.Hour, Sync: "off"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// intoDatabase makes e write into a real database, and no more into its memory.
func (e *exposed) intoDatabase() *tsdb.DB {
	e.t.Helper()
	db := openDB(e.t)
	e.manager.env.storage = db
	return db
}

// contents returns what a database has stored.
func contents(t *testing.T, db *tsdb.DB) *memory {
	t.Helper()
	q, err := adapter.New(db, nil, nil, nil).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	m := newMemory()
	all := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for all.Next() {
		series := all.At().Labels().String()
		it := all.At().Iterator(nil)
		for {
			typ := it.Next()
			if typ == chunkenc.ValNone {
				break
			}
			if st := it.AtST(); st != 0 {
				m.starts[series] = append(m.starts[series], model.Start{T: it.AtT(), ST: st})
			}
			switch at := it.AtT(); typ {
			case chunkenc.ValFloat:
				_, v := it.At()
				m.put(series, at, v)
			case chunkenc.ValHistogram:
				_, h := it.AtHistogram(nil)
				m.native[series] = append(m.native[series], model.Histogram{T: at, H: h})
			case chunkenc.ValFloatHistogram:
				_, h := it.AtFloatHistogram(nil)
				m.native[series] = append(m.native[series], model.Histogram{T: at, FH: h})
			}
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := all.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTheDatabaseHoldsWhatWasScraped scrapes pages that change at random into the real database.
func TestTheDatabaseHoldsWhatWasScraped(t *testing.T) {
	for seed := range uint64(4) {
		e := expose(t, func(c *config.Scrape) {
			c.MetricRelabelConfigs = []*config.Relabel{{SourceLabels: []string{"__name__"}, Regex: new("bad.*"), Action: "drop"}}
		})
		db := e.intoDatabase()
		u := &upstream{t: t, store: newMemory(), target: e.loop.target.public, relabel: e.loop.rules.relabel}
		maker := newPageMaker(seed)
		maker.stamp = false
		start := time.Now().Add(-time.Hour).UnixMilli()
		contentType := contentText
		if maker.om {
			contentType = contentOM
		}
		for i := range 200 {
			ts := start + int64(15000*i)
			body := maker.page(ts)
			e.say(body)
			if err := e.scrape(ts); strings.Contains(err, "row") {
				t.Fatal(err)
			}
			u.scrape(ts, body, contentType)
			if maker.rnd.IntN(30) == 0 {
				e.configure(e.loop.job.cfg, e.loop)
			}
		}
		e.store = contents(t, db)
		got := e.lines()
		e.store = u.store
		if want := e.lines(); got != want {
			t.Fatalf("seed %d: %s", seed, firstDifference(got, want))
		}
	}
}

// TestTimestampsReachTheDatabase scrapes a page as cAdvisor has it: each container has its own time.
func TestTimestampsReachTheDatabase(t *testing.T) {
	e := expose(t, nil)
	db := e.intoDatabase()
	start := time.Now().Add(-time.Hour).UnixMilli()
	for i := range 20 {
		ts := start + int64(15000*i)
		e.say("plain 1\ncpu{c=\"a\"} 1 " + decimal(ts-3000) + "\ncpu{c=\"b\"} 2 " + decimal(ts-4000-int64(i)) + "\n")
		if err := e.scrape(ts); err != "" {
			t.Fatal(err)
		}
	}
	got := contents(t, db)
	for series, n := range map[string]int{
		`{__name__="cpu", c="a", instance="i", job="j"}`: 20, `{__name__="cpu", c="b", instance="i", job="j"}`: 20,
		`{__name__="plain", instance="i", job="j"}`: 20, `{__name__="up", instance="i", job="j"}`: 20,
	} {
		if len(got.series[series]) != n {
			t.Errorf("%s has %d samples, want %d", series, len(got.series[series]), n)
		}
		for _, s := range got.series[series] {
			if model.IsStale(s.V) {
				t.Errorf("%s has a marker at %d", series, s.T)
			}
		}
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
