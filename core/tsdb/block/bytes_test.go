package block

import (
	"fmt"
	"os"
	"testing"

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
// section. HEARTH_BENCH_SCRAPES names a recording of scrapes of two targets, as corpus_test.go reads it; its values
// are as they came, its times are 15 s apart.
func BenchmarkPart(b *testing.B) {
	corpora := map[string][]storage.Columns{"fleet": fleet(10, 5760)}
	if name := os.Getenv("HEARTH_BENCH_SCRAPES"); name != "" {
		corpora["recorded"] = recording(b, name, 2)
	}
	for _, name := range []string{"fleet", "recorded"} {
		for _, n := range []int{480, 5760} {
			if corpora[name] == nil {
				continue
			}
			b.Run(fmt.Sprintf("%s/rows=%d", name, n), func(b *testing.B) { benchmarkPart(b, first(corpora[name], n)) })
		}
	}
}

func benchmarkPart(b *testing.B, groups []storage.Columns) {
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
		w, err := NewWriter(fs, dir, len(groups[0].Times()) > 2880)
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
