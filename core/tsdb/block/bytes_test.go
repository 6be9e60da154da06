package block

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// first returns the first n rows of tables.
func first(cs []storage.Columns, n int) []storage.Columns {
	var out []storage.Columns
	for _, c := range cs {
		t := *c.(*table)
		n := min(n, len(t.times))
		t.times = t.times[:n]
		t.values = nil
		for _, v := range c.(*table).values {
			t.values = append(t.values, v[:n])
		}
		out = append(out, &t)
	}
	return out
}

// BenchmarkPart writes parts of two hours and of a day and reads all of them, and tells the bytes of a sample by
// section. With HEARTH_BENCH_SCRAPES, also those of a recording.
func BenchmarkPart(b *testing.B) {
	corpora := map[string][]storage.Columns{"fleet": fleet(10, 5760), "recorded": recorded(b)}
	for _, name := range []string{"fleet", "recorded"} {
		for _, n := range []int{480, 5760} {
			if corpora[name] == nil {
				continue
			}
			b.Run(fmt.Sprintf("%s/rows=%d", name, n), func(b *testing.B) { benchmarkPart(b, first(corpora[name], n), n > 2880) })
		}
	}
}

// recorded reads the recording that HEARTH_BENCH_SCRAPES names, as corpus_test.go does: of so many targets as
// HEARTH_BENCH_TARGETS says, 2 if nothing, and every nth scrape of them, as HEARTH_BENCH_NTH says.
func recorded(tb testing.TB) []storage.Columns {
	name := os.Getenv("HEARTH_BENCH_SCRAPES")
	if name == "" {
		return nil
	}
	number := func(name string, n int) int {
		if s := os.Getenv(name); s != "" {
			var err error
			if n, err = strconv.Atoi(s); err != nil || n < 1 {
				tb.Fatalf("%s=%s is no number", name, s)
			}
		}
		return n
	}
	return recording(tb, name, number("HEARTH_BENCH_TARGETS", 2), number("HEARTH_BENCH_NTH", 1))
}

// BenchmarkMetrics tells the bytes that each metric of a recording takes in a part of a day, the most first.
func BenchmarkMetrics(b *testing.B) {
	groups := recorded(b)
	if groups == nil {
		b.Skip("HEARTH_BENCH_SCRAPES names no recording")
	}
	p := written(b, groups)
	type metric struct {
		name    string
		series  int
		samples int64
		bytes   int64
	}
	byName := map[string]*metric{}
	all := metric{name: "all"}
	err := p.Sizes(b.Context(), func(ls labels.Labels, s Size) error {
		m := byName[ls.Get("__name__")]
		if m == nil {
			m = &metric{name: ls.Get("__name__")}
			byName[m.name] = m
		}
		for _, to := range []*metric{m, &all} {
			to.series++
			to.samples += s.Samples
			to.bytes += s.Bytes
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	list := slices.SortedFunc(maps.Values(byName), func(x, y *metric) int { return cmp.Compare(y.bytes, x.bytes) })
	for _, m := range append([]*metric{&all}, list[:min(len(list), 60)]...) {
		fmt.Printf("%-60s %5d series %8d bytes %5.1f %% %7.3f B/sample\n", m.name, m.series, m.bytes, 100*float64(m.bytes)/float64(all.bytes), float64(m.bytes)/float64(m.samples))
	}
}

// written opens a part of a day with the series of groups.
func written(b *testing.B, groups []storage.Columns) *Block {
	fs := vfs.NewMem()
	w, err := NewWriter(fs, "/part", true)
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Add(groups); err != nil {
		b.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	p, err := Open(fs, "/part")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return p
}

func benchmarkPart(b *testing.B, groups []storage.Columns, archive bool) {
	fs := vfs.NewMem()
	var scan, write int64
	var s Sections
	samples := 0.0
	for b.Loop() {
		dir := "/part"
		if err := fs.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		begin := processorTime(b)
		w, err := NewWriter(fs, dir, archive)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Add(groups); err != nil {
			b.Fatal(err)
		}
		m, err := w.Finish()
		if err != nil {
			b.Fatal(err)
		}
		write += processorTime(b) - begin
		b.StopTimer()
		p, err := Open(fs, dir)
		if err != nil {
			b.Fatal(err)
		}
		if s, err = p.Sections(); err != nil {
			b.Fatal(err)
		}
		samples = float64(m.Samples)
		start := processorTime(b)
		scanAll(b, p)
		scan += processorTime(b) - start
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	perSample := func(n int64) float64 { return float64(n) / samples }
	b.ReportMetric(float64(write)/float64(b.N)/samples, "write-cpu-ns/sample")
	b.ReportMetric(float64(scan)/float64(b.N)/samples, "scan-cpu-ns/sample")
	b.ReportMetric(samples, "samples")
	b.ReportMetric(perSample(s.Total()), "B/sample")
	b.ReportMetric(perSample(s.Values), "B-values")
	b.ReportMetric(perSample(s.Times), "B-times")
	b.ReportMetric(perSample(s.Directory), "B-directory")
	b.ReportMetric(perSample(s.Records), "B-records")
	b.ReportMetric(perSample(s.Index), "B-index")
	b.ReportMetric(perSample(s.Pages), "B-pages")
	b.ReportMetric(0, "ns/op")
}

func scanAll(tb testing.TB, p *Block) {
	var vals []float64
	for g := range p.Groups() {
		c, err := p.Group(g)
		if err != nil {
			tb.Fatal(err)
		}
		for i := range c.Len() {
			lo, hi := c.Rows(i)
			if vals, err = c.Values(i, lo, hi, vals); err != nil {
				tb.Fatal(err)
			}
		}
	}
}
