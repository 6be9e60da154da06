package promql

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
)

// parts is data in parts of the database, which know something of their samples, and the newest in memory, which does
// not. It counts the rows that are decoded of parts.
type parts struct {
	memoryQuerier
	blocks  []*block.Block
	decoded *int
}

// cutIntoParts puts what is before each of the times into a part, and what is left into memory.
func cutIntoParts(tb testing.TB, c *columns, times ...int64) parts {
	tb.Helper()
	p := parts{decoded: new(int)}
	fs, from := vfs.NewMem(), int64(math.MinInt64)
	for i, to := range append(times, math.MaxInt64) {
		sel := c.within(from, to-1, nil)
		from = to
		if i == len(times) {
			p.memory = memory{sel}
			break
		}
		dir := fmt.Sprint(i)
		if _, err := block.Write(fs, dir, math.MinInt64, to-1, []storage.Columns{sel}); err != nil {
			tb.Fatal(err)
		}
		b, err := block.Open(fs, dir)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { b.Close() })
		p.blocks = append(p.blocks, b)
	}
	return p
}

func (p parts) Querier(int64, int64) (storage.Querier, error) { return p, nil }

func (p parts) Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	var lists [][]storage.Columns
	for _, b := range p.blocks {
		cs, err := b.Select(ctx, mint, maxt, ms...)
		if err != nil {
			return nil, err
		}
		for i, c := range cs {
			cs[i] = metered{c.(storage.StatisticsColumns), p.decoded}
		}
		lists = append(lists, cs)
	}
	cs, err := p.memoryQuerier.Select(ctx, mint, maxt, ms...)
	return compact.MergeColumns(append(lists, cs)...), err
}

// metered counts the rows that are decoded.
type metered struct {
	storage.StatisticsColumns
	rows *int
}

func (c metered) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	*c.rows += hi - lo
	return c.StatisticsColumns.Values(i, lo, hi, dst)
}

const knownStep = 60_000

// knownSeries returns series of n rows a minute apart: some of which much is known, and some of which less is.
func knownSeries(r *rand.Rand, n int) *columns {
	stale := model.Stale
	kinds := []func(row int, before float64) float64{
		func(int, float64) float64 { return 7 },
		func(int, float64) float64 { return math.Copysign(0, -1) },
		func(row int, _ float64) float64 { return float64(row / 1500) }, // constant for a block and longer
		func(_ int, v float64) float64 { return v + float64(r.IntN(9)) },
		func(int, float64) float64 { return r.NormFloat64() },
		func(int, float64) float64 { return []float64{0, math.Copysign(0, -1), 1, math.Inf(1)}[r.IntN(4)] },
		func(row int, _ float64) float64 { return []float64{math.NaN(), 1}[min(row%700, 1)] },
		func(int, float64) float64 { return math.NaN() },
		func(row int, _ float64) float64 { return []float64{stale, 3}[min(row%900, 1)] },
		func(row int, _ float64) float64 {
			return []float64{2, storage.Absent}[max(0, min(row%2000-500, 1))]
		},
		func(row int, v float64) float64 {
			if row%50 == 49 {
				return storage.Absent
			}
			return v + 1
		},
	}
	var ss []storedSeries
	for k, kind := range kinds {
		s := storedSeries{labels: labels.FromStrings("__name__", "k", "kind", fmt.Sprintf("%02d", k))}
		v := 0.0
		for row := range n {
			next := kind(row, v)
			if storage.IsAbsent(next) {
				continue
			}
			v = next
			s.samples = append(s.samples, storedSample{t: dataStart + int64(row)*knownStep, v: v})
		}
		ss = append(ss, s)
	}
	return newColumns(ss)
}

