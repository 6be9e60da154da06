package head

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// sleeping returns a head after a restart, and what is in it: groups with a snapshot, rows before and after it, and tiles.
func sleeping(t *testing.T, groups int) (*Head, reference) {
	t.Helper()
	fs := newMem(t)
	h := open(t, testOptions(fs))
	want := reference{}
	for row := range 60 {
		fill(t, h, want, groups, int64(row))
		if row == 20 {
			if err := h.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, testOptions(fs.Kill())), want
}

// fill appends a row to each of the groups.
func fill(t *testing.T, h *Head, want reference, groups int, row int64) {
	t.Helper()
	var batch []model.Series
	for g := range groups {
		for i := range 5 {
			ls := labels.FromStrings("__name__", fmt.Sprintf("m%d", i), "instance", fmt.Sprint(g), "job", "x")
			s := model.Sample{T: row * 15000, V: float64(int64(g+i) * row)}
			batch = append(batch, model.Series{Labels: ls, Samples: []model.Sample{s}})
			want.put(ls, s.T, s.V)
		}
	}
	if err := h.Append(context.Background(), batch); err != nil {
		t.Error(err)
	}
}

func TestGroupsWakeForWhoeverComesFirst(t *testing.T) {
	const groups = 40
	h, want := sleeping(t, groups)
	if mint, maxt := h.MinTime(), h.MaxTime(); mint != 0 || maxt != 59*15000 {
		t.Errorf("before anybody wakes: times %d to %d", mint, maxt)
	}
	var wg sync.WaitGroup
	wg.Go(func() { h.Wake(context.Background()) })
	var read reference
	wg.Go(func() { read = contents(t, h, 0, 59*15000) })
	wg.Go(func() {
		if err := h.Checkpoint(); err != nil {
			t.Error(err)
		}
	})
	after := reference{}
	for row := range int64(30) {
		fill(t, h, after, groups, 60+row)
	}
	wg.Wait()
	diff(t, "read on the way", read, want)
	diff(t, "old rows", contents(t, h, 0, 59*15000), want)
	diff(t, "new rows", contents(t, h, 60*15000, math.MaxInt64), after)
	if n := h.sleepers.n.Load(); n != 0 || h.sleepers.file != nil {
		t.Errorf("%d groups sleep, the snapshot is mapped: %v", n, h.sleepers.file != nil)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAHeadClosesWhileItsGroupsWake(t *testing.T) {
	for range 20 {
		h, _ := sleeping(t, 20)
		var wg sync.WaitGroup
		wg.Go(func() { h.Wake(context.Background()) })
		wg.Go(func() {
			lease := NewLease()
			defer lease.Close()
			if _, err := h.Select(context.Background(), lease, math.MinInt64, math.MaxInt64); err != nil && !errors.Is(err, storage.ErrClosed) {
				t.Error(err)
			}
		})
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if n := h.sleepers.n.Load(); n != 0 {
			t.Fatalf("%d groups sleep in a closed head", n)
		}
	}
}
