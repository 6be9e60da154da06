package tools

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/tsdb"
)

func TestRepairMendsAndKeepsTheRest(t *testing.T) {
	disk := build(t)
	whole := samples(t, disk)
	lines := map[string]bool{}
	for l := range strings.Lines(whole) {
		lines[l] = true
	}
	names := written(files(t, disk))
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		bad := disk.Kill()
		what := ""
		for range 1 + rnd.IntN(3) {
			name := names[rnd.IntN(len(names))]
			if n := len(files(t, bad)[name]); n > 0 && rnd.IntN(4) > 0 {
				at := rnd.IntN(n)
				flip(t, bad, name, at, 0x40)
				what += fmt.Sprintf("byte %d of %s; ", at, name)
			} else if err := bad.Truncate(name, int64(rnd.IntN(n+1))); err == nil {
				what += "cut " + name + "; "
			}
		}
		broken := files(t, bad)
		tried, err := Repair(t.Context(), bad, dir, true)
		if err != nil {
			if strings.Contains(err.Error(), "run the hearth that wrote it") {
				continue
			}
			t.Fatalf("round %d: %s: try: %v", round, what, err)
		}
		if !equal(broken, files(t, bad)) {
			t.Fatalf("round %d: %s: a try changed files", round, what)
		}
		done, err := Repair(t.Context(), bad, dir, false)
		if err != nil {
			t.Fatalf("round %d: %s: %v", round, what, err)
		}
		if !slices.Equal(tried.Done, done.Done) || !slices.Equal(tried.Lost, done.Lost) {
			t.Errorf("round %d: %s: tried %+v, done %+v", round, what, tried, done)
		}
		if len(done.Remain) > 0 {
			t.Errorf("round %d: %s: damage remains: %+v\n%+v", round, what, done.Remain, done)
		}
		if v, err := Verify(t.Context(), bad, dir, true); err != nil || len(v.Findings) > 0 || v.Torn > 0 {
			t.Errorf("round %d: %s: after the repair %+v, %v", round, what, v, err)
		}
		got := samples(t, bad)
		for l := range strings.Lines(got) {
			if !lines[l] {
				t.Fatalf("round %d: %s: after the repair there is %s", round, what, l)
			}
		}
		if len(done.Found) == 0 && len(got) != len(whole) && !strings.Contains(what, ".wal") && !strings.Contains(what, ".snap") {
			t.Errorf("round %d: %s: nothing was found and samples are missing", round, what)
		}
	}
}

// A tile file that is damaged is needed for the tiles beside the damage: they go into another one, and it goes aside.
func TestRepairMendsTileFiles(t *testing.T) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: disk, Sync: "off", CheckpointBytes: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- db.Run(ctx) }()
		for range 120 {
			time.Sleep(15 * time.Second)
			var batch []model.Series
			for i := range 40 {
				batch = append(batch, model.Series{Labels: labels.FromStrings("__name__", "x", "instance", fmt.Sprint(i%8), "n", fmt.Sprint(i)),
					Samples: []model.Sample{{T: time.Now().UnixMilli(), V: float64(time.Now().Unix() * int64(i) % 1009)}}})
			}
			if err := db.Append(ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err := errors.Join(<-ran, db.Close()); err != nil {
			t.Fatal(err)
		}
	})
	whole := strings.Count(samples(t, disk), "\n")
	damaged := 0
	for name, data := range files(t, disk) {
		if filepath.Ext(name) != ".tiles" || len(data) < 1000 {
			continue
		}
		damaged++
		bad := disk.Kill()
		flip(t, bad, name, len(data)/2, 1)
		r, err := Repair(t.Context(), bad, dir, false)
		if err != nil || len(r.Found) != 1 || len(r.Remain) > 0 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if v, err := Verify(t.Context(), bad, dir, true); err != nil || len(v.Findings) > 0 {
			t.Errorf("%s: after the repair %+v, %v", name, v, err)
		}
		if _, ok := files(t, bad)[name+".damaged"]; !ok {
			t.Errorf("%s is not set aside", name)
		}
		if n := strings.Count(samples(t, bad), "\n"); n >= whole || n < whole*9/10 {
			t.Errorf("%s: %d samples of %d", name, n, whole)
		}
	}
	if damaged == 0 {
		t.Error("there is no tile file")
	}
}

// A page of 64 KiB that is damaged costs what is in it and not the part.
func TestRepairSavesWhatIsBesideADamagedPage(t *testing.T) {
	disk := vfs.NewMem()
	if err := disk.MkdirAll(dir + "/parts"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db, err := tsdb.Open(tsdb.Options{Dir: dir, FS: disk, Sync: "off"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- db.Run(ctx) }()
		rnd := rand.New(rand.NewPCG(5, 6))
		for range 5 * 60 {
			time.Sleep(time.Minute)
			var batch []model.Series
			for i := range 400 {
				batch = append(batch, model.Series{Labels: labels.FromStrings("__name__", "noise", "n", fmt.Sprint(i)),
					Samples: []model.Sample{{T: time.Now().UnixMilli(), V: rnd.Float64()}}})
			}
			if err := db.Append(ctx, batch); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		if err := errors.Join(<-ran, db.Close()); err != nil {
			t.Fatal(err)
		}
	})
	all := files(t, disk)
	name := ""
	for n, b := range all {
		if filepath.Base(n) == "data" && len(b) > len(all[name]) {
			name = n
		}
	}
	if len(all[name]) < 3*64<<10 {
		t.Fatalf("the largest part has only %d bytes of samples", len(all[name]))
	}
	whole := samples(t, disk)
	before, err := List(t.Context(), disk, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	was := int64(0)
	for _, p := range before.Parts {
		if strings.Contains(name, p.Name) {
			was = p.Samples
		}
	}
	flip(t, disk, name, 64<<10, 1)
	disk.Hook(func(op vfs.Op) error { // a full disk stops it halfway
		if op.Kind == "write" {
			return syscall.ENOSPC
		}
		return nil
	})
	if _, err := Repair(t.Context(), disk, dir, false); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("on a full disk: %v", err)
	}
	disk.Hook(nil)
	r, err := Repair(t.Context(), disk, dir, false)
	if err != nil || len(r.Found) != 1 || len(r.Remain) > 0 || len(r.Lost) != 1 || r.Lost[0].Part != filepath.Dir(name) {
		t.Fatalf("%+v, %v", r, err)
	}
	got, lost := samples(t, disk), was-r.Lost[0].Saved
	if lost == 0 || lost > was/2 {
		t.Errorf("%d of %d samples are lost with one page of %d", lost, was, len(all[name])/(64<<10))
	}
	if n := strings.Count(whole, "\n") - strings.Count(got, "\n"); int64(n) != lost {
		t.Errorf("%d samples are gone, the repair says %d", n, lost)
	}
	lines := map[string]bool{}
	for l := range strings.Lines(whole) {
		lines[l] = true
	}
	for l := range strings.Lines(got) {
		if !lines[l] {
			t.Fatalf("after the repair there is %s", l)
		}
	}
}
