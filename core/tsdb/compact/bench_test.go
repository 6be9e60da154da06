package compact

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
)

// BenchmarkMerge makes a day of twelve parts: 100 targets of 300 series, 40 rows in two hours. peak-MB is what the
// merge had on the heap at most, by a look after every group; the parts are on a disk of their own in memory and do
// not count.
func BenchmarkMerge(b *testing.B) {
	const targets, perTarget, rowsOf, parts = 100, 300, 40, 12
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
				tb.times = append(tb.times, int64(p)*7_200_000+int64(i)*180_000+int64(k))
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
		if _, err := block.Write(fs, dir, math.MinInt64, math.MaxInt64, cs); err != nil {
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
