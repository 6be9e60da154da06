package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// shutter is a gate that is shut while the disk is full.
type shutter struct {
	counting
	space Space
}

func (s *shutter) Open(labels.Labels) error {
	if s.space.Full {
		return storage.ErrNoSpace
	}
	return nil
}

// counting is a gate that lets all pass but what refuse refuses.
type counting struct {
	n      map[string]int
	refuse func(labels.Labels) error
}

func (c *counting) Admit(ls labels.Labels) error {
	if c.refuse != nil {
		return c.refuse(ls)
	}
	return nil
}

func (c *counting) Count(job, instance string, n int) { c.n[job+" "+instance] += n }

func (c *counting) Open(labels.Labels) error { return nil }

// filled writes a file that takes all space of the disk but leave bytes.
func filled(t *testing.T, disk *vfs.Mem, leave uint64) {
	t.Helper()
	free, err := disk.Free("")
	if err != nil {
		t.Fatal(err)
	}
	f, err := disk.OpenAppend("filler")
	if err == nil && free > leave {
		_, err = f.Write(make([]byte, free-leave))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheBallastIsGivenBackWhenTheDiskIsFull(t *testing.T) {
	const size, want = 4 << 20, 80 << 10
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	disk.SetSize(size)
	gate := &shutter{counting: counting{n: map[string]int{}}}
	open := func() *DB {
		db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", Ballast: want, CheckpointBytes: 3000, SegmentSize: 2000, Gate: gate,
			Space: func(s Space) { gate.space = s }, Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open()
	defer func() { db.Close() }()
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if gate.space.Ballast != want || gate.space.Full || gate.space.Size != size {
		t.Fatalf("at the start %+v", gate.space)
	}
	const start = 1_600_000_000_000
	at := int64(start)
	send := func() error {
		at += 15_000
		var batch []model.Series
		for i := range 20 {
			batch = append(batch, one(seriesN(i), at, float64(at%1009*int64(i)))...)
		}
		return db.Append(t.Context(), batch)
	}
	acked := map[int64]bool{}
	for range 600 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
		acked[at] = true
		if err := db.maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		filled(t, disk, 1<<10)
		refused := 0
		for i := 0; refused < 50; i++ {
			if err := send(); err == nil {
				acked[at] = true
			} else if refused++; !errors.Is(err, storage.ErrNoSpace) {
				t.Fatal(err)
			}
			if err := db.maintain(t.Context()); err != nil && !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if i > 10_000 {
				t.Fatalf("round %d: samples are taken on a full disk", round)
			}
		}
		if gate.space.Ballast != 0 || !gate.space.Full {
			t.Fatalf("round %d, on the full disk %+v", round, gate.space)
		}
		if db.head.Failed() != nil {
			t.Fatalf("round %d: the log is not mended: %v", round, db.head.Failed())
		}
		if err := db.Delete(t.Context(), math.MinInt64, start, equal("n", "1")); err != nil {
			t.Fatalf("round %d: delete on the full disk: %v", round, err)
		}
		if round == 1 { // it is started on the full disk
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			gate.n, gate.space = map[string]int{}, Space{}
			db = open()
			if err := db.maintain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := disk.Remove("filler"); err != nil {
			t.Fatal(err)
		}
		if err := db.maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if gate.space.Ballast != want || gate.space.Full {
			t.Fatalf("round %d, with space again %+v", round, gate.space)
		}
		if err := send(); err != nil {
			t.Fatalf("round %d, with space again: %v", round, err)
		}
		acked[at] = true
	}
	got := within(t, db, math.MinInt64, math.MaxInt64, equal("n", "3"))
	for at := range acked {
		if _, ok := got[sampleID{seriesN(3).String(), at}]; !ok {
			t.Errorf("the sample at %d was acknowledged and is gone", at)
		}
	}
	if len(got) < len(acked) {
		t.Errorf("%d samples of %d", len(got), len(acked))
	}
	db.SetBallast(0)
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.Stat("data/" + BallastName); err == nil {
		t.Error("the ballast stays though none is wanted")
	}
}

// There is room for the ballast, but not for the checkpoint that the log needs: the ballast goes, and nobody is told that
// there is space until the log takes samples again.
func TestTheDiskIsFullUntilTheLogIsMended(t *testing.T) {
	const want = 80 << 10
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	disk.SetSize(4 << 20)
	var space Space
	db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", Ballast: want, Space: func(s Space) { space = s },
		Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	disk.Hook(func(op vfs.Op) error {
		if op.Kind == "write" {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := db.Append(t.Context(), one(seriesN(1), scenarioStart, 1)); !errors.Is(err, storage.ErrNoSpace) {
		t.Fatal(err)
	}
	for k := range 5 {
		if err := db.maintain(t.Context()); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		if !space.Full || space.Ballast != 0 || space.Free < want {
			t.Errorf("look %d: %+v", k, space)
		}
	}
	disk.Hook(nil)
	for range 2 { // the log is mended after the first look
		if err := db.maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if space.Full || space.Ballast != want {
		t.Errorf("with space again: %+v", space)
	}
	if err := db.Append(t.Context(), one(seriesN(1), scenarioStart+1, 1)); err != nil {
		t.Error(err)
	}
}

func TestAHeadTellsWhichSeriesItHas(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	gate := &counting{n: map[string]int{}}
	open := func() *DB {
		db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", CheckpointBytes: 3000, SegmentSize: 2000, Gate: gate,
			Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	check := func(what string, want map[string]int) {
		t.Helper()
		for k, n := range gate.n {
			if n != want[k] {
				t.Errorf("%s: %q has %d series, want %d", what, k, n, want[k])
			}
		}
		for k := range want {
			if _, ok := gate.n[k]; !ok {
				t.Errorf("%s: nothing of %q", what, k)
			}
		}
	}
	db := open()
	const start = 1_600_000_000_000
	var batch []model.Series
	for i := range 30 {
		b := labels.FromStrings("__name__", "m", "instance", fmt.Sprint("i", i%3), "job", "a", "n", fmt.Sprint(i))
		batch = append(batch, one(b, start, 1)...)
	}
	batch = append(batch, one(labels.FromStrings("__name__", "alone"), start, 1)...)
	batch = append(batch, model.Series{Labels: labels.FromStrings("__name__", "h", "instance", "i0", "job", "a"),
		Histograms: []model.Histogram{{T: start, H: someHistogram(3)}}})
	if err := db.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	g, err := db.Group(labels.FromStrings("instance", "row", "job", "b"))
	if err != nil {
		t.Fatal(err)
	}
	var slots []storage.Slot
	for i := range 5 {
		job := "b"
		if i == 4 {
			job = "overridden"
		}
		s, err := g.Slot(labels.FromStrings("__name__", "r", "instance", "row", "job", job, "n", fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		slots = append(slots, s)
	}
	if err := g.Append(start, slots, make([]float64, len(slots))); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"a i0": 11, "a i1": 10, "a i2": 10, " ": 1, "b row": 4, "overridden row": 1}
	check("as they come", want)
	for _, how := range []string{"from the log", "from a checkpoint"} {
		gate.n = map[string]int{}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open()
		check("loaded "+how, want)
		if err := db.checkpoint(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	defer db.Close()
	later := one(labels.FromStrings("__name__", "m", "instance", "i0", "job", "a", "n", "0"), start+5*3600_000, 1)
	if err := db.Append(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if err := db.maintain(context.Background()); err != nil {
		t.Fatal(err)
	}
	check("when most are cut", map[string]int{"a i0": 1, "a i1": 0, "a i2": 0, " ": 0, "b row": 0, "overridden row": 0})
}

func TestOnlyNewSeriesAreRefused(t *testing.T) {
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	gate := &counting{n: map[string]int{}}
	db, err := Open(Options{Dir: "data", FS: disk, Sync: "off", Gate: gate, Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const start = 1_600_000_000_000
	ctx := t.Context()
	known, fresh := seriesN(1), seriesN(2)
	hist := labels.FromStrings("__name__", "h", "job", "x")
	histogram := func(n int, at int64) []model.Series {
		return []model.Series{{Labels: hist, Histograms: []model.Histogram{{T: at, H: someHistogram(n)}}}}
	}
	g, err := db.Group(labels.FromStrings("job", "x"))
	if err != nil {
		t.Fatal(err)
	}
	slot, err := g.Slot(known)
	if err == nil {
		err = errors.Join(g.Append(start, []storage.Slot{slot}, []float64{1}), db.Append(ctx, histogram(1, start)))
	}
	if err != nil {
		t.Fatal(err)
	}
	gate.refuse = func(ls labels.Labels) error {
		if ls.Has("\xff") { // the host's gate does not ask for facets either
			return nil
		}
		return storage.ErrLimit
	}
	if err := g.Append(start+1, []storage.Slot{slot}, []float64{1}); err != nil {
		t.Errorf("a row of a known series: %v", err)
	}
	if _, err := g.Slot(fresh); !errors.Is(err, storage.ErrLimit) {
		t.Errorf("slot of a new series: %v", err)
	}
	for n := range 5 { // with other buckets
		if err := db.Append(ctx, histogram(n+2, start+int64(n)+1)); err != nil {
			t.Errorf("a known histogram: %v", err)
		}
	}
	var part *storage.AppendError
	err = db.Append(ctx, append(one(known, start+2, 1), one(fresh, start+2, 1)...))
	if !errors.As(err, &part) || part.Stored != 1 || part.Rejected != 1 || !errors.Is(err, storage.ErrLimit) {
		t.Errorf("a batch with a new series: %v", err)
	}
	refs := make([]storage.Ref, 2)
	err = db.Refs(ctx, []labels.Labels{known, fresh}, refs)
	if !errors.Is(err, storage.ErrLimit) || refs[0] == 0 || refs[1] != 0 {
		t.Errorf("numbers %v: %v", refs, err)
	}
	other := []model.Series{{Labels: labels.FromStrings("__name__", "h2"), Histograms: []model.Histogram{{T: start, H: someHistogram(1)}}}}
	if err := db.Append(ctx, other); !errors.Is(err, storage.ErrLimit) {
		t.Errorf("a new histogram: %v", err)
	}
	if n := len(db.natives.all); n != 1 {
		t.Errorf("%d series with histograms are remembered, want the known one", n)
	}
}
