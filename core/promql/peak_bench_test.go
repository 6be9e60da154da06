package promql

import (
	"runtime"
	"runtime/debug"
	rtmetrics "runtime/metrics"
	"testing"
	"time"
)

// BenchmarkPeak measures the memory each engine holds at most for a query, its result included: the size of the heap
// while the collector hardly ever rests, looked at every 50 µs, above what it is before. The largest of some runs counts.
//
//	go test -run xxx -bench Peak -benchtime 5x ./core/promql
func BenchmarkPeak(b *testing.B) {
	ss := benchData()
	theirs := upstreamBlock(b, ss)
	ours := encode(ss)
	both := newBoth(b, false)
	for _, q := range benchQueries {
		c := queryCase{expr: q.expr, start: time.UnixMilli(q.start), end: time.UnixMilli(q.end), step: time.Duration(q.step) * time.Millisecond}
		b.Run(q.name, func(b *testing.B) {
			var upstream, hearth int64
			for b.Loop() {
				upstream = max(upstream, peak(func() any {
					res, done := both.runSamples(b, theirs, c)
					defer done()
					return res
				}))
				hearth = max(hearth, peak(func() any {
					res, err := both.runColumns(ours, c)
					if err != nil {
						b.Fatal(err)
					}
					return res
				}))
			}
			b.ReportMetric(float64(upstream)/1e6, "upstream-MB")
			b.ReportMetric(float64(hearth)/1e6, "hearth-MB")
			b.ReportMetric(float64(upstream)/float64(hearth), "ratio")
		})
	}
}

// peak returns how many bytes the heap grows to at most while f runs and its result is held.
func peak(f func() any) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	runtime.GC()
	before := heapBytes()
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		high := int64(0)
		for {
			select {
			case <-stop:
				most <- high
				return
			default:
				high = max(high, heapBytes()-before)
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	res := f()
	runtime.GC()
	held := heapBytes() - before
	runtime.KeepAlive(res)
	close(stop)
	return max(<-most, held)
}

func heapBytes() int64 {
	s := []rtmetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	rtmetrics.Read(s)
	return int64(s[0].Value.Uint64())
}
