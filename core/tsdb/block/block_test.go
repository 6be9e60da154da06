package block

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// table implements storage.Columns over values in memory.
type table struct {
	common labels.Labels
	series []labels.Labels
	times  []int64
	values [][]float64 // by series
}

func (t *table) Common() labels.Labels      { return t.common }
func (t *table) Len() int                   { return len(t.series) }
func (t *table) Labels(i int) labels.Labels { return t.series[i] }
func (t *table) Times() []int64             { return t.times }
func (t *table) Rows(int) (int, int)        { return 0, len(t.times) }
func (t *table) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	return append(dst[:0], t.values[i][lo:hi]...), nil
}

// samples are the bits of values by series and time.
type samples map[string]map[int64]uint64

func (s samples) put(ls labels.Labels, t int64, v float64) {
	k := ls.String()
	if s[k] == nil {
		s[k] = map[int64]uint64{}
	}
	s[k][t] = math.Float64bits(v)
}

func (s samples) count() int {
	n := 0
	for _, x := range s {
		n += len(x)
	}
	return n
}

// randomTables returns groups of different kinds: long and short, dense, with gaps, with series that are rare.
func randomTables(r *rand.Rand) ([]storage.Columns, samples) {
	want := samples{}
	var out []storage.Columns
	for g := range 1 + r.IntN(5) {
		tb := &table{common: labels.FromStrings("instance", fmt.Sprint(g), "job", "j")}
		rows := []int{1, 5, 480, 1024, 1025, 3000}[r.IntN(6)]
		at := int64(r.IntN(100_000))
		for range rows {
			tb.times = append(tb.times, at)
			at += 1 + int64(r.IntN(2)*r.IntN(30_000))
		}
		for i := range 1 + r.IntN(40) {
			b := labels.NewBuilder(tb.common).Set("__name__", fmt.Sprintf("m%02d", i))
			if r.IntN(10) == 0 {
				b.Del("job")
			}
			vals := make([]float64, rows)
			density := []int{1, 1, 1, 2, 50, 400}[r.IntN(6)]
			first := r.IntN(rows)
			if r.IntN(2) == 0 {
				first = 0
			}
			v := float64(r.IntN(1000))
			for k := range vals {
				vals[k] = storage.Absent
				if k == first || k > first && r.IntN(density) == 0 {
					switch r.IntN(30) {
					case 0:
						v = math.Float64frombits(r.Uint64() | 1<<63) // never Absent
					case 1, 2, 3:
						v = float64(r.IntN(1 << 20))
					}
					vals[k] = v
				}
			}
			tb.series = append(tb.series, b.Labels())
			tb.values = append(tb.values, vals)
		}
		addRelated(r, tb)
		for i, vals := range tb.values {
			for k, v := range vals {
				if !storage.IsAbsent(v) {
					want.put(tb.series[i], tb.times[k], v)
				}
			}
		}
		out = append(out, tb.sorted())
		if r.IntN(3) == 0 { // another target that is scraped at the same times
			other := &table{common: labels.FromStrings("instance", fmt.Sprint(g), "job", "k"), times: tb.times}
			vals := valuesOf(len(tb.times), func() float64 { return float64(r.IntN(3)) })
			other.series, other.values = []labels.Labels{other.common}, [][]float64{vals}
			for k, v := range vals {
				want.put(other.common, tb.times[k], v)
			}
			out = append(out, other)
		}
	}
	return out, want
}

