package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	upstreamstorage "github.com/prometheus/prometheus/storage"
	upstream "github.com/prometheus/prometheus/tsdb"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// The window is upstream's out_of_order_time_window: what upstream takes is taken and there, and what it refuses for its
// age is refused, but for what decision 0008 gives on top: rows that are still open, and what is in order for its series.
func TestTheWindowIsThatOfUpstream(t *testing.T) {
	for i, window := range []time.Duration{0, 10 * time.Minute, 3 * time.Hour, 30 * time.Hour} {
		t.Run(window.String(), func(t *testing.T) { sameWindow(t, window, uint64(i)) })
	}
}

func sameWindow(t *testing.T, window time.Duration, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	ctx := context.Background()
	o := upstream.DefaultOptions()
	o.OutOfOrderTimeWindow = window.Milliseconds()
	o.RetentionDuration = math.MaxInt64 / 4
	theirs, err := upstream.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	theirs.DisableCompactions()
	disk := vfs.NewMem()
	mustMkdir(t, disk)
	ours, err := Open(Options{Dir: "data", FS: disk, Sync: "off", CheckpointBytes: 50_000, OutOfOrderWindow: window,
		Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()

	want := map[sampleID]float64{}       // what we took
	newest := map[string]int64{}         // of a series
	times := map[string]map[int64]bool{} // each series is a group: its rows
	counts := map[string]int{}
	now := scenarioStart
	for step := range 6000 {
		now += r.Int64N(30_000)
		at := now
		switch r.IntN(8) {
		case 0:
			at -= r.Int64N(60_000)
		case 1:
			at -= r.Int64N(2 * 3600_000)
		case 2:
			at -= r.Int64N(40 * 3600_000)
		}
		ls := labels.FromStrings("__name__", "m", "job", "x", "instance", fmt.Sprint(r.IntN(4)))
		if r.IntN(50) == 0 { // seldom, so that it may be in order and old
			ls = labels.FromStrings("__name__", "seldom", "job", "x", "instance", fmt.Sprint("s", r.IntN(20)))
		}
		k := ls.String()
		id := sampleID{k, at}
		if _, twice := want[id]; twice {
			continue
		}
		v := float64(step)
		app := theirs.Appender(ctx)
		_, their := app.Append(0, ls, at, v)
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		our := ours.Append(ctx, one(ls, at, v))
		open := 0 // rows of the group that are newer
		for row := range times[k] {
			if row > at {
				open++
			}
		}
		last, has := newest[k]
		switch {
		case their == nil && our != nil:
			t.Fatalf("%v: upstream takes it, we say %v", id, our)
		case our != nil && !errors.Is(our, storage.ErrOutOfOrder):
			t.Fatalf("%v: upstream says %v, we %v", id, their, our)
		case their == nil:
			counts["both"]++
		case our != nil:
			counts["neither"]++
			if window > 0 && at >= max(now, at)-window.Milliseconds() {
				t.Fatalf("%v is in the window: %v", id, our)
			}
		case !has || at > last: // upstream: out of bounds, or too old
			counts["in order"]++
		case open < 32:
			counts["open"]++
			if !errors.Is(their, upstreamstorage.ErrOutOfOrderSample) && !errors.Is(their, upstreamstorage.ErrTooOldSample) && !errors.Is(their, upstreamstorage.ErrOutOfBounds) {
				t.Fatal(their)
			}
		default:
			t.Fatalf("%v: upstream says %v, we take it though %d rows are newer", id, their, open)
		}
		if our == nil {
			want[id] = v
			newest[k] = max(last, at)
			if !has {
				newest[k] = at
				times[k] = map[int64]bool{}
			}
			times[k][at] = true
		}
		if step%200 == 199 {
			if err := errors.Join(ours.maintain(ctx), ours.retire(ctx)); err != nil {
				t.Fatal(err)
			}
		}
	}
	verifySame(t, all(t, ours), want)
	for _, what := range []string{"both", "neither", "open"} {
		if counts[what] == 0 {
			t.Errorf("nothing was %q", what)
		}
	}
}
