package tsdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

type sampleID struct {
	series string
	t      int64
}

func testDB(t testing.TB, fs vfs.FS, sync string) (*DB, error) {
	t.Helper()
	return testDBIn(t, fs, "data", sync)
}

func testDBIn(t testing.TB, fs vfs.FS, dir, sync string) (*DB, error) {
	t.Helper()
	return Open(Options{
		Dir: dir, FS: fs, Sync: sync, CheckpointBytes: 3000, SegmentSize: 2000,
		Clock: func() time.Time { return time.UnixMilli(1 << 42) },
	})
}

// all reads everything a database holds, and checks that a selection has each label set once, and the list of series the
// same ones in order.
func all(t testing.TB, db *DB) map[sampleID]float64 {
	t.Helper()
	return within(t, db, math.MinInt64, math.MaxInt64)
}

// listed returns the list of series, and checks its order.
func listed(t testing.TB, q storage.Querier, mint, maxt int64, ms []*labels.Matcher) map[string]bool {
	t.Helper()
	list, err := q.(storage.SeriesQuerier).Series(context.Background(), mint, maxt, ms...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for i, ls := range list {
		if i > 0 && labels.Compare(list[i-1], ls) >= 0 {
			t.Fatalf("%s is listed after %s", ls, list[i-1])
		}
		out[ls.String()] = true
	}
	return out
}

func within(t testing.TB, db *DB, mint, maxt int64, ms ...*labels.Matcher) map[sampleID]float64 {
	t.Helper()
	q, err := db.Querier(mint, maxt)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	before := listed(t, q, mint, maxt, ms) // some tests write meanwhile
	cs, err := q.Select(context.Background(), mint, maxt, ms...)
	if err != nil {
		t.Fatal(err)
	}
	out := map[sampleID]float64{}
	seen := map[string]bool{}
	for _, c := range cs {
		for i := range c.Len() {
			k := c.Labels(i).String()
			if seen[k] {
				t.Fatalf("%s occurs twice", k)
			}
			seen[k] = true
			vals, err := c.Values(i, 0, len(c.Times()), nil)
			if err != nil {
				t.Fatal(err)
			}
			for r, v := range vals {
				if !storage.IsAbsent(v) {
					out[sampleID{k, c.Times()[r]}] = v
				}
			}
			hc, ok := c.(storage.HistogramColumns)
			if !ok {
				continue
			}
			var hs storage.Histograms
			if err := hc.Histograms(i, 0, len(c.Times()), &hs); err != nil {
				t.Fatal(err)
			}
			for r, at := range c.Times() {
				if h := hs.At(r); h != nil {
					if _, both := out[sampleID{k, at}]; both {
						t.Fatalf("%s at %d is a number and a histogram", k, at)
					}
					out[sampleID{k, at}] = fingerprint(h)
				}
			}
		}
	}
	after := listed(t, q, mint, maxt, ms)
	for k := range before {
		if !seen[k] {
			t.Fatalf("%s is listed and not selected", k)
		}
	}
	for k := range seen {
		if !after[k] {
			t.Fatalf("%s is selected and not listed", k)
		}
	}
	return out
}

// scenario writes twelve hours in rows and batches, with maintenance, deletions and a snapshot between. It records
// what was acknowledged.
type scenario struct {
	t  testing.TB
	db *DB
	promise
	sent map[sampleID]float64
	calm bool // every append must succeed
}

// promise is what a database has told its users, at one time.
type promise struct {
	acked map[sampleID]float64 // is there
	gone  map[sampleID]bool    // is deleted
	limbo map[sampleID]float64 // is being deleted, or that failed: all of it is there, or none
	snap  *promise             // when the snapshot was asked for
}

func (p promise) clone() promise {
	p.acked, p.gone, p.limbo = maps.Clone(p.acked), maps.Clone(p.gone), maps.Clone(p.limbo)
	return p
}

const (
	scenarioStart = int64(1_600_025_800_000) // four hours before a day ends: its parts are merged
	scenarioStep  = int64(600_000)
)

// sweep returns the distance between the disk operations at which a test crashes: every one with HEARTH_SOAK
// set, which takes minutes, else a part of them that is spread over all.
func sweep(usual int) int {
	switch {
	case os.Getenv("HEARTH_SOAK") != "":
		return 1
	case testing.Short():
		return 4 * usual
	}
	return usual
}

func (s *scenario) run() {
	var groups []storage.Group
	var slots [][]storage.Slot
	var sets [][]labels.Labels
	for g := range 2 {
		common := labels.FromStrings("instance", fmt.Sprint(g), "job", "x")
		gr, err := s.db.Group(common)
		if err != nil {
			return
		}
		defer gr.Close()
		var ls []labels.Labels
		var sl []storage.Slot
		for i := range 4 {
			ls = append(ls, labels.FromStrings("__name__", fmt.Sprintf("m%d", i), "instance", fmt.Sprint(g), "job", "x"))
			slot, err := gr.Slot(ls[i])
			if err != nil {
				if s.calm {
					s.t.Fatal(err)
				}
				return
			}
			sl = append(sl, slot)
		}
		groups, slots, sets = append(groups, gr), append(slots, sl), append(sets, ls)
	}
	for r := range 75 {
		at := scenarioStart + int64(r)*scenarioStep
		for g := range groups {
			vals := make([]float64, 4)
			for i := range vals {
				vals[i] = float64(r*(i+1)) / 4
				s.sent[sampleID{sets[g][i].String(), at}] = vals[i]
			}
			s.note(groups[g].Append(at, slots[g], vals), at, sets[g], vals)
		}
		remote := labels.FromStrings("__name__", "remote", "job", "r")
		slow := labels.FromStrings("__name__", "slow", "job", "r")
		batch := []model.Series{{Labels: remote, Samples: []model.Sample{{T: at, V: float64(r)}}}}
		s.sent[sampleID{remote.String(), at}] = float64(r)
		ls, vals := []labels.Labels{remote}, []float64{float64(r)}
		hist := labels.FromStrings("__name__", "hist", "job", "r")
		if h := someHistogram(r); r%9 == 4 { // in the middle of them, a number
			batch = append(batch, model.Series{Labels: hist, Samples: []model.Sample{{T: at, V: float64(r)}}})
			ls, vals = append(ls, hist), append(vals, float64(r))
		} else {
			batch = append(batch, model.Series{Labels: hist, Histograms: []model.Histogram{{T: at, H: h}}})
			ls, vals = append(ls, hist), append(vals, fingerprint(h.ToFloat(nil)))
		}
		s.sent[sampleID{hist.String(), at}] = vals[1]
		if r > 55 && r%3 == 0 { // far behind the others
			late := scenarioStart + int64(r)*10_000
			s.sent[sampleID{slow.String(), late}] = float64(-r)
			err := s.db.Append(context.Background(), []model.Series{{Labels: slow, Samples: []model.Sample{{T: late, V: float64(-r)}}}})
			s.note(err, late, []labels.Labels{slow}, []float64{float64(-r)})
		}
		s.note(s.db.Append(context.Background(), batch), at, ls, vals)
		switch r {
		case 40: // from parts and from the head
			s.delete(sets[0][1], scenarioStart+20*scenarioStep, at)
		case 52:
			s.delete(remote, scenarioStart, scenarioStart+30*scenarioStep)
		case 60:
			s.snapshot()
		case 66:
			s.delete(sets[1][3], scenarioStart+60*scenarioStep, at)
		}
		if r%4 == 3 {
			if err := s.db.maintain(context.Background()); err != nil && s.calm {
				s.t.Fatal(err)
			}
		}
		if r%25 == 24 {
			if err := s.db.retire(context.Background()); err != nil && s.calm {
				s.t.Fatal(err)
			}
			if err := s.db.sync(context.Background()); err != nil && s.calm {
				s.t.Fatal(err)
			}
		}
	}
}

// delete deletes the samples of a series.
func (s *scenario) delete(ls labels.Labels, mint, maxt int64) {
	if len(s.limbo) > 0 {
		return // one that failed is enough
	}
	k := ls.String()
	for id, v := range s.acked {
		if id.series == k && id.t >= mint && id.t <= maxt {
			s.limbo[id] = v
		}
	}
	for id := range s.limbo {
		delete(s.acked, id)
	}
	var ms []*labels.Matcher
	ls.Range(func(l labels.Label) { ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value)) })
	if err := s.db.Delete(context.Background(), mint, maxt, ms...); err != nil {
		if s.calm {
			s.t.Fatal(err)
		}
		return
	}
	for id := range s.limbo {
		s.gone[id] = true
	}
	s.limbo = map[sampleID]float64{}
}

