package head

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

func testOptions(fs vfs.FS) Options {
	return Options{
		FS: fs, Dir: "db", SegmentSize: 20000, Newest: math.MinInt64,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Clock:  func() time.Time { return time.UnixMilli(1 << 50) },
	}
}

func newMem(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll("db"); err != nil {
		t.Fatal(err)
	}
	if err := m.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB, o Options) *Head {
	t.Helper()
	h, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// reference is what a head must be equal to: samples by series and time.
type reference map[string]map[int64]uint64

// everNewest is the key under which put keeps the newest time of a series, which parts may hold by now.
const everNewest = "newest of "

func (m reference) put(ls labels.Labels, t int64, v float64) {
	k := ls.String()
	if n := m[everNewest]; n != nil {
		if last, ok := n[int64(ls.Hash())]; !ok || int64(last) < t {
			n[int64(ls.Hash())] = uint64(t)
		}
	}
	if m[k] == nil {
		m[k] = map[int64]uint64{}
	}
	m[k][t] = math.Float64bits(v)
}

func (m reference) newest(ls labels.Labels) int64 {
	if t, ok := m[everNewest][int64(ls.Hash())]; ok {
		return int64(t)
	}
	return math.MinInt64
}

func (m reference) within(mint, maxt int64) reference {
	out := reference{}
	for k, s := range m {
		for t, v := range s {
			if k == everNewest {
				continue
			}
			if t >= mint && t <= maxt {
				if out[k] == nil {
					out[k] = map[int64]uint64{}
				}
				out[k][t] = v
			}
		}
	}
	return out
}

// contents reads all that a selection returns, and checks the contract of storage.Columns on the way.
func contents(t testing.TB, h *Head, mint, maxt int64, ms ...*labels.Matcher) reference {
	t.Helper()
	lease := NewLease()
	defer lease.Close()
	levels, err := h.Select(context.Background(), lease, mint, maxt, ms...)
	if err != nil {
		t.Fatal(err)
	}
	out := reference{}
	for _, cs := range levels {
		seen := map[string]bool{}
		for _, c := range cs {
			ts := c.Times()
			if len(ts) == 0 || c.Len() == 0 || ts[0] < mint || ts[len(ts)-1] > maxt || !slices.IsSorted(ts) {
				t.Fatalf("times %v of %d..%d, %d series", ts, mint, maxt, c.Len())
			}
			for i := range c.Len() {
				ls := c.Labels(i)
				if seen[ls.String()] {
					t.Fatalf("%s occurs twice", ls)
				}
				seen[ls.String()] = true
				if i > 0 && labels.Compare(c.Labels(i-1), ls) >= 0 {
					t.Fatalf("%s after %s", ls, c.Labels(i-1))
				}
				lo, hi := c.Rows(i)
				vals, err := c.Values(i, 0, len(ts), nil)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for r, v := range vals {
					if storage.IsAbsent(v) {
						continue
					}
					if r < lo || r >= hi {
						t.Fatalf("%s has a sample in row %d, outside of %d..%d", ls, r, lo, hi)
					}
					out.put(ls, ts[r], v)
					n++
				}
				if n == 0 {
					t.Fatalf("%s has no sample in %d..%d", ls, mint, maxt)
				}
				if a := rand.IntN(len(ts) + 1); a < len(ts) {
					b := a + rand.IntN(len(ts)-a+1)
					part, err := c.Values(i, a, b, nil)
					if err != nil || !slices.EqualFunc(part, vals[a:b], func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }) {
						t.Fatalf("rows %d..%d differ: %v", a, b, err)
					}
				}
			}
		}
	}
	return out
}

func diff(t testing.TB, what string, got, want reference) {
	t.Helper()
	for k, s := range want {
		if k == everNewest {
			continue
		}
		for ts, v := range s {
			g, ok := got[k][ts]
			if !ok {
				t.Fatalf("%s: %s at %d is missing (has %d of %d samples)", what, k, ts, len(got[k]), len(s))
			}
			if g != v {
				t.Fatalf("%s: %s at %d is %x, want %x", what, k, ts, g, v)
			}
		}
	}
	for k, s := range got {
		for ts := range s {
			if _, ok := want[k][ts]; !ok {
				t.Fatalf("%s: %s at %d should not be there", what, k, ts)
			}
		}
	}
}

