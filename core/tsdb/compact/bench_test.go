package compact

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// BenchmarkMerge makes a day of twelve parts: 100 targets of 300 series, 40 rows in two hours, or 20 targets of 50 series,
// a row every 15 s; and eight days of as many parts: 20 targets of 50 series, a row a minute. peak-MB is what the merge had on the heap at most, by a look after
// every group; the parts are on a disk of their own in memory and do not count.
func BenchmarkMerge(b *testing.B) {
	b.Run("day", func(b *testing.B) { benchmarkMerge(b, 100, 300, 40, 12, 180_000) })
	b.Run("day of 15 s", func(b *testing.B) { benchmarkMerge(b, 20, 50, 480, 12, 15_000) })
	b.Run("days", func(b *testing.B) { benchmarkMerge(b, 20, 50, 1440, 8, 60_000) })
}

func benchmarkMerge(b *testing.B, targets, perTarget, rowsOf, parts int, step int64) {
	fs := vfs.NewMem()
	r := rand.New(rand.NewPCG(1, 1))
	var inputs []Input
	samples := float64(targets * perTarget * rowsOf * parts)
	for p := range parts {
		var cs []storage.Columns
		for k := range targets {
			common := labels.FromStrings("instance", fmt.Sprint("10.0.0.", k), "job", "app")
			tb := &table{common: common}
			for i := range rowsOf {
				tb.times = append(tb.times, int64(p*rowsOf+i)*step+int64(k))
			}
			for i := range perTarget {
				v := make([]float64, rowsOf)
				for row := range v {
					v[row] = float64(p*rowsOf + row + i)
					if i%3 == 0 {
						v[row] += float64(r.IntN(500))
					}
				}
				tb.series = append(tb.series, labels.NewBuilder(common).Set("__name__", fmt.Sprintf("m%03d", i)).Labels())
				tb.values = append(tb.values, v)
			}
			cs = append(cs, known{tb})
		}
		dir := fmt.Sprint("/", p)
		w, err := block.NewWriter(fs, dir, step*int64(rowsOf) > 12*3_600_000)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Add(cs); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Finish(); err != nil {
			b.Fatal(err)
		}
		bl, err := block.Open(fs, dir)
		if err != nil {
			b.Fatal(err)
		}
		defer bl.Close()
		inputs = append(inputs, Input{Block: bl})
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, peak, n := m.HeapAlloc, uint64(0), 0
	before := used(b)
	for b.Loop() {
		if err := fs.RemoveAll("/day"); err != nil {
			b.Fatal(err)
		}
		_, err := Merge(context.Background(), fs, "/day", inputs, func(ctx context.Context) error {
			if n++; n%10 == 0 {
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			return ctx.Err()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(used(b)-before)/float64(b.N)/samples, "cpu-ns/sample")
	b.ReportMetric(float64(peak-min(base, peak))/(1<<20), "peak-MB")
	b.ReportMetric(0, "ns/op")
}

// used returns the processor time of the process in nanoseconds.
func used(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
