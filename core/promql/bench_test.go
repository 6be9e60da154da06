package promql

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	upstorage "github.com/prometheus/prometheus/storage"
	uptsdb "github.com/prometheus/prometheus/tsdb"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
)

// The queries of the comparison: 1000 counters of 20 targets and 100 histograms of 12 buckets, 4200 samples each, and
// one series of 30 days, all at 15 s.
const (
	benchStart   = int64(1_790_000_000_000)
	benchSamples = 4200
	benchDay     = int64(86_400_000)
	benchLong    = 30 * int(benchDay) / 15_000
	benchEnd     = benchStart + (benchSamples-1)*15_000
)

type benchQuery struct {
	name, expr       string
	start, end, step int64
}

var benchQueries = []benchQuery{
	{"rate", `rate(ctr[5m])`, benchEnd - 999*60_000, benchEnd, 60_000},
	{"sum_by_rate", `sum by (g) (rate(ctr[5m]))`, benchEnd - 999*60_000, benchEnd, 60_000},
	{"sum_by_rate_1h", `sum by (g) (rate(ctr[1h]))`, benchEnd - 999*60_000, benchEnd, 60_000},
	{"long_rate_5m", `rate(long[5m])`, benchStart + 3_600_000, benchStart + 30*benchDay, 30 * benchDay / 1000},
	{"long_avg_1h", `avg_over_time(long[1h])`, benchStart + 3_600_000, benchStart + 30*benchDay, 3_600_000},
	{"long_rate_1h", `rate(long[1h])`, benchStart + 3_600_000, benchStart + 30*benchDay, 1_800_000},
	{"quantile_by_le", `histogram_quantile(0.99, sum by (le) (rate(lat_bucket[5m])))`, benchEnd - 999*60_000, benchEnd, 60_000},
	{"quantile_by_instance", `histogram_quantile(0.99, sum by (le, instance) (rate(lat_bucket[5m])))`, benchEnd - 999*60_000, benchEnd, 60_000},
	{"topk", `topk(10, rate(ctr[5m]))`, benchEnd - 999*60_000, benchEnd, 60_000},
	{"instant_sum", `sum by (g) (rate(ctr[5m]))`, benchEnd, benchEnd, 0},
	{"raw", `ctr`, benchEnd - 999*60_000, benchEnd, 60_000},
}

