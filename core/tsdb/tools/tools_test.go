package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

const dir = "data"

// build returns a disk with a database of some parts, a checkpoint and a log: series of one target for twelve
// hours, some that end after six, and late samples.
func build(t *testing.T) (disk *vfs.Mem) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { // the clock of the test begins in the year 2000
		disk = vfs.NewMem()
		if err := disk.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
		db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: disk, Sync: "always", OutOfOrderWindow: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- db.Run(ctx) }()
		start := time.Now()
		for range 12 * 60 {
			time.Sleep(time.Minute)
			now := time.Now().UnixMilli()
			var batch []model.Series
			for i := range 8 {
				if i >= 5 && time.Since(start) > 6*time.Hour {
					break
				}
				ls := labels.FromStrings("__name__", fmt.Sprintf("m%d_total", i%3), "instance", "a", "job", "j", "n", fmt.Sprint(i))
				batch = append(batch, model.Series{Labels: ls, Samples: []model.Sample{{T: now, V: float64(now/60_000%1000) * float64(i+1)}}})
			}
			if now%7_200_000 == 0 {
				batch = append(batch, model.Series{Labels: labels.FromStrings("__name__", "rare", "job", "k"), Samples: []model.Sample{
					{T: now - 60_000, V: math.Pi}, {T: now, V: math.Float64frombits(value.StaleNaN)}}})
			}
			if err := db.Append(ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
		late := []model.Series{{Labels: labels.FromStrings("__name__", "m0_total", "instance", "a", "job", "j", "n", "0"),
			Samples: []model.Sample{{T: start.UnixMilli() + 90_500, V: 7}}}}
		if err := db.Append(ctx, late); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := errors.Join(<-ran, db.Close()); err != nil {
			t.Fatal(err)
		}
	})
	return disk
}

