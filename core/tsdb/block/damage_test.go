package block

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// smallTables returns two groups of the same times with all kinds of columns.
func smallTables() ([]storage.Columns, samples) {
	r := rand.New(rand.NewPCG(4, 4))
	want := samples{}
	var out []storage.Columns
	for _, job := range []string{"a", "b"} {
		tb := &table{common: labels.FromStrings("job", job)}
		for i := range 70 {
			tb.times = append(tb.times, int64(1000+i*15_000))
		}
		add := func(vals []float64, name string, more ...string) {
			b := labels.NewBuilder(tb.common).Set("__name__", name)
			for i := 0; i < len(more); i += 2 {
				b.Set(more[i], more[i+1])
			}
			tb.series, tb.values = append(tb.series, b.Labels()), append(tb.values, vals)
		}
		addHistogram(r, 70, add)
		ups := valuesOf(70, func() float64 { return 1 })
		ups[69] = math.Float64frombits(0x7ff0000000000002)
		add(ups, "up")
		counter := events(5, 10)(r, 70)
		add(counter, "counter")
		add(slices.Clone(counter), "counter_again")
		add(valuesOf(70, r.NormFloat64), "noise")
		rare := valuesOf(70, func() float64 { return storage.Absent })
		rare[30], rare[31] = 4, 5
		add(rare, "rare")
		for i, vals := range tb.values {
			for k, v := range vals {
				if !storage.IsAbsent(v) {
					want.put(tb.series[i], tb.times[k], v)
				}
			}
		}
		out = append(out, tb.sorted())
	}
	return out, want
}

// TestEveryByteIsGuarded turns every byte of a part, and cuts every file at every length: each time the answer is
// the right one or an error that names the file. With HEARTH_SOAK set it does all of that, else every few bytes.
func TestEveryByteIsGuarded(t *testing.T) {
	tables, want := smallTables()
	fs := mem(t)
	if _, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, tables); err != nil {
		t.Fatal(err)
	}
	step := 7
	if os.Getenv("HEARTH_SOAK") != "" {
		step = 1
	}
	for _, name := range Files() {
		name = "parts/1/" + name
		m, err := fs.Map(name)
		if err != nil {
			t.Fatal(err)
		}
		whole := slices.Clone(m.Data())
		for at := 0; at < len(whole); at += step {
			for bit := range 8 {
				if step > 1 && bit != at%8 {
					continue
				}
				bad := slices.Clone(whole)
				bad[at] ^= 1 << bit
				checkGuarded(t, fmt.Sprintf("%s, bit %d of byte %d", name, bit, at), fs, name, bad, want)
			}
			checkGuarded(t, fmt.Sprintf("%s, length %d", name, at), fs, name, whole[:at], want)
		}
		checkGuarded(t, name+", a byte more", fs, name, append(slices.Clone(whole), 0), want)
		put(t, fs, name, whole)
	}
}

func put(t *testing.T, fs *vfs.Mem, name string, data []byte) {
	t.Helper()
	f, err := fs.Create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func checkGuarded(t *testing.T, what string, fs *vfs.Mem, name string, bad []byte, want samples) {
	t.Helper()
	put(t, fs, name, bad)
	check := func(err error) {
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "parts/1/") {
			t.Fatalf("%s: %v", what, err)
		}
	}
	b, err := Open(fs, "parts/1")
	if err != nil {
		check(err)
		return
	}
	defer b.Close()
	cs, err := b.Select(context.Background(), math.MinInt64, math.MaxInt64)
	if err != nil {
		check(err)
		return
	}
	got, err := read(t, cs, math.MinInt64, math.MaxInt64)
	if err != nil {
		check(err)
		return
	}
	same(t, what, got, want, math.MinInt64, math.MaxInt64)
}