func (s *scenario) snapshot() {
	p := s.clone()
	s.snap = &p
	if err := s.db.Snapshot(context.Background(), "snap"); err != nil && s.calm {
		s.t.Fatal(err)
	}
}

func (s *scenario) note(err error, at int64, ls []labels.Labels, vals []float64) {
	if err != nil {
		if s.calm {
			s.t.Fatal(err)
		}
		return
	}
	for i := range ls {
		s.acked[sampleID{ls[i].String(), at}] = vals[i]
	}
}

func newScenario(t testing.TB, db *DB, calm bool) *scenario {
	return &scenario{t: t, db: db, sent: map[sampleID]float64{}, calm: calm,
		promise: promise{acked: map[sampleID]float64{}, gone: map[sampleID]bool{}, limbo: map[sampleID]float64{}}}
}

// verify opens a database on fs and compares, and its snapshot if there is one.
func verify(t *testing.T, what string, fs vfs.FS, p promise, sent map[sampleID]float64) {
	t.Helper()
	verifyDir(t, what, fs, "data", p, sent)
	if _, err := fs.Stat("snap"); err == nil {
		verifyDir(t, "snapshot, "+what, fs, "snap", *p.snap, sent)
	}
}

func verifyDir(t *testing.T, what string, fs vfs.FS, dir string, p promise, sent map[sampleID]float64) {
	t.Helper()
	db, err := testDBIn(t, fs, dir, "off")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got := all(t, db)
	for id, v := range p.acked {
		if g, ok := got[id]; !ok || g != v {
			t.Fatalf("%s: acknowledged %s at %d = %v is lost: %v %v (%d of %d are there)", what, id.series, (id.t-scenarioStart)/1000, v, g, ok, len(got), len(p.acked))
		}
	}
	deleted := 0
	for id := range p.limbo {
		if _, ok := got[id]; !ok {
			deleted++
		}
	}
	if p.acked != nil && deleted != 0 && deleted != len(p.limbo) {
		t.Fatalf("%s: %d of %d samples are deleted", what, deleted, len(p.limbo))
	}
	for id, v := range got {
		if s, ok := sent[id]; !ok || s != v {
			t.Fatalf("%s: %s at %d = %v was never sent", what, id.series, id.t, v)
		}
		if p.gone[id] {
			t.Fatalf("%s: %s at %d = %v was deleted", what, id.series, id.t, v)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func mustMkdir(t testing.TB, fs *vfs.Mem) {
	t.Helper()
	if err := fs.MkdirAll("data"); err != nil {
		t.Fatal(err)
	}
	if err := fs.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
}

// The end of the process, or of the power, at each operation on the disk.
func TestNothingAcknowledgedIsLostWhereverItCrashes(t *testing.T) {
	for _, mode := range []string{"always", "200ms", "off"} {
		t.Run(mode, func(t *testing.T) {
			ops := 0
			count := vfs.NewMem()
			mustMkdir(t, count)
			count.Hook(func(vfs.Op) error { ops++; return nil })
			db, err := testDB(t, count, mode)
			if err != nil {
				t.Fatal(err)
			}
			s := newScenario(t, db, true)
			s.run()
			merged := 0
			for _, p := range db.parts.list {
				if p.meta.MaxTime-p.meta.MinTime > cutRange {
					merged++
				}
			}
			if st := db.Stats(); merged == 0 || merged == st.Parts {
				t.Fatalf("%d parts of the scenario are merged: %+v", merged, st)
			}
			live := all(t, db)
			if len(live) != len(s.acked) {
				t.Fatalf("%d samples live, %d acknowledged", len(live), len(s.acked))
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			verify(t, "after close", count.Kill(), s.promise, s.sent)
			if mode != "off" {
				verify(t, "after close and a power cut", count.Crash(nil), s.promise, s.sent)
			}
			t.Logf("%d operations on the disk", ops)
			for k := 1; k <= ops; k += sweep(4) {
				crashAt(t, mode, k)
			}
		})
	}
}

func crashAt(t *testing.T, mode string, k int) {
	fs := vfs.NewMem()
	mustMkdir(t, fs)
	var killed, cut *vfs.Mem
	var p promise
	var s *scenario
	n := 0
	r := rand.New(rand.NewPCG(uint64(k), 2))
	fs.Hook(func(vfs.Op) error {
		if n++; n != k {
			return nil
		}
		killed, cut = fs.Kill(), fs.Crash(func(_ string, n int) int { return r.IntN(n + 1) })
		if s != nil {
			p = s.clone()
		}
		return nil
	})
	db, err := testDB(t, fs, mode)
	if err != nil {
		t.Fatal(err)
	}
	s = newScenario(t, db, true)
	s.run()
	fs.Hook(nil)
	sent := s.sent
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if killed == nil {
		return
	}
	verify(t, fmt.Sprintf("killed before operation %d", k), killed, p, sent)
	if mode != "always" {
		p.acked = nil // what was not synced may be gone; nothing else may be there
	}
	verify(t, fmt.Sprintf("power cut before operation %d", k), cut, p, sent)
}

// A disk that refuses one operation, or all from one on until it is well again: it is full, or it fails.
func TestARefusingDiskLosesNothingAcknowledgedAndHeals(t *testing.T) {
	for _, mode := range []string{"always", "off"} {
		for _, length := range []int{1, 40} {
			t.Run(fmt.Sprintf("%s, %d operations", mode, length), func(t *testing.T) {
				for k := 12; k < 680; k += sweep(11) {
					refuse(t, mode, k, length)
				}
			})
		}
	}
}

func refuse(t *testing.T, mode string, k, length int) {
	fs := vfs.NewMem()
	mustMkdir(t, fs)
	fault := error(syscall.ENOSPC)
	if k%2 == 1 {
		fault = syscall.EIO
	}
	n := 0
	fs.Hook(func(op vfs.Op) error {
		n++
		if n < k || n >= k+length {
			return nil
		}
		if op.Kind == "write" && n%2 == 0 {
			return &vfs.TornWrite{Keep: op.Size / 2, Err: fault}
		}
		return fault
	})
	db, err := testDB(t, fs, mode)
	if err != nil {
		if !errors.Is(err, fault) {
			t.Fatal(err)
		}
		return
	}
	s := newScenario(t, db, false)
	s.run()
	fs.Hook(nil)
	crashed := fs.Kill()
	verify(t, fmt.Sprintf("killed, operations %d to %d refused", k, k+length), crashed, s.promise, s.sent)
	if mode == "always" {
		verify(t, fmt.Sprintf("power cut, operations %d to %d refused", k, k+length), fs.Crash(nil), s.promise, s.sent)
	}
	for range 3 {
		err = db.maintain(context.Background())
	}
	if err != nil {
		t.Fatalf("operations %d to %d refused, the disk is well again: %v", k, k+length, err)
	}
	ls := labels.FromStrings("__name__", "healed")
	at := scenarioStart + 75*scenarioStep
	s.sent[sampleID{ls.String(), at}] = 1
	s.calm = true
	s.note(db.Append(context.Background(), []model.Series{{Labels: ls, Samples: []model.Sample{{T: at, V: 1}}}}), at, []labels.Labels{ls}, []float64{1})
	got := all(t, db)
	for id, v := range s.acked {
		if g, ok := got[id]; !ok || g != v {
			t.Fatalf("operations %d to %d refused: %v is gone while it runs", k, k+length, id)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	verify(t, fmt.Sprintf("closed, operations %d to %d refused", k, k+length), fs.Kill(), s.promise, s.sent)
}
