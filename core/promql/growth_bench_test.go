package promql

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// BenchmarkGrowth tells how the cost of sum by (g) (rate(ctr[…])) grows with series, steps and the width of windows, each
// by itself, around 400 series, 400 steps and 5 minutes, and that of a series of 30 days with the time between steps; the best
// of all runs counts. What is left of a query of nothing is what each query costs.
//
//	go test -run xxx -bench Growth -cpu 1 -benchtime 30x ./core/promql
func BenchmarkGrowth(b *testing.B) {
	ours := encode(benchData())
	both := newBoth(b, false)
	run := func(name string, c queryCase, cells int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			best := math.Inf(1)
			for b.Loop() {
				began := time.Now()
				if _, err := both.runColumns(ours, c); err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(began).Seconds())
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(best*1e3, "ms")
			if cells > 0 {
				b.ReportMetric(best*1e9/float64(cells), "ns/cell")
			}
		})
	}
	measure := func(name string, targets, steps int, width time.Duration) {
		step := 900 * time.Minute / time.Duration(max(steps-1, 1))
		end := time.UnixMilli(benchEnd)
		run(name, queryCase{
			expr: fmt.Sprintf(`sum by (g) (rate(ctr{instance=~"%s"}[%s]))`, hosts(targets), width),
			end:  end, start: end.Add(-step * time.Duration(steps-1)), step: step,
		}, targets*50*steps)
	}
	for _, targets := range []int{0, 1, 2, 4, 8, 16, 20} {
		measure(fmt.Sprintf("series/%d", targets*50), targets, 400, 5*time.Minute)
	}
	for _, steps := range []int{1, 10, 100, 1000, 10_000} {
		measure(fmt.Sprintf("steps/%d", steps), 8, steps, 5*time.Minute)
	}
	for _, step := range []time.Duration{15 * time.Minute, 2 * time.Hour, 24 * time.Hour} {
		end := time.UnixMilli(benchStart + 30*benchDay)
		c := queryCase{expr: "rate(long[5m])", start: end.Add(-720*time.Hour + step), end: end, step: step}
		run(fmt.Sprintf("apart/%s", step), c, 0)
	}
	for _, width := range []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour} {
		measure(fmt.Sprintf("width/%s", width), 8, 400, width)
	}
}

// hosts matches the first n targets.
func hosts(n int) string {
	names := []string{"nothing"}
	for i := range n {
		names = append(names, fmt.Sprint("host-", i))
	}
	return strings.Join(names, "|")
}
