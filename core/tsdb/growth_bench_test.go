package tsdb

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// BenchmarkGrowth is how cost grows with the days that are stored: ten targets of 100 series every 15 s, as in a fleet,
// with all that goes on in the background. Processor time a sample, bytes that stay, memory, the time of a start, and
// processor times to select and decode the last hour of 100 series and all of one.
func BenchmarkGrowth(b *testing.B) {
	const targets, series, step = 10, 100, 15_000
	for _, days := range []int{1, 7, 30} {
		b.Run(fmt.Sprint("days=", days), func(b *testing.B) {
			rows := days * 5760
			for b.Loop() {
				now := time.Now().Truncate(2 * time.Hour)
				start := now.UnixMilli() - int64(rows)*step
				at := start
				o := Options{Dir: b.TempDir(), Sync: "off", Clock: func() time.Time { return time.UnixMilli(at) }}
				db, err := Open(o)
				if err != nil {
					b.Fatal(err)
				}
				r := rand.New(rand.NewPCG(1, 1))
				groups, slots, vals := make([]storage.Group, targets), make([][]storage.Slot, targets), make([][]float64, targets)
				for g := range groups {
					common := labels.FromStrings("instance", fmt.Sprint("host-", g), "job", "node")
					if groups[g], err = db.Group(common); err != nil {
						b.Fatal(err)
					}
					for i := range series {
						s, err := groups[g].Slot(labels.NewBuilder(common).Set("__name__", fmt.Sprintf("m%d_total", i)).Labels())
						if err != nil {
							b.Fatal(err)
						}
						slots[g], vals[g] = append(slots[g], s), append(vals[g], float64(i))
					}
				}
				began := cpu()
				for row := range rows {
					at = start + int64(row)*step
					for g := range groups {
						for i := range vals[g] { // two thirds do not change
							switch i % 6 {
							case 0:
								vals[g][i] += float64(r.IntN(500))
							case 1:
								vals[g][i] = math.Round(100*r.NormFloat64()) / 100
							}
						}
						if err := groups[g].Append(at, slots[g], vals[g]); err != nil {
							b.Fatal(err)
						}
					}
					if row%120 == 119 {
						if err := db.maintain(b.Context()); err != nil {
							b.Fatal(err)
						}
					}
					if row%480 == 479 {
						if err := db.retire(b.Context()); err != nil {
							b.Fatal(err)
						}
					}
				}
				n := float64(rows) * targets * series
				b.ReportMetric(float64(cpu()-began)/n, "cpu-ns/sample")
				b.ReportMetric(float64(bytesIn(b, o.Dir))/n, "B/sample")
				b.ReportMetric(float64(db.Stats().Parts), "parts")
				runtime.GC()
				b.ReportMetric(rss(b), "rss-MB")
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
				began = cpu()
				if db, err = Open(o); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(cpu()-began)/1e6, "start-cpu-ms")
				b.ReportMetric(read(b, db, at-3600_000, at, "m..?_total", "host-3"), "last-hour-us")
				b.ReportMetric(read(b, db, start, at, "m6_total", "host-3"), "one-series-us")
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// read selects and decodes series ten times and returns the processor time of one in µs.
func read(b *testing.B, db *DB, mint, maxt int64, name, instance string) float64 {
	const times = 10
	began := cpu()
	for range times {
		q, err := db.Querier(mint, maxt)
		if err != nil {
			b.Fatal(err)
		}
		cs, err := q.Select(b.Context(), mint, maxt, labels.MustNewMatcher(labels.MatchRegexp, "__name__", name), labels.MustNewMatcher(labels.MatchEqual, "instance", instance))
		if err != nil || len(cs) == 0 {
			b.Fatal(len(cs), err)
		}
		var vals []float64
		for _, c := range cs {
			for i := range c.Len() {
				lo, hi := c.Rows(i)
				if vals, err = c.Values(i, lo, hi, vals); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := q.Close(); err != nil {
			b.Fatal(err)
		}
	}
	return float64((cpu()-began)/times) / 1e3
}

// rss returns the resident memory of the process in MB.
func rss(b *testing.B) float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(data))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / 1e6
}
