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
		out = append(out, target(i, perTarget)...)
	}
	return out
}

// target returns the label sets of one target.
func target(i, series int) []labels.Labels {
	var out []labels.Labels
	for k := range series {
		out = append(out, labels.FromStrings(
			"__name__", fmt.Sprintf("app_requests_%d_total", k/10), "code", fmt.Sprint(200+k%10),
			"cluster", "eu-west-1", "env", "production", "instance", fmt.Sprintf("10.0.%d.%d:9100", i/250, i%250),
			"job", "app", "pod", fmt.Sprintf("app-%d-7d9f8b6c5-x2x%d", i, i)))
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

// BenchmarkRemoteWrite appends batches of 2000 series of one sample each, as remote write delivers them, to a
// database that has the series.
func BenchmarkRemoteWrite(b *testing.B) {
	for _, targets := range []int{2, 200} {
		b.Run(fmt.Sprintf("series=%d", targets*1000), func(b *testing.B) {
			db := openAt(b, b.TempDir())
			defer db.Close()
			const batch = 2000
			series := fleet(targets, 1000)
			buf, smp := make([]model.Series, batch), make([]model.Sample, batch)
			t, lo := time.Now().Add(-24*time.Hour).UnixMilli(), 0
			send := func() {
				if lo == len(series) {
					lo = 0
					t += 1000
				}
				for i := range batch {
					smp[i] = model.Sample{T: t, V: float64(t/1000 + int64(i%50))}
					buf[i] = model.Series{Labels: series[lo+i], Samples: smp[i : i+1]}
				}
				lo += batch
				if err := db.Append(context.Background(), buf); err != nil {
					b.Fatal(err)
				}
			}
			for range len(series) / batch {
				send()
			}
			for b.Loop() {
				send()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/sample")
		})
	}
}

// BenchmarkNewSeries appends the first sample of series, of which each thousand is a target.
func BenchmarkNewSeries(b *testing.B) {
	db := openAt(b, b.TempDir())
	defer db.Close()
	t, target := time.Now().Add(-time.Hour).UnixMilli(), 0
	var ls []labels.Labels
	batch := make([]model.Series, 1000)
	for b.Loop() {
		b.StopTimer()
		ls = ls[:0]
		for k := range 1000 {
			ls = append(ls, labels.FromStrings("__name__", fmt.Sprintf("app_requests_%d_total", k/10), "code", fmt.Sprint(200+k%10),
				"cluster", "eu-west-1", "instance", fmt.Sprintf("10.%d.%d.1:9100", target/250, target%250), "job", "app"))
		}
		target++
		for i := range batch {
			batch[i] = model.Series{Labels: ls[i], Samples: []model.Sample{{T: t, V: 1}}}
		}
		b.StartTimer()
		if err := db.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/series")
}

// BenchmarkSelect selects from a database of 10 targets of 1000 series, the last day of it in parts and in
// the head, and decodes what it got.
func BenchmarkSelect(b *testing.B) {
	const targets, perTarget, rows, step = 10, 1000, 5760, 15_000
	db := openAt(b, b.TempDir())
	defer db.Close()
	series := fleet(targets, perTarget)
	start := time.Now().Add(-24 * time.Hour).UnixMilli()
	var groups []storage.Group
	var slots [][]storage.Slot
	for i := range targets {
		first := series[i*perTarget]
		g, err := db.Group(labels.FromStrings("instance", first.Get("instance"), "job", "app"))
		if err != nil {
			b.Fatal(err)
		}
		var sl []storage.Slot
		for _, ls := range series[i*perTarget : (i+1)*perTarget] {
			s, err := g.Slot(ls)
			if err != nil {
				b.Fatal(err)
			}
			sl = append(sl, s)
		}
		groups, slots = append(groups, g), append(slots, sl)
	}
	vals := make([]float64, perTarget)
	for r := range rows {
		for i := range groups {
			for k := range vals {
				vals[k] = float64(r*(k%50) + i)
			}
			if err := groups[i].Append(start+int64(r)*step, slots[i], vals); err != nil {
				b.Fatal(err)
			}
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	time.Sleep(8 * time.Second) // cuts and merges
	stop()
	<-done
	end := start + rows*step
	eq := func(n, v string) *labels.Matcher { return labels.MustNewMatcher(labels.MatchEqual, n, v) }
	for _, q := range []struct {
		name string
		mint int64
		ms   []*labels.Matcher
	}{
		{"name, 100 series, 1h", end - 3600_000, []*labels.Matcher{eq("__name__", "app_requests_7_total")}},
		{"name, 100 series, 24h", start, []*labels.Matcher{eq("__name__", "app_requests_7_total")}},
		{"regex, 3000 series, 24h", start, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "code", "20[0-2]")}},
		{"one series, 24h", start, []*labels.Matcher{eq("__name__", "app_requests_7_total"), eq("code", "203"), eq("instance", "10.0.0.4:9100")}},
	} {
		b.Run(q.name, func(b *testing.B) {
			n, decode := 0, time.Duration(0)
			for b.Loop() {
				qr, err := db.Querier(q.mint, end)
				if err != nil {
					b.Fatal(err)
				}
				cs, err := qr.Select(context.Background(), q.mint, end, q.ms...)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				at := time.Now()
				n = decodeAll(b, cs)
				decode += time.Since(at)
				if err := qr.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(decode.Nanoseconds())/float64(b.N)/float64(n), "decode-ns/sample")
			b.ReportMetric(float64(n), "samples")
		})
	}
}

// decodeAll decodes all values and returns how many rows that were.
func decodeAll(b *testing.B, cs []storage.Columns) int {
	n := 0
	var buf []float64
	for _, c := range cs {
		for i := range c.Len() {
			lo, hi := c.Rows(i)
			vals, err := c.Values(i, lo, hi, buf)
			if err != nil {
				b.Fatal(err)
			}
			buf = vals
			n += len(vals)
		}
	}
	return n
}