// addRelated adds series that resemble others: histograms, some with gaps and resets, and columns that are those
// of another series, or differ from it by about one number, or rise where that one falls.
func addRelated(r *rand.Rand, tb *table) {
	n := len(tb.times)
	for h := range r.IntN(3) {
		counts := make([]float64, 1+r.IntN(20))
		buckets := make([][]float64, len(counts))
		for row := range n {
			gone, sum := r.IntN(50) == 0, 0.0
			for b := range counts {
				counts[b] += float64(r.IntN(4) * r.IntN(2))
				if r.IntN(2000) == 0 {
					counts[b] = 0
				}
				sum += counts[b]
				v := sum
				if row > 0 && (gone || r.IntN(300) == 0) {
					v = storage.Absent
				}
				buckets[b] = append(buckets[b], v)
			}
		}
		for b, vals := range buckets {
			le := fmt.Sprint(float64(b*b) / 4)
			if b == len(buckets)-1 {
				le = []string{"+Inf", "NaN", "many"}[r.IntN(3)]
			}
			tb.series = append(tb.series, labels.NewBuilder(tb.common).Set("__name__", "h_bucket").Set("le", le).Set("z", fmt.Sprint(h)).Labels())
			tb.values = append(tb.values, vals)
		}
	}
	for k := range r.IntN(12) {
		vals := slices.Clone(tb.values[r.IntN(len(tb.values))])
		d, sign, noise := float64(r.IntN(3)*1000), 1-2*float64(r.IntN(2)), r.IntN(2)*r.IntN(40)
		for i, v := range vals {
			if !storage.IsAbsent(v) && !math.IsNaN(v) {
				vals[i] = sign*v + d + float64(r.IntN(1+noise)*r.IntN(2))
			}
		}
		tb.series = append(tb.series, labels.NewBuilder(tb.common).Set("__name__", fmt.Sprint([]string{"a", "q"}[k%2], k)).Labels())
		tb.values = append(tb.values, vals)
	}
}

// read returns what selections have within mint..maxt, and checks the contract of storage.Columns on the way.
func read(t testing.TB, cs []storage.Columns, mint, maxt int64) (samples, error) {
	t.Helper()
	got := samples{}
	for _, c := range cs {
		ts := c.Times()
		if len(ts) == 0 || c.Len() == 0 || ts[0] < mint || ts[len(ts)-1] > maxt {
			t.Fatalf("%d series, %d times, of %d..%d", c.Len(), len(ts), mint, maxt)
		}
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
			lo, hi := c.Rows(i)
			vals, err := c.Values(i, 0, len(ts), nil)
			if err != nil {
				return nil, err
			}
			for r, v := range vals {
				if storage.IsAbsent(v) {
					continue
				}
				if r < lo || r >= hi {
					t.Fatalf("%s has a sample in row %d, outside of %d..%d", ls, r, lo, hi)
				}
				got.put(ls, ts[r], v)
			}
			if got[ls.String()] == nil {
				t.Fatalf("%s has no sample in %d..%d", ls, mint, maxt)
			}
			a := rand.IntN(len(ts))
			b := a + rand.IntN(len(ts)-a+1)
			part, err := c.Values(i, a, b, make([]float64, 3))
			if err != nil {
				return nil, err
			}
			if !slices.EqualFunc(part, vals[a:b], func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }) {
				t.Fatalf("%s: rows %d..%d differ", ls, a, b)
			}
		}
	}
	return got, nil
}

func same(t testing.TB, what string, got, want samples, mint, maxt int64) {
	t.Helper()
	n := 0
	for k, s := range want {
		for ts, v := range s {
			if ts < mint || ts > maxt {
				continue
			}
			n++
			if g, ok := got[k][ts]; !ok || g != v {
				t.Fatalf("%s: %s at %d is %x %v, want %x", what, k, ts, g, ok, v)
			}
		}
	}
	if got.count() != n {
		t.Fatalf("%s: %d samples, want %d", what, got.count(), n)
	}
}

