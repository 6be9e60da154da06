package tsdb

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

func retired(t *testing.T, db *DB) Stats {
	t.Helper()
	for range 3 {
		if err := db.retire(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return db.Stats()
}

func TestRetentionChangesWhileTheDatabaseIsOpen(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	db, err := testDB(t, disk, "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	for m := range 60 * 60 {
		var batch []model.Series
		for i := range 20 {
			batch = append(batch, one(seriesN(i), scenarioStart+int64(m)*60_000, rnd.Float64())...)
		}
		if err := db.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if m%60 == 59 {
			if err := db.maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := retired(t, db)
	odd := labels.MustNewMatcher(labels.MatchRegexp, "n", ".*[13579]")
	set := func(r Retention) Stats {
		t.Helper()
		if err := db.SetRetention(r); err != nil {
			t.Fatal(err)
		}
		return retired(t, db)
	}

	after := set(Retention{Selectors: []SelectorRetention{{Matchers: []*labels.Matcher{odd}, Keep: 10 * time.Hour}}})
	if after.PartBytes > before.PartBytes*4/5 {
		t.Errorf("half of the series are kept for 10 of 60 hours, and the parts have %d bytes of %d", after.PartBytes, before.PartBytes)
	}
	other := labels.MustNewMatcher(labels.MatchRegexp, "n", ".*[02468]")
	again := set(Retention{Selectors: []SelectorRetention{{Matchers: []*labels.Matcher{other}, Keep: 10 * time.Hour}}})
	if again.PartBytes > after.PartBytes*4/5 {
		t.Errorf("the other half, too, and the parts have %d bytes of %d", again.PartBytes, after.PartBytes)
	}
	if s := set(Retention{Time: 10 * time.Hour}); s.MinTime < s.MaxTime-(10+24)*3600_000 {
		t.Errorf("10 hours and the rest of a part are kept, and there are samples of %v", time.Duration(s.MaxTime-s.MinTime)*time.Millisecond)
	}
	if err := db.Append(t.Context(), one(seriesN(1), db.Stats().MaxTime-11*3600_000, 1)); !errors.Is(err, storage.ErrTooOld) {
		t.Errorf("a sample of 11 hours ago: %v", err)
	}
	free, err := disk.Free("")
	if err != nil {
		t.Fatal(err)
	}
	disk.SetSize(1 << 20)
	if s := set(Retention{Percentage: 100}); s.Parts == 0 {
		t.Errorf("there is room on a disk of 1 MiB, and the parts are gone: %+v", s)
	}
	if s := set(Retention{Percentage: 0.01}); s.Parts != 0 {
		t.Errorf("0.01 percent of the disk are allowed, and there are %d parts", s.Parts)
	}
	disk.SetFree(free)
	for _, bad := range []Retention{{Time: -1}, {Percentage: 101}, {Percentage: math.NaN()}, {Selectors: []SelectorRetention{{}}},
		{Time: time.Hour, Selectors: []SelectorRetention{{Keep: 2 * time.Hour}}}} {
		if err := db.SetRetention(bad); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestMemoryIsLetGoOfBeforeItIsTime(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	db, err := testDB(t, disk, "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const minute = 60_000
	at := func(m int) int64 { return scenarioStart + int64(m)*minute }
	for m := range 100 { // each series lives for ten minutes
		if err := db.Append(t.Context(), one(seriesN(m/10), at(m), float64(m))); err != nil {
			t.Fatal(err)
		}
	}
	want := all(t, db)
	if err := db.Relieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := db.Stats()
	if s.Head.Series != 3 || s.Parts == 0 || s.Head.MinTime < at(99)-relieveKeep {
		t.Errorf("the head has %d series, from %d minutes on; %d parts", s.Head.Series, (s.Head.MinTime-scenarioStart)/minute, s.Parts)
	}
	verifySame(t, all(t, db), want)
	if err := db.Relieve(t.Context()); err != nil || db.Stats().Parts != s.Parts {
		t.Errorf("at once again: %d parts, %v", db.Stats().Parts, err)
	}
	for m := 100; m < 600; m++ { // and it goes on as ever
		if err := db.Append(t.Context(), one(seriesN(m/10), at(m), float64(m))); err != nil {
			t.Fatal(err)
		}
		want[sampleID{seriesN(m / 10).String(), at(m)}] = float64(m)
		if err := db.maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if m%50 == 0 {
			if err := db.Relieve(t.Context()); err != nil {
				t.Fatal(err)
			}
			retired(t, db)
		}
	}
	verifySame(t, all(t, db), want)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = testDB(t, disk.Kill(), "off"); err != nil {
		t.Fatal(err)
	}
	verifySame(t, all(t, db), want)
}
