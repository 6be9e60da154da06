package tsdb_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// cpu returns the processor time that the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMillion is the life of a head under remote write: series come, hosts of 400 each send a sample of every
// series in requests of 2000, and the database is opened again with all of it in the log and the last checkpoint.
// HEARTH_BENCH_SERIES sets their number, of which the name promises too much by default; HEARTH_BENCH_ROWS the
// samples of each. Times are processor time of the whole process.
func BenchmarkMillion(b *testing.B) {
	number := func(name string, least int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > least {
			return n
		}
		return least
	}
	const perHost, request = 400, 2000
	hosts := number("HEARTH_BENCH_SERIES", 20_000) / perHost
	rows := number("HEARTH_BENCH_ROWS", 24)
	ctx := context.Background()
	for b.Loop() {
		dir := b.TempDir()
		db := openAt(b, dir)
		runCtx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- db.Run(runCtx) }()
		refs := make([]storage.Ref, 0, hosts*perHost)
		created := time.Duration(0)
		const step = request / perHost
		for h := 0; h < hosts; h += step {
			var sets []labels.Labels
			for k := h; k < min(h+step, hosts); k++ {
				sets = append(sets, target(k, perHost)...)
			}
			some := make([]storage.Ref, len(sets))
			start := cpu(b)
			if err := db.Refs(ctx, sets, some); err != nil {
				b.Fatal(err)
			}
			created += cpu(b) - start
			refs = append(refs, some...)
		}
		points := make([]storage.Point, request)
		from := time.Now().Add(-time.Hour).UnixMilli()
		start := cpu(b)
		for r := range rows {
			for lo := 0; lo < len(refs); lo += request {
				part := refs[lo:min(lo+request, len(refs))]
				for i, ref := range part {
					points[i] = storage.Point{T: from + int64(r)*15000 + int64((lo+i)/perHost%15000), Ref: ref, V: value(lo+i, r)}
				}
				if _, err := db.AppendPoints(ctx, points[:len(part)], nil); err != nil {
					b.Fatal(err)
				}
			}
		}
		written := cpu(b) - start
		n := len(refs)
		refs = nil
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		stop()
		<-done
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		logBytes := int64(0)
		logs, err := filepath.Glob(filepath.Join(dir, "wal", "*"))
		if err != nil {
			b.Fatal(err)
		}
		for _, l := range logs {
			if st, err := os.Stat(l); err == nil {
				logBytes += st.Size()
			}
		}
		start, wall := cpu(b), time.Now()
		db = openAt(b, dir)
		b.ReportMetric(float64((cpu(b)-start).Microseconds())/1000, "open-cpu-ms")
		b.ReportMetric(float64(time.Since(wall).Microseconds())/1000, "open-ms")
		if got := db.Stats().Head.Series; got != n {
			b.Fatalf("%d series of %d are back", got, n)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(created.Nanoseconds())/float64(n), "ns/new-series")
		b.ReportMetric(float64(written.Nanoseconds())/float64(n*rows), "ns/sample")
		b.ReportMetric(float64(mem.HeapAlloc)/float64(n), "heap-B/series")
		b.ReportMetric(float64(logBytes)/float64(n*rows), "log-B/sample")
		b.ReportMetric(0, "ns/op")
	}
}

// value is that of series i in row r: of ten, four are constant, three count, two waver, one is noise.
func value(i, r int) float64 {
	switch i % 10 {
	case 0, 1, 2, 3:
		return float64(i % 1000)
	case 4, 5, 6:
		return float64(i%97*r + i)
	case 7, 8:
		return float64(i%500+(i+r*7919)%13) / 10
	}
	x := uint64(i+1)*0x9e3779b97f4a7c15 ^ uint64(r)*0xbf58476d1ce4e5b9
	return float64(x>>11) / (1 << 53)
}