func mem(t testing.TB) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll("parts"); err != nil {
		t.Fatal(err)
	}
	if err := m.SyncDir("/"); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	solos := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		tables, want := randomTables(r)
		fs := mem(t)
		meta, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, tables)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(fs.Crash(nil), "parts/1") // it is durable
		if err != nil {
			t.Fatal(err)
		}
		if b.Meta() != meta || meta.Series != len(want) || meta.Samples != int64(want.count()) {
			t.Fatalf("seed %d: %+v, %+v, %d series with %d samples", seed, meta, b.Meta(), len(want), want.count())
		}
		solos += meta.Groups - len(tables)
		for k := range 10 {
			mint, maxt := int64(math.MinInt64), int64(math.MaxInt64)
			if k > 0 {
				mint = meta.MinTime - 10 + r.Int64N(meta.MaxTime-meta.MinTime+20)
				maxt = mint + r.Int64N(meta.MaxTime-meta.MinTime+2)/int64(k)
			}
			cs, err := b.Select(context.Background(), mint, maxt)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(t, cs, mint, maxt)
			if err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprintf("seed %d, %d..%d", seed, mint, maxt), got, want, mint, maxt)
		}
		m := labels.MustNewMatcher(labels.MatchRegexp, "__name__", "m0[1-4]")
		cs, err := b.Select(context.Background(), math.MinInt64, math.MaxInt64, m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(t, cs, math.MinInt64, math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		for k := range want {
			if hit := strings.Contains(k, `"m01"`) || strings.Contains(k, `"m02"`) || strings.Contains(k, `"m03"`) || strings.Contains(k, `"m04"`); hit != (got[k] != nil) {
				t.Fatalf("seed %d: %s selected %v, want %v", seed, k, !hit, hit)
			}
		}
		names, err := b.LabelNames(context.Background())
		if err != nil || !slices.Contains(names, "__name__") || !slices.IsSorted(names) {
			t.Fatal(names, err)
		}
		if vs, err := b.LabelValues(context.Background(), "__name__", m); err != nil || len(vs) > 4 {
			t.Fatal(vs, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Error("a second Close:", err)
		}
	}
	if solos == 0 {
		t.Error("no series got times of its own in any run")
	}
}

func TestGroupsWithTheSameLabelsAndTimesBecomeOne(t *testing.T) {
	fs := mem(t)
	common := labels.FromStrings("job", "j")
	var cs []storage.Columns
	for _, n := range []string{"c", "a", "b"} {
		cs = append(cs, &table{common: common, series: []labels.Labels{labels.FromStrings("__name__", n, "job", "j")},
			times: []int64{1, 2, 3}, values: [][]float64{{1, 2, 3}}})
	}
	meta, err := Write(fs, "parts/1", 0, 10, cs)
	if err != nil || meta.Groups != 1 || meta.Series != 3 {
		t.Fatalf("%+v, %v", meta, err)
	}
	if _, err := Write(fs, "parts/2", 2, 10, cs); err == nil || !strings.Contains(err.Error(), "samples are from 1 to 3") {
		t.Errorf("samples outside of the range: %v", err)
	}
	if _, err := Write(fs, "parts/3", 2, 10, nil); err == nil {
		t.Error("a part without samples")
	}
	if es, err := fs.ReadDir("parts"); err != nil || len(es) != 1 {
		t.Errorf("%d directories are left: %v", len(es), err)
	}
}

// Any byte of any file flipped, any file cut short: an error that says so, or the right values.
func TestDamageIsAnErrorAndNeverAnotherValue(t *testing.T) {
	tables, want := randomTables(rand.New(rand.NewPCG(11, 2)))
	fs := mem(t)
	if _, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, tables); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(4, 4))
	unopened, unread := 0, 0
	for round := range 400 {
		name := "parts/1/" + []string{metaName, indexName, dataName}[round%3]
		c := fs.Kill()
		m, err := c.Map(name)
		if err != nil {
			t.Fatal(err)
		}
		data := slices.Clone(m.Data())
		at := r.IntN(len(data))
		what := fmt.Sprintf("%s, byte %d", name, at)
		if round%7 == 0 {
			data, what = data[:at], what+" and all after"
		} else {
			data[at] ^= 1 << r.IntN(8)
		}
		f, err := c.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(c, "parts/1")
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: %v", what, err)
			}
			unopened++
			continue
		}
		if err := b.Verify(context.Background()); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s: it verifies: %v", what, err)
		}
		cs, err := b.Select(context.Background(), math.MinInt64, math.MaxInt64)
		var got samples
		if err == nil {
			got, err = read(t, cs, math.MinInt64, math.MaxInt64)
		}
		switch {
		case err == nil: // the byte was not needed
			same(t, what, got, want, math.MinInt64, math.MaxInt64)
		case !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "parts/1/"):
			t.Fatalf("%s: %v", what, err)
		default:
			unread++
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if unopened < 50 || unread < 50 {
		t.Errorf("%d did not open, %d were not read", unopened, unread)
	}
}

