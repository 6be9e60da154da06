package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

func equal(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}

func TestASnapshotHasWhatWasAcknowledgedWhileTheSourceGoesOn(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fill(t, db, 20, 30, scenarioStart)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var done atomic.Int64
	next := scenarioStart + 31*3600_000
	for w := range 2 {
		wg.Go(func() {
			for i := int64(0); ctx.Err() == nil; i++ {
				if err := db.Append(ctx, one(labels.FromStrings("__name__", "live", "writer", fmt.Sprint(w)), next+i, float64(i))); err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				if w == 0 {
					done.Store(i + 1)
				}
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := errors.Join(db.maintain(ctx), db.retire(ctx)); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for k := range 4 {
		for done.Load() < int64(100*(k+1)) {
			time.Sleep(time.Millisecond)
		}
		before := done.Load()
		dir := fmt.Sprint("snap", k)
		if err := db.Snapshot(context.Background(), dir); err != nil {
			t.Fatal(err)
		}
		s, err := testDBIn(t, m, dir, "off")
		if err != nil {
			t.Fatal(err)
		}
		got := all(t, s)
		for i := range before {
			id := sampleID{`{__name__="live", writer="0"}`, next + i}
			if v, ok := got[id]; !ok || v != float64(i) {
				t.Fatalf("snapshot %d: sample %d of the %d before it is %v, %v", k, i, before, v, ok)
			}
		}
		for id, v := range got {
			if strings.Contains(id.series, "live") && v != float64(id.t-next) {
				t.Fatalf("snapshot %d: %v = %v", k, id, v)
			}
		}
		if old := len(within(t, s, 0, next-1)); old != 20*30*60 {
			t.Errorf("snapshot %d has %d older samples", k, old)
		}
		if err := s.Append(context.Background(), one(seriesN(3), next+1e9, 1)); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()
	if err := db.Snapshot(context.Background(), "snap0"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a snapshot on one that is there: %v", err)
	}
}

func TestDeletedSamplesLeaveTheDisk(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	fill(t, db, 20, 30, scenarioStart)
	ctx := context.Background()
	if err := db.retire(ctx); err != nil {
		t.Fatal(err)
	}
	before := db.Stats()
	newestPart := db.newestPart(math.MaxInt64)
	if err := db.Delete(ctx, math.MinInt64, newestPart); err != nil { // everything in parts
		t.Fatal(err)
	}
	if got := within(t, db, 0, newestPart); len(got) > 0 {
		t.Fatalf("%d samples after all were deleted", len(got))
	}
	kept := all(t, db)
	if len(kept) == 0 {
		t.Fatal("the head is empty, too")
	}
	if err := db.CleanTombstones(ctx); err != nil {
		t.Fatal(err)
	}
	if s := db.Stats(); s.Parts != 0 || before.Parts == 0 {
		t.Errorf("%d parts became %d", before.Parts, s.Parts)
	}
	verifySame(t, all(t, db), kept)
	at := newestPart - 1000 // what comes later is kept
	if err := db.Append(ctx, one(labels.FromStrings("__name__", "again"), at, 5)); err == nil {
		if got := within(t, db, at, at); len(got) != 1 {
			t.Errorf("a sample that came after the deletion: %v", got)
		}
	} else if !errors.Is(err, storage.ErrOutOfOrder) {
		t.Error(err)
	}
	if err := db.Delete(ctx, 5, 4); err == nil {
		t.Error("an empty range is taken")
	}
}

func TestSelectorsHaveRetentionsOfTheirOwn(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	open := func(rs ...SelectorRetention) *DB {
		db, err := Open(Options{Dir: "data", FS: m, Sync: "off", CheckpointBytes: 3000, SegmentSize: 2000, SelectorRetention: rs,
			Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	fill(t, db, 20, 60, scenarioStart)
	want := all(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	seven, odd := seriesN(7), labels.MustNewMatcher(labels.MatchRegexp, "n", ".*[13579]")
	keepSeven := []*labels.Matcher{}
	seven.Range(func(l labels.Label) { keepSeven = append(keepSeven, equal(l.Name, l.Value)) })
	rules := []SelectorRetention{{Matchers: keepSeven, Keep: 50 * time.Hour}, {Matchers: []*labels.Matcher{odd}, Keep: 10 * time.Hour}}
	db = open(rules...)
	defer db.Close()
	for range 3 {
		if err := db.retire(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	newest := db.Stats().MaxTime
	got := all(t, db)
	const longestPart = int64(24 * 3600_000)
	dropped := 0
	for id, v := range want {
		keep := int64(math.MaxInt64 / 2)
		ls := labelsOf(t, id.series)
		switch {
		case ls.Get("n") == seven.Get("n"):
			keep = rules[0].Keep.Milliseconds()
		case odd.Matches(ls.Get("n")):
			keep = rules[1].Keep.Milliseconds()
		}
		g, ok := got[id]
		switch {
		case ok && g != v:
			t.Fatalf("%v = %v is %v", id, v, g)
		case !ok && id.t >= newest-keep:
			t.Fatalf("%v is gone too early", id)
		case ok && id.t < newest-keep-longestPart:
			t.Fatalf("%v is still there", id)
		case !ok:
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("nothing is dropped")
	}
	if _, err := Open(Options{Dir: "x", FS: m, Retention: time.Hour, SelectorRetention: rules}); err == nil {
		t.Error("a selector is kept for longer than all")
	}
}

func labelsOf(t *testing.T, text string) labels.Labels {
	t.Helper()
	b := labels.NewScratchBuilder(3)
	for _, p := range strings.Split(strings.Trim(text, "{}"), ", ") {
		n, v, ok := strings.Cut(p, "=")
		if !ok {
			t.Fatal(text)
		}
		b.Add(n, strings.Trim(v, `"`))
	}
	return b.Labels()
}

func TestTombstonesThatAreDamagedAreNeverTakenForOthers(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	s := tombstones{sequence: 3, list: []tombstone{
		{parts: []uint64{4, 300}},
		{},
	}}
	s.list[0].Matchers = []*labels.Matcher{equal("a", "b"), labels.MustNewMatcher(labels.MatchNotRegexp, "c", "d.*")}
	s.list[0].Mint, s.list[0].Maxt = math.MinInt64, 77
	s.list[1].Mint, s.list[1].Maxt, s.list[1].Ends = 5, math.MaxInt64, map[string]int64{`{job="x"}`: 9, "{}": 10}
	if err := s.write(m, "data"); err != nil {
		t.Fatal(err)
	}
	want := string(s.encode())
	put := func(name string, data []byte) {
		f, err := m.Create("data/" + name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	mp, err := m.Map("data/" + tombstonesName)
	if err != nil {
		t.Fatal(err)
	}
	whole := append([]byte(nil), mp.Data()...)
	check := func(what string, bad []byte) {
		for _, name := range TombstoneFiles() {
			put(name, bad)
			got, damaged, err := readTombstones(m, "data")
			if err != nil || damaged == nil || string(got.encode()) != want {
				t.Fatalf("%s of %s: %v, %v", what, name, damaged, err)
			}
			put(name, whole)
		}
		for _, name := range TombstoneFiles() {
			put(name, bad)
		}
		if _, _, err := readTombstones(m, "data"); !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), tombstonesName) {
			t.Fatalf("%s of both: %v", what, err)
		}
		for _, name := range TombstoneFiles() {
			put(name, whole)
		}
	}
	for at := range whole {
		check(fmt.Sprintf("length %d", at), whole[:at])
		bad := append([]byte(nil), whole...)
		bad[at] ^= 1 << (at % 8)
		check(fmt.Sprintf("byte %d", at), bad)
	}
}

// Both copies damaged, at any byte: the database opens, sets them aside, counts it and serves what it has; a deletion
// made anew holds over the next start.
func TestTombstonesDamagedTwiceAreSetAsideAndTheDatabaseServes(t *testing.T) {
	m := vfs.NewMem()
	mustMkdir(t, m)
	db, err := testDB(t, m, "off")
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 3, 4, scenarioStart)
	everything := all(t, db)
	ctx := context.Background()
	if err := db.Delete(ctx, math.MinInt64, math.MaxInt64, equal("n", "1")); err != nil {
		t.Fatal(err)
	}
	deleted := all(t, db)
	if len(deleted) == 0 || len(deleted) == len(everything) {
		t.Fatalf("%d of %d samples left", len(deleted), len(everything))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mp, err := m.Map("data/" + tombstonesName)
	if err != nil {
		t.Fatal(err)
	}
	whole := append([]byte(nil), mp.Data()...)
	names := TombstoneFiles()
	for at := range whole {
		bad := append([]byte(nil), whole...)
		bad[at] ^= 1 << (at % 8)
		for k, name := range names {
			if k == 1 && at%2 == 1 { // one is damaged, the other is gone
				if err := m.Remove("data/" + name); err != nil {
					t.Fatal(err)
				}
				continue
			}
			f, err := m.Create("data/" + name)
			if err == nil {
				_, err = f.Write(bad)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if db, err = testDB(t, m, "off"); err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		if got := all(t, db); !maps.Equal(got, everything) {
			t.Fatalf("byte %d: %d samples of %d", at, len(got), len(everything))
		}
		if n := testutil.ToFloat64(db.m.damage); n != 1 {
			t.Fatalf("byte %d: %v found damaged", at, n)
		}
		if mp, err := m.Map("data/" + names[0] + ".damaged"); err != nil || string(mp.Data()) != string(bad) {
			t.Fatalf("byte %d: the copy that was set aside: %v", at, err)
		}
		if err := db.Delete(ctx, math.MinInt64, math.MaxInt64, equal("n", "1")); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if db, err = testDB(t, m, "off"); err != nil {
			t.Fatal(err)
		}
		if got := all(t, db); !maps.Equal(got, deleted) {
			t.Fatalf("byte %d: %d samples after a deletion anew, want %d", at, len(got), len(deleted))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Tombstones of any bytes: an error, or what encodes to tombstones that mean the same.
func FuzzTombstones(f *testing.F) {
	s := tombstones{sequence: 300, list: []tombstone{{parts: []uint64{1, 1 << 40}}}}
	s.list[0].Matchers = []*labels.Matcher{equal("a", "b"), labels.MustNewMatcher(labels.MatchRegexp, "c", "d|e")}
	s.list[0].Ends = map[string]int64{"{}": -5}
	f.Add(s.encode())
	f.Add([]byte{1, 0})
	f.Add([]byte{1, 1, 0, 0, 1, 9, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeTombstones(b)
		if err != nil {
			if !errors.Is(err, wal.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := decodeTombstones(s.encode())
		if err != nil || string(again.encode()) != string(s.encode()) {
			t.Fatalf("%v became %v: %v", s, again, err)
		}
	})
}
