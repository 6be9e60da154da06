package compact

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// table implements storage.Columns over values in memory, and knows nothing about own labels.
type table struct {
	common labels.Labels
	series []labels.Labels
	times  []int64
	values [][]float64
}

func (t *table) Common() labels.Labels      { return t.common }
func (t *table) Len() int                   { return len(t.series) }
func (t *table) Labels(i int) labels.Labels { return t.series[i] }
func (t *table) Times() []int64             { return t.times }
func (t *table) Rows(int) (int, int)        { return 0, len(t.times) }
func (t *table) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	return append(dst[:0], t.values[i][lo:hi]...), nil
}

// known is a table that knows.
type known struct{ *table }

func (k known) Own(i int) labels.Labels { return index.Own(k.common, k.series[i]) }

func (k known) OwnNames() []string {
	names := map[string]bool{}
	for i := range k.series {
		k.Own(i).Range(func(l labels.Label) { names[l.Name] = true })
	}
	var out []string
	for n := range names {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

type samples map[string]map[int64]float64

// randomList returns groups that have each label set once, and writes their samples into want, over what is
// there. The groups of different lists are cut differently: what one has in common another has as own labels.
func randomList(r *rand.Rand, list int, want samples) []storage.Columns {
	groups := map[string]*table{}
	var order []*table
	for s := range 30 {
		if r.IntN(4) == 0 {
			continue
		}
		instance, job := fmt.Sprint("i", s%4), fmt.Sprint("j", s%2)
		full := labels.FromStrings("__name__", fmt.Sprint("m", s), "instance", instance, "job", job)
		if s%9 == 0 {
			full = labels.FromStrings("__name__", fmt.Sprint("m", s), "instance", instance)
		}
		common := labels.FromStrings("instance", instance, "job", job)
		switch r.IntN(8) {
		case 0:
			common = labels.EmptyLabels()
		case 1:
			common = labels.FromStrings("job", job)
		case 2:
			common = labels.FromStrings("instance", "other", "job", job) // full overrides it
		}
		k := common.String()
		if r.IntN(6) == 0 {
			k += fmt.Sprint(s) // times of its own
		}
		g := groups[k]
		if g == nil {
			g = &table{common: common}
			at := int64(list*300 + r.IntN(200))
			for range 1 + r.IntN(60) {
				g.times = append(g.times, at)
				at += int64(1 + r.IntN(10))
			}
			groups[k] = g
			order = append(order, g)
		}
		g.series = append(g.series, full)
	}
	var out []storage.Columns
	for _, g := range order {
		slices.SortFunc(g.series, labels.Compare)
		for _, ls := range g.series {
			vals := make([]float64, len(g.times))
			first := r.IntN(len(vals))
			for i := range vals {
				vals[i] = storage.Absent
				if i == first || r.IntN(3) > 0 {
					vals[i] = float64(r.IntN(1000))
					k := ls.String()
					if want[k] == nil {
						want[k] = map[int64]float64{}
					}
					want[k][g.times[i]] = vals[i]
				}
			}
			g.values = append(g.values, vals)
		}
		if r.IntN(5) == 0 {
			out = append(out, g)
		} else {
			out = append(out, known{g})
		}
	}
	return out
}

// read checks the contract of storage.Columns and returns the samples.
func read(t *testing.T, cs []storage.Columns) samples {
	t.Helper()
	got := samples{}
	for _, c := range cs {
		ts := c.Times()
		for i := 1; i < len(ts); i++ {
			if ts[i] <= ts[i-1] {
				t.Fatalf("time %d after %d", ts[i], ts[i-1])
			}
		}
		for i := range c.Len() {
			ls := c.Labels(i)
			if i > 0 && labels.Compare(c.Labels(i-1), ls) >= 0 {
				t.Fatalf("%s after %s", ls, c.Labels(i-1))
			}
			if got[ls.String()] != nil {
				t.Fatalf("%s occurs twice", ls)
			}
			got[ls.String()] = map[int64]float64{}
			lo, hi := c.Rows(i)
			vals, err := c.Values(i, 0, len(ts), nil)
			if err != nil {
				t.Fatal(err)
			}
			for r, v := range vals {
				if storage.IsAbsent(v) {
					continue
				}
				if r < lo || r >= hi {
					t.Fatalf("%s has a sample in row %d, outside of %d..%d", ls, r, lo, hi)
				}
				got[ls.String()][ts[r]] = v
			}
			for range 3 {
				a := rand.IntN(len(ts) + 1)
				b := a + rand.IntN(len(ts)-a+1)
				part, err := c.Values(i, a, b, make([]float64, rand.IntN(50)))
				if err != nil {
					t.Fatal(err)
				}
				if !slices.EqualFunc(part, vals[a:b], func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }) {
					t.Fatalf("%s: rows %d..%d differ", ls, a, b)
				}
			}
		}
	}
	return got
}

func same(t *testing.T, what string, got, want samples) {
	t.Helper()
	for k, s := range want {
		for ts, v := range s {
			if g, ok := got[k][ts]; !ok || g != v {
				t.Fatalf("%s: %s at %d is %v %v, want %v", what, k, ts, g, ok, v)
			}
		}
		if len(got[k]) != len(s) {
			t.Fatalf("%s: %s has %d samples, want %d", what, k, len(got[k]), len(s))
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d series, want %d", what, len(got), len(want))
	}
}

func TestAMergeIsWhatTheListsHaveAndTheLastOneCounts(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		want := samples{}
		var lists [][]storage.Columns
		for k := range r.IntN(5) {
			lists = append(lists, randomList(r, k, want))
		}
		merged := MergeColumns(lists...)
		same(t, fmt.Sprint("seed ", seed), read(t, merged), want)
		again := MergeColumns(merged, nil, merged)
		same(t, fmt.Sprint("seed ", seed, ", merged with itself"), read(t, again), want)
	}
}

func TestAPartMadeOfPartsIsWhatTheyHave(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("p"); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		want := samples{}
		var blocks []Input
		total := int64(0)
		for k := range 1 + r.IntN(4) {
			dir := fmt.Sprintf("p/%d-%d", seed, k)
			if _, err := block.Write(fs, dir, 0, math.MaxInt64, randomList(r, k, want)); err != nil {
				t.Fatal(err)
			}
			b, err := block.Open(fs, dir)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			blocks = append(blocks, Input{Block: b})
			total += b.Meta().Samples
		}
		dir := fmt.Sprintf("p/%d-all", seed)
		meta, err := Merge(context.Background(), fs, dir, blocks, context.Context.Err)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for _, s := range want {
			n += int64(len(s))
		}
		if meta.Samples != n || meta.Samples > total || meta.Series != len(want) {
			t.Fatalf("seed %d: %+v, want %d samples of %d series", seed, meta, n, len(want))
		}
		b, err := block.Open(fs, dir)
		if err != nil {
			t.Fatal(err)
		}
		cs, err := b.Select(context.Background(), math.MinInt64, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		same(t, fmt.Sprint("seed ", seed), read(t, cs), want)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMergeThatIsCalledOffLeavesNothing(t *testing.T) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("p"); err != nil {
		t.Fatal(err)
	}
	want := samples{}
	if _, err := block.Write(fs, "p/1", 0, math.MaxInt64, randomList(rand.New(rand.NewPCG(1, 1)), 0, want)); err != nil {
		t.Fatal(err)
	}
	b, err := block.Open(fs, "p/1")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Merge(ctx, fs, "p/2", []Input{{Block: b}}, context.Context.Err); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if es, err := fs.ReadDir("p"); err != nil || len(es) != 1 {
		t.Errorf("%d directories: %v", len(es), err)
	}
}

func TestGroupsThatMayShareSeriesAreComponents(t *testing.T) {
	ls := labels.FromStrings
	for _, tt := range []struct {
		name   string
		shapes []Shape
		want   string
	}{
		{"targets of one job", []Shape{{ls("job", "a", "instance", "1"), []string{"__name__"}}, {ls("job", "a", "instance", "2"), []string{"__name__"}}}, "[[0] [1]]"},
		{"the same target twice", []Shape{{ls("job", "a"), nil}, {ls("job", "b"), nil}, {ls("job", "a"), []string{"x"}}}, "[[0 2] [1]]"},
		{"an override may be another target", []Shape{{ls("job", "a"), []string{"job"}}, {ls("job", "b"), nil}}, "[[0 1]]"},
		{"rules lack what targets have", []Shape{{labels.EmptyLabels(), []string{"__name__", "cluster"}}, {ls("job", "a"), []string{"__name__"}}}, "[[0] [1]]"},
		{"rules by job may be those of a target", []Shape{{labels.EmptyLabels(), []string{"__name__", "job"}}, {ls("job", "a"), []string{"__name__"}}, {ls("job", "b"), nil}}, "[[0 1 2]]"},
		{"one label in common, the other free", []Shape{{ls("job", "a"), []string{"instance"}}, {ls("job", "a", "instance", "1"), nil}, {ls("job", "b", "instance", "1"), nil}}, "[[2] [0 1]]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(Components(tt.shapes)); got != tt.want {
				t.Errorf("components %s, want %s", got, tt.want)
			}
		})
	}
}