// A disk that refuses any operation, or a crash there: the part is there as a whole or not at all.
func TestAPartAppearsAsAWholeOrNotAtAll(t *testing.T) {
	tables, want := randomTables(rand.New(rand.NewPCG(5, 2)))
	for at := 1; ; at++ {
		fs := mem(t)
		n := 0
		var cut, killed *vfs.Mem
		fs.Hook(func(op vfs.Op) error {
			if n++; n != at {
				return nil
			}
			cut, killed = fs.Crash(nil), fs.Kill()
			if op.Kind == "write" {
				return &vfs.TornWrite{Keep: op.Size / 2, Err: syscall.ENOSPC}
			}
			return syscall.ENOSPC
		})
		_, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, tables)
		if n < at {
			if at < 10 {
				t.Fatalf("only %d operations", at)
			}
			return
		}
		if err == nil {
			t.Fatalf("operation %d failed and nobody was told", at)
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "parts/1") {
			t.Fatalf("operation %d: %v", at, err)
		}
		if _, err := fs.Stat("parts/1.tmp"); err == nil {
			t.Errorf("operation %d failed and left its files", at)
		}
		for _, disk := range []*vfs.Mem{fs, cut, killed} {
			if _, err := disk.Stat("parts/1"); err != nil {
				continue
			}
			b, err := Open(disk, "parts/1")
			if err != nil {
				t.Fatalf("operation %d: %v", at, err)
			}
			cs, err := b.Select(context.Background(), math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			got, err := read(t, cs, math.MinInt64, math.MaxInt64)
			if err != nil {
				t.Fatal(err)
			}
			same(t, fmt.Sprintf("operation %d", at), got, want, math.MinInt64, math.MaxInt64)
		}
		if _, err := Write(fs, "parts/2", math.MinInt64, math.MaxInt64, tables); err != nil {
			t.Fatalf("after operation %d failed, another attempt: %v", at, err)
		}
	}
}

// The checksums are right and the bytes are not: an error or other values, never a panic.
func FuzzBlock(f *testing.F) {
	tables, _ := randomTables(rand.New(rand.NewPCG(11, 2)))
	fs := mem(f)
	if _, err := Write(fs, "parts/1", math.MinInt64, math.MaxInt64, tables); err != nil {
		f.Fatal(err)
	}
	files := map[string][]byte{}
	for _, n := range []string{indexName, dataName} {
		m, err := fs.Map("parts/1/" + n)
		if err != nil {
			f.Fatal(err)
		}
		size := len(m.Data()) - pagesFooter
		files[n] = slices.Clone(m.Data()[:size-size/pageSize*4-4])
	}
	for at := 1; at < 100_000; at = at*3/2 + 1 {
		f.Add(at, byte(1<<(at%8)), at%2 == 0)
		f.Add(-at, byte(0xff), at%2 == 0)
	}
	meta, err := readMeta(fs, "parts/1/"+metaName)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at int, flip byte, inData bool) {
		fs, meta := mem(t), meta
		if err := fs.MkdirAll("p"); err != nil {
			t.Fatal(err)
		}
		for n, data := range files {
			data = slices.Clone(data)
			if inData == (n == dataName) {
				if at < 0 { // from the end: directories and footers
					at = len(data) - 1 - (-at&(1<<62-1))%len(data)
				}
				data[at%len(data)] ^= flip
			}
			w, err := createPages(fs, "p/"+n)
			if err == nil {
				_, err = w.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
			sum, err := w.finish()
			if err != nil {
				t.Fatal(err)
			}
			if n == dataName {
				meta.Data = sum
			} else {
				meta.Index = sum
			}
		}
		if err := writeMeta(fs, "p/"+metaName, meta); err != nil {
			t.Fatal(err)
		}
		b, err := Open(fs, "p")
		if err != nil {
			return
		}
		defer b.Close()
		mid := meta.MinTime/2 + meta.MaxTime/2
		for _, m := range []int64{math.MaxInt64, mid} {
			cs, err := b.Select(context.Background(), math.MinInt64, m)
			for _, c := range cs {
				for i := range c.Len() {
					c.Labels(i)
					c.Rows(i)
					if _, err := c.Values(i, 0, len(c.Times()), nil); err != nil && !errors.Is(err, ErrCorrupt) {
						t.Fatal(err)
					}
				}
			}
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
		}
	})
}
