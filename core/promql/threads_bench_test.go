package promql

import (
	"math"
	"testing"
	"time"
)

// BenchmarkThreads compares each query on one thread with the same on two, in turns, and reports the ratio of the best
// times, which says most on a machine that has other work.
//
//	go test -run xxx -bench Threads -cpu 2 -benchtime 60x ./core/promql
func BenchmarkThreads(b *testing.B) {
	ours := encode(benchData())
	one, two := both{ours: New(Options{Syntax: syntax, Threads: 1})}, both{ours: New(Options{Syntax: syntax, Threads: 2})}
	for _, q := range benchQueries {
		c := queryCase{expr: q.expr, start: time.UnixMilli(q.start), end: time.UnixMilli(q.end), step: time.Duration(q.step) * time.Millisecond}
		b.Run(q.name, func(b *testing.B) {
			best := [2]float64{math.Inf(1), math.Inf(1)}
			for b.Loop() {
				for i, e := range []both{one, two} {
					began := time.Now()
					if _, err := e.runColumns(ours, c); err != nil {
						b.Fatal(err)
					}
					best[i] = min(best[i], time.Since(began).Seconds()*1000)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(best[0], "ms-one")
			b.ReportMetric(best[1], "ms-two")
			b.ReportMetric(best[0]/best[1], "speedup")
		})
	}
}
