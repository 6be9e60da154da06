package tsdb_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb"
)

// fleet returns the label sets of targets of perTarget series each.
func fleet(targets, perTarget int) []labels.Labels {
	var out []labels.Labels
	for i := range targets {
		for k := range perTarget {
			out = append(out, labels.FromStrings(
				"__name__", fmt.Sprintf("app_requests_%d_total", k/10), "code", fmt.Sprint(200+k%10),
				"cluster", "eu-west-1", "env", "production", "instance", fmt.Sprintf("10.0.%d.%d:9100", i/250, i%250),
				"job", "app", "pod", fmt.Sprintf("app-%d-7d9f8b6c5-x2x%d", i, i)))
		}
	}
	return out
}

func openAt(b testing.TB, dir string) *tsdb.DB {
	b.Helper()
	db, err := tsdb.Open(tsdb.Options{Dir: dir, Sync: "200ms"})
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// BenchmarkBackfill sends hours of old data from four senders, in batches of 2000 series of one sample each,
// with everything that goes on in the background.
func BenchmarkBackfill(b *testing.B) {
	const targets, perTarget, senders, batch = 36, 1000, 4, 2000
	series := fleet(targets, perTarget)
	var total int64
	for b.Loop() {
		db := openAt(b, b.TempDir())
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- db.Run(ctx) }()
		start := time.Now().Add(-6 * time.Hour).Truncate(time.Hour).UnixMilli()
		const rows = 200
		var wg sync.WaitGroup
		for s := range senders {
			wg.Add(1)
			go func() {
				defer wg.Done()
				mine := series[s*len(series)/senders : (s+1)*len(series)/senders]
				buf := make([]model.Series, batch)
				smp := make([]model.Sample, batch)
				for r := range rows {
					for lo := 0; lo < len(mine); lo += batch {
						n := min(batch, len(mine)-lo)
						for i := range n {
							smp[i] = model.Sample{T: start + int64(r)*15000, V: float64(r * (i%50 + 1))}
							buf[i] = model.Series{Labels: mine[lo+i], Samples: smp[i : i+1]}
						}
						if err := db.Append(ctx, buf[:n]); err != nil {
							b.Error(err)
							return
						}
					}
				}
			}()
		}
		wg.Wait()
		total += rows * targets * perTarget
		stop()
		<-done
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/sample")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRow appends scrapes of a thousand series.
func BenchmarkRow(b *testing.B) {
	db := openAt(b, b.TempDir())
	defer db.Close()
	series := fleet(1, 1000)
	g, err := db.Group(labels.FromStrings("instance", "10.0.0.0:9100", "job", "app"))
	if err != nil {
		b.Fatal(err)
	}
	slots, vals := make([]storage.Slot, len(series)), make([]float64, len(series))
	for i, ls := range series {
		if slots[i], err = g.Slot(ls); err != nil {
			b.Fatal(err)
		}
	}
	t := time.Now().Add(-24 * time.Hour).UnixMilli()
	for b.Loop() {
		t++
		for i := range vals {
			vals[i] += float64(i % 50)
		}
		if err := g.Append(t, slots, vals); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/sample")
}
