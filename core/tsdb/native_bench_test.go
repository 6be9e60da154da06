package tsdb

import (
	"context"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// BenchmarkHistograms stores the latencies of 200 servers, a native histogram of schema 3 each 15 s for six hours, in
// hearth's database and upstream's: processor time to append, bytes of the log, and of the parts or blocks once all is
// cut, and processor time to read all back.
func BenchmarkHistograms(b *testing.B) {
	const servers, rows, step = 200, 1440, 15_000
	start := time.Now().Add(-10 * time.Hour).Truncate(2 * time.Hour).UnixMilli()
	sets := make([]labels.Labels, servers)
	for i := range sets {
		sets[i] = seriesN(i)
	}
	for _, name := range []string{"hearth", "upstream"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dir := b.TempDir()
				hist := newLatencies(servers)
				var spent time.Duration
				var began time.Duration
				per := func(d time.Duration) float64 { return float64(d) / servers / rows }
				switch name {
				case "hearth":
					db, err := Open(Options{Dir: dir, Sync: "off"})
					if err != nil {
						b.Fatal(err)
					}
					batch := make([]model.Series, servers)
					for r := range rows {
						at := start + int64(r)*step
						for i := range batch {
							batch[i] = model.Series{Labels: sets[i], Histograms: []model.Histogram{{T: at, H: hist.next(i)}}}
						}
						began = cpu()
						if err := db.Append(b.Context(), batch); err != nil {
							b.Fatal(err)
						}
						spent += cpu() - began
					}
					b.ReportMetric(per(spent), "append-cpu-ns/histogram")
					b.ReportMetric(float64(bytesIn(b, filepath.Join(dir, "wal")))/servers/rows, "log-B/histogram")
					began = cpu()
					if err := db.maintain(b.Context()); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(per(cpu()-began), "cut-cpu-ns/histogram")
					s := db.Stats()
					b.ReportMetric(float64(s.PartBytes)/float64(servers*min(rows, (s.MaxTime-start)/step)), "part-B/histogram")
					began = cpu()
					if n := readAll(b, db); n != servers*rows {
						b.Fatalf("%d were read", n)
					}
					b.ReportMetric(per(cpu()-began), "read-cpu-ns/histogram")
					if err := db.Close(); err != nil {
						b.Fatal(err)
					}
				case "upstream":
					o := upstream.DefaultOptions()
					db, err := upstream.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
					if err != nil {
						b.Fatal(err)
					}
					db.DisableCompactions()
					for r := range rows {
						at := start + int64(r)*step
						hs := make([]*histogram.Histogram, servers)
						for i := range hs {
							hs[i] = hist.next(i)
						}
						began = cpu()
						app := db.Appender(context.Background())
						for i, h := range hs {
							if _, err := app.AppendHistogram(0, sets[i], at, h, nil); err != nil {
								b.Fatal(err)
							}
						}
						if err := app.Commit(); err != nil {
							b.Fatal(err)
						}
						spent += cpu() - began
					}
					b.ReportMetric(per(spent), "append-cpu-ns/histogram")
					b.ReportMetric(float64(bytesIn(b, filepath.Join(dir, "wal")))/servers/rows, "log-B/histogram")
					began = cpu()
					if err := db.CompactHead(upstream.NewRangeHead(db.Head(), db.Head().MinTime(), db.Head().MaxTime())); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(per(cpu()-began), "cut-cpu-ns/histogram")
					n := int64(0)
					for _, block := range db.Blocks() {
						n += block.Size()
					}
					b.ReportMetric(float64(n)/servers/rows, "part-B/histogram")
					began = cpu()
					q, err := db.Querier(math.MinInt64, math.MaxInt64)
					if err != nil {
						b.Fatal(err)
					}
					read := 0
					set := q.Select(b.Context(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
					var it chunkenc.Iterator
					h := new(histogram.FloatHistogram)
					for set.Next() {
						for it = set.At().Iterator(it); it.Next() != chunkenc.ValNone; read++ {
							_, h = it.AtFloatHistogram(h)
						}
					}
					b.ReportMetric(per(cpu()-began), "read-cpu-ns/histogram")
					if read < servers*(rows-1) {
						b.Fatalf("%d were read", read)
					}
					q.Close()
					if err := db.Close(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// readAll decodes all histograms of a database.
func readAll(b *testing.B, db *DB) (n int) {
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	cs, err := q.Select(b.Context(), math.MinInt64, math.MaxInt64)
	if err != nil {
		b.Fatal(err)
	}
	var hs storage.Histograms
	for _, c := range cs {
		hc := c.(storage.HistogramColumns)
		for i := range c.Len() {
			for lo := 0; lo < len(c.Times()); lo += 480 {
				if err := hc.Histograms(i, lo, min(lo+480, len(c.Times())), &hs); err != nil {
					b.Fatal(err)
				}
				for _, s := range hs.Schema {
					if s != storage.AbsentSchema {
						n++
					}
				}
			}
		}
	}
	return n
}

func bytesIn(b *testing.B, dir string) (n int64) {
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if i, err := e.Info(); err == nil {
				n += i.Size()
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// cpu returns the processor time that the process has taken.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// latencies are counters of log-normal durations, one a server.
type latencies struct {
	r      *rand.Rand
	counts []map[int32]int64
	sums   []float64
}

func newLatencies(n int) *latencies {
	l := &latencies{r: rand.New(rand.NewPCG(5, 6)), counts: make([]map[int32]int64, n), sums: make([]float64, n)}
	for i := range n {
		l.counts[i] = map[int32]int64{}
	}
	return l
}

// next observes some more of a server and returns its histogram.
func (l *latencies) next(i int) *histogram.Histogram {
	for range 20 + l.r.IntN(20) {
		d := 0.02 * math.Exp(0.8*l.r.NormFloat64())
		l.counts[i][int32(math.Ceil(math.Log2(d)*8))]++
		l.sums[i] += d
	}
	h := &histogram.Histogram{Schema: 3, ZeroThreshold: 1e-128, Sum: l.sums[i]}
	lo, hi := int32(math.MaxInt32), int32(math.MinInt32)
	for k := range l.counts[i] {
		lo, hi = min(lo, k), max(hi, k)
	}
	next, last := int32(0), int64(0)
	for k := lo; k <= hi; k++ {
		n := l.counts[i][k]
		if n == 0 {
			continue
		}
		if s := len(h.PositiveSpans); s > 0 && next == k {
			h.PositiveSpans[s-1].Length++
		} else {
			h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: k - next, Length: 1})
		}
		h.PositiveBuckets = append(h.PositiveBuckets, n-last)
		h.Count += uint64(n)
		next, last = k+1, n
	}
	return h
}