// files returns the contents of all files below the database's directory.
func files(t testing.TB, fsys vfs.FS) map[string]string {
	t.Helper()
	out := map[string]string{}
	var walk func(string)
	walk = func(d string) {
		es, err := fsys.ReadDir(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range es {
			n := filepath.Join(d, e.Name())
			if e.IsDir() {
				walk(n)
				continue
			}
			f, err := fsys.Open(n)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(f)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			out[n] = string(b)
		}
	}
	walk(dir)
	return out
}

// flip changes one byte of a file.
func flip(t testing.TB, m *vfs.Mem, name string, at int, mask byte) {
	t.Helper()
	b := []byte(files(t, m)[name])
	b[at] ^= mask
	f, err := m.Create(name)
	if err == nil {
		_, err = f.Write(b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// samples returns all that a database on the disk serves.
func samples(t testing.TB, fsys vfs.FS) string {
	t.Helper()
	db, _, err := Open(fsys, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b bytes.Buffer
	if err := Dump(t.Context(), db, &b, Text, math.MinInt64, math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLookingChangesNothing(t *testing.T) {
	disk := build(t)
	before := files(t, disk)
	disk.Hook(func(op vfs.Op) error {
		t.Errorf("%s %s", op.Kind, op.Name)
		return syscall.EROFS
	})
	unlock, err := disk.Lock(filepath.Join(dir, "LOCK")) // as a server has it
	if err != nil {
		t.Fatal(err)
	}
	defer unlock.Close()

	l, err := List(t.Context(), disk, dir, true)
	if err != nil {
		t.Fatal(err)
	}
	inParts := int64(0)
	for _, p := range l.Parts {
		if p.State != Live || p.Samples == 0 || p.Level < 1 || p.Bytes == 0 {
			t.Errorf("part %+v", p)
		}
		inParts += p.Samples
	}
	if len(l.Parts) < 2 || l.Head.Samples == 0 || l.Head.LogBytes == 0 || len(l.Problems) > 0 {
		t.Errorf("listing %+v", l)
	}
	all := int64(strings.Count(samples(t, disk), "\n"))
	if inParts+l.Head.Samples != all {
		t.Errorf("%d samples in parts and %d in the head, %d are dumped", inParts, l.Head.Samples, all)
	}
	v, err := Verify(t.Context(), disk, dir, true)
	if err != nil || len(v.Findings) > 0 || v.Parts != len(l.Parts) || v.Torn != 0 {
		t.Errorf("verified %+v, %v", v, err)
	}
	covered := int64(0)
	for n, b := range before {
		if filepath.Base(n) != "MANIFEST" {
			covered += int64(len(b))
		}
	}
	if v.Bytes != covered {
		t.Errorf("verified %d bytes, the files have %d", v.Bytes, covered)
	}
	a, err := Analyze(t.Context(), disk, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	if a.Series != 9 || a.Samples != all || a.Ended != 3 || len(a.Metrics) != 4 || a.InParts != inParts || len(a.Problems) > 0 {
		t.Errorf("analysis %+v", a)
	}
	if _, err := Repair(t.Context(), disk, dir, true); err != nil {
		t.Errorf("a repair that is only tried: %v", err)
	}
	if _, err := Repair(t.Context(), disk, dir, false); !errors.Is(err, ErrInUse) {
		t.Errorf("a repair beside a server: %v, want %v", err, ErrInUse)
	}
	if _, err := Snapshot(t.Context(), disk, dir, "copy"); !errors.Is(err, ErrInUse) {
		t.Errorf("a snapshot beside a server: %v, want %v", err, ErrInUse)
	}
	if after := files(t, disk); !equal(before, after) {
		t.Error("files changed")
	}
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// written are the names of the files with something in them.
func written(all map[string]string) []string {
	var out []string
	for n := range all {
		if all[n] != "" {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func TestVerifyFindsAFlippedBitAnywhere(t *testing.T) {
	disk := build(t)
	before := files(t, disk)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, name := range written(before) {
		for range 12 {
			at, mask := rnd.IntN(len(before[name])), byte(1)<<rnd.IntN(8)
			flip(t, disk, name, at, mask)
			v, err := Verify(t.Context(), disk, dir, false)
			switch {
			case err != nil && strings.Contains(err.Error(), "version"): // then nothing more can be said
			case err != nil:
				t.Fatalf("bit %#x of byte %d of %s: %v", mask, at, name, err)
			case len(v.Findings) == 0 && !(v.Torn > 0 && filepath.Ext(name) == ".wal"):
				t.Errorf("bit %#x of byte %d of %s: nothing found", mask, at, name)
			}
			for _, f := range v.Findings {
				if f.File != name || f.What == "" || f.Bytes > 0 && (int64(at) < f.Offset || int64(at) >= f.Offset+f.Bytes) {
					t.Errorf("bit %#x of byte %d of %s: found %+v", mask, at, name, f)
				}
			}
			flip(t, disk, name, at, mask)
		}
	}
	if !equal(before, files(t, disk)) {
		t.Error("files changed")
	}
}

func TestVerifyReadsTheTombstones(t *testing.T) {
	disk := build(t)
	db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: disk, Sync: "always"})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Delete(t.Context(), 0, math.MaxInt64, labels.MustNewMatcher(labels.MatchEqual, "__name__", "rare"))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if got := samples(t, disk); strings.Contains(got, "rare") {
		t.Error("a dump has what was deleted")
	}
	for _, n := range tsdb.TombstoneFiles() {
		name := filepath.Join(dir, n)
		flip(t, disk, name, 20, 1)
		v, err := Verify(t.Context(), disk, dir, false)
		if err != nil || len(v.Findings) != 1 || v.Findings[0].File != name {
			t.Errorf("with a damaged %s: %+v, %v", n, v, err)
		}
		mended := disk.Kill()
		if r, err := Repair(t.Context(), mended, dir, false); err != nil || len(r.Remain) > 0 {
			t.Errorf("with a damaged %s: repair %+v, %v", n, r, err)
		}
		if got := samples(t, mended); strings.Contains(got, "rare") {
			t.Error("a repair brought back what was deleted")
		}
		flip(t, disk, name, 20, 1)
	}
}

func TestAFileThatIsGoneIsFound(t *testing.T) {
	disk := build(t)
	for _, name := range written(files(t, disk)) {
		if ext := filepath.Ext(name); ext == ".wal" || ext == ".snap" { // a start cannot know that there was another
			continue
		}
		less := disk.Kill()
		if err := less.Remove(name); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(t.Context(), less, dir, false)
		if err != nil || len(v.Findings) == 0 {
			t.Errorf("without %s: %+v, %v", name, v, err)
		}
	}
}

func TestASnapshotServesTheSame(t *testing.T) {
	disk := build(t)
	want := samples(t, disk)
	c, err := Snapshot(t.Context(), disk, dir, "copy/of")
	if err != nil || c.Parts < 2 || c.Bytes == 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := Snapshot(t.Context(), disk, dir, "copy/of"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second snapshot in the same place: %v", err)
	}
	before := files(t, disk)
	crashed := disk.Crash(nil) // all of it is on stable storage
	if err := crashed.Rename(dir, "gone"); err != nil {
		t.Fatal(err)
	}
	if err := crashed.Rename("copy/of", dir); err != nil {
		t.Fatal(err)
	}
	if got := samples(t, crashed); got != want {
		t.Errorf("the copy has %d bytes of samples, want %d", len(got), len(want))
	}
	// The copy goes its own way.
	db, err := tsdb.Open(tsdb.Options{Dir: "copy/of", FS: disk, Sync: "always"})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Append(t.Context(), []model.Series{{Labels: labels.FromStrings("__name__", "new"), Samples: []model.Sample{{T: 946_800_000_000, V: 1}}}})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if !equal(before, files(t, disk)) {
		t.Error("writing to the copy changed the original")
	}
}

func TestADirectoryThatIsNoDatabaseIsToldSo(t *testing.T) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll("empty"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"empty", "absent"} {
		_, err := List(t.Context(), disk, d, true)
		_, rerr := Repair(t.Context(), disk, d, false)
		_, _, oerr := Open(disk, d)
		for _, err := range []error{err, rerr, oerr} {
			if !errors.Is(err, ErrNoDatabase) || !strings.Contains(err.Error(), "[storage] path") {
				t.Errorf("%s: %v", d, err)
			}
		}
	}
}

// A checkpoint of another version is not damaged: nobody is told to repair it, and a repair does nothing.
func TestAnotherVersionIsNoDamage(t *testing.T) {
	disk := build(t)
	found := false
	for name := range files(t, disk) {
		if filepath.Ext(name) != ".snap" {
			continue
		}
		found = true
		number, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".snap"), 10, 63)
		if err != nil {
			t.Fatal(err)
		}
		f, err := disk.Create(name)
		if err == nil {
			_, err = f.Write(wal.AppendRecord(nil, number, 1, []byte{99}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Fatal("there is no checkpoint")
	}
	before := files(t, disk)
	_, verr := Verify(t.Context(), disk, dir, false)
	_, rerr := Repair(t.Context(), disk, dir, false)
	_, _, oerr := Open(disk, dir)
	for _, err := range []error{verr, rerr, oerr} {
		if err == nil || !strings.Contains(err.Error(), ".snap has version 99") || !strings.Contains(err.Error(), "run the hearth that wrote it") {
			t.Errorf("got %v", err)
		}
	}
	if !equal(before, files(t, disk)) {
		t.Error("the repair changed files")
	}
}

// A server writes, cuts, merges and takes checkpoints; whoever looks sees no damage.
func TestLookingBesideAServer(t *testing.T) {
	dir := t.TempDir()
	db, err := tsdb.Open(tsdb.Options{Dir: dir, CheckpointBytes: 20_000, SegmentSize: 10_000, OutOfOrderWindow: 1000 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	ran, wrote := make(chan error, 1), make(chan error, 1)
	go func() { ran <- db.Run(ctx) }()
	go func() {
		at := time.Now().Add(-900 * time.Hour).UnixMilli()
		for ctx.Err() == nil {
			at += 60_000
			if err := db.Append(ctx, []model.Series{{Labels: labels.FromStrings("__name__", "x"), Samples: []model.Sample{{T: at, V: 1}}}}); err != nil && ctx.Err() == nil {
				wrote <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
		wrote <- nil
	}()
	for n := 0; ctx.Err() == nil; n++ {
		v, err := Verify(t.Context(), vfs.OS{}, dir, n%2 == 0)
		if err != nil || len(v.Findings) > 0 {
			t.Fatalf("%+v, %v", v, err)
		}
		l, err := List(t.Context(), vfs.OS{}, dir, true)
		if err != nil || len(l.Problems) > 0 {
			t.Fatalf("%+v, %v", l, err)
		}
		r, notes, err := Open(vfs.OS{}, dir)
		if err != nil || len(notes) > 0 {
			t.Fatalf("%v, %v", notes, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(<-wrote, <-ran, db.Close()); err != nil {
		t.Fatal(err)
	}
}