// BenchmarkQueries runs the comparison, each query by both engines, after making sure that the results are the same.
// Upstream reads a block of its own, ours reads the columns of core/tsdb/chunk.
//
//	go test -run xxx -bench Queries -cpu 1 ./core/promql
func BenchmarkQueries(b *testing.B) {
	ss := benchData()
	theirs := upstreamBlock(b, ss)
	ours := encode(ss)
	both := newBoth(b, false)
	for _, q := range benchQueries {
		c := queryCase{expr: q.expr, start: time.UnixMilli(q.start), end: time.UnixMilli(q.end), step: time.Duration(q.step) * time.Millisecond}
		run := func() model.Value {
			res, err := both.runColumns(ours, c)
			if err != nil {
				b.Fatal(err)
			}
			return res.Value
		}
		b.Run(q.name+"/equal", func(b *testing.B) {
			res, done := both.runSamples(b, theirs, c)
			got := run()
			if c, ok := got.(*model.Columns); ok {
				got = c.Matrix()
			}
			if diff := difference(got, res.Value); diff != "" {
				b.Fatal(diff)
			}
			done()
		})
		runtime.GC()
		b.Run(q.name+"/upstream", func(b *testing.B) {
			for b.Loop() {
				_, done := both.runSamples(b, theirs, c)
				done()
			}
		})
		runtime.GC()
		b.Run(q.name+"/hearth", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}

func (b both) runColumns(q storage.Queryable, c queryCase) (*Result, error) {
	if c.step == 0 {
		return b.ours.Instant(context.Background(), q, c.expr, c.start, QueryOptions{})
	}
	return b.ours.Range(context.Background(), q, c.expr, c.start, c.end, c.step, QueryOptions{Columns: true})
}

func (b both) runSamples(tb testing.TB, from upstorage.Queryable, c queryCase) (res *upstream.Result, done func()) {
	var q upstream.Query
	var err error
	if c.step == 0 {
		q, err = b.theirs.NewInstantQuery(context.Background(), from, nil, c.expr, c.start)
	} else {
		q, err = b.theirs.NewRangeQuery(context.Background(), from, nil, c.expr, c.start, c.end, c.step)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if res = q.Exec(context.Background()); res.Err != nil {
		tb.Fatal(res.Err)
	}
	return res, q.Close
}

// difference tells where two results differ in a bit.
func difference(got model.Value, want any) string {
	switch want := want.(type) {
	case upstream.Vector:
		got := slices.Clone(got.(model.Vector))
		slices.SortFunc(got, func(a, b model.VectorSample) int { return labels.Compare(a.Labels, b.Labels) })
		slices.SortFunc(want, func(a, b upstream.Sample) int { return labels.Compare(a.Metric, b.Metric) })
		if len(got) != len(want) {
			return fmt.Sprintf("%d elements, want %d", len(got), len(want))
		}
		for i, s := range want {
			if !labels.Equal(got[i].Labels, s.Metric) || math.Float64bits(got[i].V) != math.Float64bits(s.F) {
				return fmt.Sprintf("%s %v, want %s %v", got[i].Labels, got[i].V, s.Metric, s.F)
			}
		}
	case upstream.Matrix:
		got := got.(model.Matrix)
		if len(got) != len(want) {
			return fmt.Sprintf("%d series, want %d", len(got), len(want))
		}
		for i, s := range want {
			if !labels.Equal(got[i].Labels, s.Metric) || len(got[i].Samples) != len(s.Floats) {
				return fmt.Sprintf("%s with %d samples, want %s with %d", got[i].Labels, len(got[i].Samples), s.Metric, len(s.Floats))
			}
			for k, p := range s.Floats {
				if g := got[i].Samples[k]; g.T != p.T || math.Float64bits(g.V) != math.Float64bits(p.F) {
					return fmt.Sprintf("%s at %d: %v, want %v at %d", s.Metric, g.T, g.V, p.F, p.T)
				}
			}
		}
	}
	return ""
}

// benchSeries is a series and the group it is written in.
type benchSeries struct {
	labels labels.Labels
	group  int
	values []float64
}

func (s benchSeries) time(i int) int64 { return benchStart + int64(s.group)*137 + int64(i)*15_000 }

func benchData() []benchSeries {
	r := rand.New(rand.NewPCG(77, 78))
	var out []benchSeries
	for i := range 1000 {
		target := i / 50
		out = append(out, benchSeries{
			labels.FromStrings("__name__", "ctr", "g", strconv.Itoa(i%10), "job", "j", "instance", fmt.Sprint("host-", target), "i", strconv.Itoa(i)),
			target, benchCounter(r, i%4, benchSamples),
		})
	}
	les := []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}
	for i := range 100 {
		sum := make([]float64, benchSamples)
		perSecond := 1 + 50*r.Float64()
		for j, le := range les {
			weight := perSecond * 15 * r.ExpFloat64() * float64(12-j) / 78
			c := 0.0
			for k := range sum {
				c += math.Floor(weight * (0.5 + r.Float64()))
				sum[k] += c
			}
			out = append(out, benchSeries{
				labels.FromStrings("__name__", "lat_bucket", "job", "j", "instance", fmt.Sprint("host-", i), "le", le),
				i % 20, slices.Clone(sum),
			})
		}
	}
	out = append(out, benchSeries{labels.FromStrings("__name__", "long", "job", "j", "instance", "h"), 0, benchCounter(r, 0, benchLong)})
	slices.SortFunc(out, func(a, b benchSeries) int { return labels.Compare(a.labels, b.labels) })
	return out
}

// benchCounter makes a counter: of requests, of rare events, of bytes, or of CPU seconds with two decimals. About one
// in a thousand rows resets it.
func benchCounter(r *rand.Rand, kind, n int) []float64 {
	scale := []float64{150 + 15000*r.Float64(), 1 + 75*r.Float64(), 15e3 * math.Pow(1e5, r.Float64()), 15 + 900*r.Float64()}[kind]
	out := make([]float64, n)
	v := math.Floor(scale * 1e4 * r.Float64())
	for i := range out {
		v += math.Round(scale * (0.5 + r.Float64()))
		if kind < 2 && r.IntN(10_000) == 0 {
			v = 0
		}
		out[i] = v
		if kind == 3 {
			out[i] = v / 100
		}
	}
	return out
}

// upstreamBlock writes a block of upstream's and opens it.
func upstreamBlock(tb testing.TB, ss []benchSeries) upstorage.Queryable {
	dir := tb.TempDir()
	w, err := uptsdb.NewBlockWriter(promslog.NewNopLogger(), dir, 40*benchDay)
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range ss {
		app := w.Appender(context.Background())
		for i, v := range s.values {
			if _, err := app.Append(0, s.labels, s.time(i), v); err != nil {
				tb.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			tb.Fatal(err)
		}
	}
	id, err := w.Flush(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	w.Close()
	block, err := uptsdb.OpenBlock(promslog.NewNopLogger(), dir+"/"+id.String(), nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { block.Close() })
	return upstorage.QueryableFunc(func(mint, maxt int64) (upstorage.Querier, error) {
		return uptsdb.NewBlockQuerier(block, mint, maxt)
	})
}

// encoded is groups whose columns are encoded in blocks of 1024 rows, as the database keeps them.
type encoded []*encodedGroup

type encodedGroup struct {
	times  []int64
	labels []labels.Labels
	blocks [][][]byte // by series and block
}

func encode(ss []benchSeries) encoded {
	groups := map[[2]int]*encodedGroup{}
	var out encoded
	var e chunk.Encoder
	for _, s := range ss {
		key := [2]int{s.group, len(s.values)}
		g := groups[key]
		if g == nil {
			g = &encodedGroup{}
			for i := range s.values {
				g.times = append(g.times, s.time(i))
			}
			groups[key] = g
			out = append(out, g)
		}
		var blocks [][]byte
		for rows := range slices.Chunk(s.values, chunk.MaxRows) {
			blocks = append(blocks, slices.Clone(e.Encode(nil, rows)))
		}
		g.labels = append(g.labels, s.labels)
		g.blocks = append(g.blocks, blocks)
	}
	return out
}

func (e encoded) Querier(int64, int64) (storage.Querier, error) {
	return encodedQuerier{e, memoryQuerier{}}, nil
}

type encodedQuerier struct {
	encoded
	memoryQuerier
}

func (e encodedQuerier) Querier(int64, int64) (storage.Querier, error) { return e, nil }

func (e encodedQuerier) Select(_ context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	var out []storage.Columns
	for _, g := range e.encoded {
		lo, _ := slices.BinarySearch(g.times, mint)
		hi, _ := slices.BinarySearch(g.times, maxt+1)
		sel := &encodedColumns{g: g, lo: lo, times: g.times[lo:hi]}
		for i, ls := range g.labels {
			if lo < hi && matches(ls, ms) {
				sel.series = append(sel.series, i)
			}
		}
		if len(sel.series) > 0 {
			out = append(out, sel)
		}
	}
	return out, nil
}

// encodedColumns is a selection of the rows from lo on.
type encodedColumns struct {
	g      *encodedGroup
	series []int
	lo     int
	times  []int64
}

func (c *encodedColumns) Common() labels.Labels      { return labels.EmptyLabels() }
func (c *encodedColumns) Len() int                   { return len(c.series) }
func (c *encodedColumns) Labels(i int) labels.Labels { return c.g.labels[c.series[i]] }
func (c *encodedColumns) Times() []int64             { return c.times }
func (c *encodedColumns) Rows(int) (lo, hi int)      { return 0, len(c.times) }

// Values decodes blocks that are wanted whole in place, others by way of a buffer.
func (c *encodedColumns) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	const rows = chunk.MaxRows
	dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
	d := decoders.Get().(*decoder)
	defer decoders.Put(d)
	lo, hi = lo+c.lo, hi+c.lo
	for at := lo / rows * rows; at < hi; at += rows {
		n := min(rows, len(c.g.times)-at)
		a, z := max(lo, at), min(hi, at+n)
		part, col := dst[a-lo:z-lo], c.g.blocks[c.series[i]][at/rows]
		if len(part) == n {
			if err := d.Decode(part, col); err != nil {
				return nil, err
			}
			continue
		}
		if err := d.Decode(d.vals[:n], col); err != nil {
			return nil, err
		}
		copy(part, d.vals[a-at:])
	}
	return dst, nil
}

type decoder struct {
	chunk.Decoder
	vals [chunk.MaxRows]float64
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}