func TestRelatedColumnsTakeLittle(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const n = 480
	common := labels.FromStrings("job", "a")
	size := func(build func(add func(vals []float64, name string, more ...string))) Sections {
		tb := &table{common: common}
		for i := range n {
			tb.times = append(tb.times, int64(i)*15_000)
		}
		build(func(vals []float64, name string, more ...string) {
			b := labels.NewBuilder(common).Set("__name__", name)
			for i := 0; i < len(more); i += 2 {
				b.Set(more[i], more[i+1])
			}
			tb.series, tb.values = append(tb.series, b.Labels()), append(tb.values, vals)
		})
		fs := mem(t)
		if _, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, []storage.Columns{tb.sorted()}); err != nil {
			t.Fatal(err)
		}
		b, err := Open(fs, "parts/1")
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		s, err := b.Sections()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	counter := events(100, 200)(r, n)
	one := size(func(add func([]float64, string, ...string)) { add(counter, "a") })
	two := size(func(add func([]float64, string, ...string)) { add(counter, "a"); add(counter, "b") })
	if two.Values > one.Values+3 {
		t.Errorf("a column takes %d bytes, the same twice %d", one.Values, two.Values)
	}
	shifted := slices.Clone(counter)
	for i := range shifted {
		shifted[i] += 1234
	}
	apart := size(func(add func([]float64, string, ...string)) { add(counter, "a"); add(shifted, "b") })
	if apart.Values > one.Values+8 {
		t.Errorf("a column takes %d bytes, with one that lies apart %d", one.Values, apart.Values)
	}
	for i := range shifted {
		shifted[i] = 1<<30 - counter[i]
	}
	opposite := size(func(add func([]float64, string, ...string)) { add(counter, "a"); add(shifted, "b") })
	if opposite.Values > one.Values+12 {
		t.Errorf("a column takes %d bytes, with one that falls as it rises %d", one.Values, opposite.Values)
	}
	for i := range shifted {
		shifted[i] = counter[i] + float64(r.IntN(4))
	}
	similar := size(func(add func([]float64, string, ...string)) { add(counter, "a"); add(shifted, "b") })
	if noise := int64(n * 2 / 8); similar.Values > one.Values+noise+30 {
		t.Errorf("a column takes %d bytes, with one that is about the same %d", one.Values, similar.Values)
	}
	alone, buckets := int64(0), [][]float64{}
	addHistogram(r, n, func(vals []float64, _ string, _ ...string) { buckets = append(buckets, vals) })
	histogram := size(func(add func([]float64, string, ...string)) {
		for i, vals := range buckets {
			alone += size(func(add func([]float64, string, ...string)) { add(vals, "h_bucket") }).Values
			add(vals, "h_bucket", "le", fmt.Sprint(i))
		}
	})
	if histogram.Values*100 > alone*90 {
		t.Errorf("a histogram takes %d bytes, its buckets each alone %d", histogram.Values, alone)
	}
}

// A bucket that is asked for alone has at most writeChain columns decoded, wherever it is and whatever was before.
func TestASingleBucketNeedsFewOthers(t *testing.T) {
	tb := &table{common: labels.FromStrings("job", "a")}
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 100 {
		tb.times = append(tb.times, int64(i)*15_000)
	}
	sum := make([]float64, 100)
	for b := range 60 {
		for i := range sum {
			sum[i] += float64(i/(b+1)) + float64(r.IntN(2))*float64(i%2)
		}
		tb.series = append(tb.series, labels.FromStrings("__name__", "h_bucket", "job", "a", "le", fmt.Sprint(b)))
		tb.values = append(tb.values, slices.Clone(sum))
	}
	fs := mem(t)
	sorted := tb.sorted()
	if _, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, []storage.Columns{sorted}); err != nil {
		t.Fatal(err)
	}
	b, err := Open(fs, "parts/1")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	g, err := b.Group(0)
	if err != nil {
		t.Fatal(err)
	}
	c := g.(*columns)
	chained := 0
	for slot := range uint32(60) {
		d := new(scratch)
		got := make([]float64, 100)
		if err := c.decode(d, &c.spans[0], slot, got); err != nil {
			t.Fatal(err)
		}
		if !equalBits(got, sorted.values[slot]) {
			t.Fatalf("slot %d decodes to other values", slot)
		}
		if c.spans[0].entry(slot).kind == aboveOf {
			chained++
		}
		decoded := 0
		for _, k := range d.kept {
			if k.used {
				decoded++
			}
		}
		if decoded > writeChain {
			t.Errorf("slot %d had %d columns decoded", slot, decoded)
		}
	}
	if chained < 40 {
		t.Errorf("only %d of 60 buckets are stored as differences", chained)
	}
}