// TestWhatIsKnownWithoutDecodingChangesNoResult asks functions that need not see all values over data in parts.
func TestWhatIsKnownWithoutDecodingChangesNoResult(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 19))
		const rows = 6000
		data := knownSeries(r, rows)
		cuts := []int64{dataStart + 2500*knownStep, dataStart + 5400*knownStep}
		both := newBoth(t, false)
		both.stored = cutIntoParts(t, data, cuts[:r.IntN(3)]...)
		for range 80 {
			at := time.UnixMilli(dataStart + r.Int64N(rows*knownStep))
			c := queryCase{start: at, end: at, lookback: 5 * time.Minute}
			if r.IntN(4) > 0 {
				c.step = []time.Duration{time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour}[r.IntN(4)]
				c.end = at.Add(c.step * time.Duration(r.IntN(30)))
			}
			c.expr = []string{
				"count_over_time(k[%s])", "present_over_time(k[%s])", "absent_over_time(k[%s])", "min_over_time(k[%s])", "max_over_time(k[%s])",
				"last_over_time(k[%s])", "first_over_time(k[%s])", "k offset %s", "timestamp(k offset %s)", "timestamp(k @ end() offset %s)",
			}[r.IntN(10)]
			c.expr = fmt.Sprintf(c.expr, []string{"3m", "2h", "1d", "2d", "70h"}[r.IntN(5)])
			if diff, _, want, got := both.compare(memory{data}, c); diff != "" {
				t.Errorf("seed %d: %s\n%s %s %s", seed, c, diff, want, got)
			}
		}
	}
}

func TestOfManyRowsFewAreDecoded(t *testing.T) {
	const rows = 12 * 1440
	data := knownSeries(rand.New(rand.NewPCG(1, 2)), rows)
	end := dataStart + rows*knownStep
	for _, tt := range []struct {
		name, expr string
		most       int // rows decoded
	}{
		{"samples are counted unseen", `count_over_time(k{kind=~"00|03|04"}[1d])`, 0},
		{"a series is there unseen", `absent_over_time(k{kind="03"}[1d])`, 0},
		{"the maximum of equal values is one of them", `max_over_time(k{kind="00"}[1d])`, 0},
		{"equal values are selected unseen", `k{kind="00"}`, 0},
		{"times are known", `timestamp(k{kind="04"})`, 0},
		{"last values take the blocks they are in", `last_over_time(k{kind="03"}[4d])`, 3 * 1024},
		{"the maximum of others needs all", `max_over_time(k{kind="03"}[4d])`, rows},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := cutIntoParts(t, data, end)
			c := queryCase{expr: tt.expr, start: time.UnixMilli(dataStart).Add(4 * 24 * time.Hour), end: time.UnixMilli(end), step: 4 * 24 * time.Hour}
			if _, err := (both{ours: New(Options{Syntax: syntax})}).runColumns(p, c); err != nil {
				t.Fatal(err)
			}
			if *p.decoded > tt.most {
				t.Errorf("%d rows were decoded, want at most %d", *p.decoded, tt.most)
			}
		})
	}
}

// BenchmarkKnown asks 100 series of 30 days, 38 of which are constant, a sample every minute: 4.3 million in three parts.
//
//	go test -run xxx -bench Known -cpu 1 ./core/promql
func BenchmarkKnown(b *testing.B) {
	const rows = 30 * 1440
	r := rand.New(rand.NewPCG(5, 6))
	var ss []storedSeries
	for i := range 100 {
		s := storedSeries{labels: labels.FromStrings("__name__", "k", "i", fmt.Sprint(i))}
		v := 1.0
		for row := range rows {
			switch {
			case i < 38:
			case i < 70:
				v += float64(r.IntN(20))
			default:
				v = float64(r.IntN(1000)) / 100
			}
			s.samples = append(s.samples, storedSample{t: dataStart + int64(row)*knownStep, v: v})
		}
		ss = append(ss, s)
	}
	slices.SortFunc(ss, func(x, y storedSeries) int { return labels.Compare(x.labels, y.labels) })
	const day = 1440 * knownStep
	p := cutIntoParts(b, newColumns(ss), dataStart+10*day, dataStart+20*day, dataStart+30*day)
	ours := both{ours: New(Options{Syntax: syntax})}
	for _, f := range []string{"count_over_time", "present_over_time", "min_over_time", "max_over_time", "last_over_time", ""} {
		for _, step := range []time.Duration{time.Hour, 24 * time.Hour} {
			c := queryCase{expr: fmt.Sprintf("%s(k[1d])", f), start: time.UnixMilli(dataStart + day), end: time.UnixMilli(dataStart + 30*day - 1), step: step}
			if f == "" {
				c.expr = "k"
			}
			b.Run(fmt.Sprintf("%s/%s", c.expr, step), func(b *testing.B) {
				best := math.Inf(1)
				for b.Loop() {
					began := time.Now()
					if _, err := ours.runColumns(p, c); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(began).Seconds()*1000)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(best, "ms")
			})
		}
	}
}