// randomValue draws from the kinds of values that the log and the codecs treat differently.
func randomValue(r *rand.Rand) float64 {
	switch r.IntN(10) {
	case 0:
		return math.Float64frombits(r.Uint64())
	case 1:
		return model.Stale
	case 2:
		return math.Copysign(0, -1)
	case 3:
		return math.Inf(1 - 2*r.IntN(2))
	case 4:
		return float64(r.IntN(1000)) / 100
	case 5:
		return r.NormFloat64()
	case 6:
		return 0
	default:
		return float64(r.IntN(1 << 30))
	}
}

// Many samples out of order between the rows of one tile, of values that do not compress: tiles are split
// before their columns outgrow the offsets.
func TestTilesGrowByLateRowsAndAreSplit(t *testing.T) {
	fs := newMem(t)
	o := testOptions(fs)
	o.OutOfOrderWindow = 100 * time.Hour
	h := open(t, o)
	want, r := reference{}, rand.New(rand.NewPCG(1, 9))
	add := func(at int64) {
		var batch []model.Series
		for i := range 70 {
			ls := labels.FromStrings("__name__", fmt.Sprintf("m%d", i), "job", "x")
			v := r.NormFloat64()
			batch = append(batch, model.Series{Labels: ls, Samples: []model.Sample{{T: at, V: v}}})
			want.put(ls, at, v)
		}
		if err := h.Append(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	for i := range int64(100) {
		add(i * 60_000)
	}
	for _, i := range r.Perm(300) {
		add(10*60_000 + int64(i)*150 + 1)
	}
	diff(t, "live", contents(t, h, math.MinInt64, math.MaxInt64), want)
	for _, checkpoint := range []bool{false, true} {
		if checkpoint {
			if err := h.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		fs = fs.Kill()
		o.FS = fs
		h = open(t, o)
		diff(t, "after a restart", contents(t, h, math.MinInt64, math.MaxInt64), want)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func sanitize(v float64) float64 {
	if math.Float64bits(v) == storage.AbsentBits {
		return math.NaN()
	}
	return v
}

// TestRandomOperationsAgreeWithAMap runs appends of rows and of single series, restarts, kills, checkpoints
// and cuts against a map.
func TestRandomOperationsAgreeWithAMap(t *testing.T) {
	seeds := 40
	switch {
	case os.Getenv("HEARTH_SOAK") != "":
		seeds = 500
	case testing.Short():
		seeds = 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { randomRun(t, uint64(seed)) })
	}
}

type writer struct {
	g      storage.Group
	common labels.Labels
	series []labels.Labels
	slots  []storage.Slot
	now    int64
}

func randomRun(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	fs := newMem(t)
	o := testOptions(fs)
	h := open(t, o)
	want := reference{everNewest: {}}
	floor := int64(math.MinInt64)
	var writers []*writer
	reopen := func() {
		for _, w := range writers {
			g, err := h.Group(w.common)
			if err != nil {
				t.Fatal(err)
			}
			w.g, w.slots = g, nil
			for _, ls := range w.series {
				s, err := g.Slot(ls)
				if err != nil {
					t.Fatal(err)
				}
				w.slots = append(w.slots, s)
			}
		}
	}
	for i := range 3 {
		w := &writer{common: labels.FromStrings("instance", fmt.Sprint(i), "job", "j"), now: 1e9}
		for k := range 1 + r.IntN(70) {
			b := labels.NewBuilder(w.common)
			b.Set("__name__", fmt.Sprintf("m%d", k))
			switch r.IntN(8) {
			case 0:
				b.Del("job")
			case 1:
				b.Set("instance", "other")
			}
			ls := b.Labels()
			if i > 0 && k == 0 { // the series of another group
				ls = writers[0].series[0]
			}
			w.series = append(w.series, ls)
		}
		w.series = slices.CompactFunc(w.series, labels.Equal)
		writers = append(writers, w)
	}
	reopen()
	for step := range 600 {
		switch n := r.IntN(100); {
		case n < 55:
			w := writers[r.IntN(len(writers))]
			row(t, r, h, w, want, floor)
		case n < 88:
			batchOf(t, r, h, writers, want)
		case n < 92:
			if err := h.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		case n < 94:
			fs2 := fs.Kill()
			if r.IntN(2) == 0 {
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				fs2 = fs.Crash(nil)
			} else {
				h.Close()
			}
			fs = fs2
			o.FS = fs
			h = open(t, o)
			reopen()
		case n < 96:
			if h.MaxTime() == math.MinInt64 {
				continue
			}
			cut := h.MinTime() + r.Int64N(h.MaxTime()-h.MinTime()+1)
			h.Barrier(cut)
			part := contents(t, h, math.MinInt64, cut-1)
			batchOf(t, r, h, writers, want) // while the part is written
			h.Truncate(cut)
			if err := h.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			for k, s := range part { // what the part holds is not the head's any more
				for ts := range s {
					delete(want[k], ts)
				}
			}
			floor = max(floor, cut)
		default:
			lo := int64(1e9) + r.Int64N(2000000)
			hi := lo + r.Int64N(500000)
			diff(t, fmt.Sprintf("seed %d step %d %d..%d", seed, step, lo, hi), contents(t, h, lo, hi), want.within(lo, hi))
		}
		if step%50 == 49 {
			diff(t, fmt.Sprintf("seed %d step %d", seed, step), contents(t, h, math.MinInt64, math.MaxInt64), want)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	o.FS = fs.Kill()
	h = open(t, o)
	diff(t, fmt.Sprintf("seed %d after restart", seed), contents(t, h, math.MinInt64, math.MaxInt64), want)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

// row appends one row by a handle, mostly in order.
func row(t *testing.T, r *rand.Rand, h *Head, w *writer, want reference, floor int64) {
	switch r.IntN(10) {
	case 0:
		w.now -= r.Int64N(400000)
	default:
		w.now += 1 + r.Int64N(20000)
	}
	var slots []storage.Slot
	var vals []float64
	var ls []labels.Labels
	for i := range w.series {
		if r.IntN(20) > 0 {
			slots = append(slots, w.slots[i])
			vals = append(vals, randomValue(r))
			ls = append(ls, w.series[i])
		}
	}
	err := w.g.Append(w.now, slots, vals)
	if err != nil {
		if !errors.Is(err, storage.ErrOutOfOrder) && !errors.Is(err, storage.ErrDuplicate) {
			t.Fatal(err)
		}
		inOrder := true
		for i := range ls {
			inOrder = inOrder && w.now > want.newest(ls[i])
		}
		if inOrder {
			t.Fatalf("row in order at %d refused: %v", w.now, err)
		}
		return
	}
	for i := range ls {
		want.put(ls[i], w.now, sanitize(vals[i]))
	}
}

// batchOf appends a batch of single series, whose progress differs.
func batchOf(t *testing.T, r *rand.Rand, h *Head, writers []*writer, want reference) {
	var batch []model.Series
	for range 1 + r.IntN(30) {
		w := writers[r.IntN(len(writers))]
		ls := w.series[r.IntN(len(w.series))]
		if r.IntN(3) == 0 {
			ls = labels.FromStrings("__name__", fmt.Sprintf("remote%d", r.IntN(40)), "job", "r")
		}
		if slices.ContainsFunc(batch, func(s model.Series) bool { return labels.Equal(s.Labels, ls) }) {
			continue
		}
		s := model.Series{Labels: ls}
		last := want.newest(ls)
		if last == math.MinInt64 {
			last = 1e9
		}
		n := 1 + r.IntN(3)
		if r.IntN(10) == 0 {
			n = 50
		}
		for range n {
			last += 1 + r.Int64N(15000)
			s.Samples = append(s.Samples, model.Sample{T: last, V: randomValue(r)})
		}
		batch = append(batch, s)
	}
	if err := h.Append(context.Background(), batch); err != nil {
		t.Fatalf("samples in order for their series refused: %v", err)
	}
	for _, s := range batch {
		for _, x := range s.Samples {
			want.put(s.Labels, x.T, sanitize(x.V))
		}
	}
	if r.IntN(4) == 0 { // the sender did not hear us
		if err := h.Append(context.Background(), batch); err != nil {
			t.Fatalf("the same batch again: %v", err)
		}
	}
	sort.Slice(batch, func(i, j int) bool { return labels.Compare(batch[i].Labels, batch[j].Labels) < 0 })
}
