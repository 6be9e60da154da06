package block

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// pods returns targets of perTarget series each with two rows, every one with labels as Kubernetes gives them.
func pods(targets, perTarget int) []storage.Columns {
	var out []storage.Columns
	for k := range targets {
		tb := &table{times: []int64{int64(1000 + k%15), int64(16_000 + k%15)}}
		tb.common = labels.FromStrings("cluster", "eu-west-1", "instance", fmt.Sprintf("10.0.%d.%d:9100", k/250, k%250), "job", "app",
			"namespace", fmt.Sprint("team-", k%40), "pod", fmt.Sprintf("app-%02d-7d9f8b6c5-x%05d", k%20, k))
		for i := range perTarget {
			tb.series = append(tb.series, labels.NewBuilder(tb.common).Set("__name__", fmt.Sprintf("app_requests_%d_total", i/30)).
				Set("code", fmt.Sprint(200+i%10)).Set("method", []string{"get", "post", "put"}[i/10%3]).Labels())
			tb.values = append(tb.values, []float64{float64(i), float64(i + k)})
		}
		out = append(out, tb.sorted())
	}
	return out
}

// BenchmarkSelect selects 30 series of each of 1000 targets, and asks for names and values of labels.
// HEARTH_BENCH_SERIES is how many series a target has: 300 by default.
func BenchmarkSelect(b *testing.B) {
	perTarget := 300
	if n, err := strconv.Atoi(os.Getenv("HEARTH_BENCH_SERIES")); err == nil {
		perTarget = n
	}
	fs := vfs.NewMem()
	if _, err := Write(fs, "/part", math.MinInt64, math.MaxInt64, pods(1000, perTarget)); err != nil {
		b.Fatal(err)
	}
	p, err := Open(fs, "/part")
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	ctx := context.Background()
	name := labels.MustNewMatcher(labels.MatchEqual, "__name__", "app_requests_3_total")
	for _, withLabels := range []bool{false, true} {
		b.Run(fmt.Sprintf("30000 series, labels=%v", withLabels), func(b *testing.B) {
			b.ReportAllocs()
			n, start := 0, processorTime(b)
			for b.Loop() {
				n = selected(b, p, withLabels, name)
			}
			b.ReportMetric(float64(processorTime(b)-start)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(n), "series")
		})
	}
	for what, f := range map[string]func() ([]string, error){
		"label names":           func() ([]string, error) { return p.LabelNames(ctx) },
		"label values":          func() ([]string, error) { return p.LabelValues(ctx, "pod") },
		"label values, matcher": func() ([]string, error) { return p.LabelValues(ctx, "pod", name) },
	} {
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				if _, err := f(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(p.Meta().Series), "series")
		})
	}
}

// processorTime returns what the process has used.
func processorTime(tb testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func selected(tb testing.TB, p *Block, withLabels bool, ms ...*labels.Matcher) int {
	cs, err := p.Select(context.Background(), math.MinInt64, math.MaxInt64, ms...)
	if err != nil {
		tb.Fatal(err)
	}
	n := 0
	for _, c := range cs {
		n += c.Len()
		for i := 0; withLabels && i < c.Len(); i++ {
			if c.Labels(i).IsEmpty() {
				tb.Fatal("no labels")
			}
		}
	}
	return n
}
