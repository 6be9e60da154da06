package block

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/hearth-project/hearth/core/storage"
)

const corpusStep = 15_000 // milliseconds between rows

// fleetKinds are the series of a noisy fleet, by their share in percent. Histograms are besides: 13 percent.
var fleetKinds = []struct {
	name  string
	share int
	make  func(r *rand.Rand, n int) []float64
}{
	{"const", 38, func(r *rand.Rand, n int) []float64 {
		v := []float64{0, 1, 0, 1, 2, 1024, 1.7e9 + 12345, 1 << 29, 0.1, 1e9}[r.IntN(10)]
		return valuesOf(n, func() float64 { return v })
	}},
	{"counter_rare", 9, events(0.0005, 0.02)},
	{"counter_slow", 9, events(0.05, 5)},
	{"counter", 7, events(10, 1000)},
	{"bytes_total", 5, func(r *rand.Rand, n int) []float64 {
		rate := 1.5e4 * math.Pow(1e5, r.Float64())
		l, v := load(r, 0.2), math.Floor(rate*5e4*r.Float64())
		return valuesOf(n, func() float64 { v += math.Round(rate * l() * (0.7 + 0.6*r.Float64())); return v })
	}},
	{"cpu_seconds_total", 6, func(r *rand.Rand, n int) []float64 {
		use := 15 + 900*r.Float64()*r.Float64()
		l, c := load(r, 0.1), math.Floor(1e7*r.Float64())
		return valuesOf(n, func() float64 { c += min(1500, math.Round(use*l()*(0.8+0.4*r.Float64()))); return c / 100 })
	}},
	{"seconds_sum", 3, func(r *rand.Rand, n int) []float64 {
		rate := 1.5 * math.Pow(1e4, r.Float64())
		l, v := load(r, 0.05), rate*100
		return valuesOf(n, func() float64 {
			k := poisson(r, rate*l())
			v += math.Round(k*2e7*(1+0.1*r.NormFloat64())) / 1e9
			return v
		})
	}},
	{"bytes", 4, func(r *rand.Rand, n int) []float64 {
		v := math.Floor(250 * math.Pow(1e3, r.Float64()))
		step := v * 0.003
		return valuesOf(n, func() float64 { v = math.Abs(v + math.Round(step*r.NormFloat64())); return v * 4096 })
	}},
	{"heap_bytes", 2, func(r *rand.Rand, n int) []float64 {
		base := 2e7 * math.Pow(50, r.Float64())
		v := base
		return valuesOf(n, func() float64 {
			if v += base * 0.05 * (0.5 + r.Float64()); v > 2*base {
				v = base * (1 + 0.1*r.Float64())
			}
			return math.Floor(v/8) * 8
		})
	}},
	{"connections", 4, func(r *rand.Rand, n int) []float64 {
		m := 10 * math.Pow(100, r.Float64())
		v := m
		return valuesOf(n, func() float64 { v += 0.1*(m-v) + math.Sqrt(m)*0.5*r.NormFloat64(); return max(0, math.Round(v)) })
	}},
	{"load1", 1, func(r *rand.Rand, n int) []float64 {
		m := 4 * r.Float64()
		v := m
		return valuesOf(n, func() float64 { v = max(0, v+0.05*(m-v)+0.15*r.NormFloat64()); return math.Round(v*100) / 100 })
	}},
	{"celsius", 1, func(r *rand.Rand, n int) []float64 {
		v := 50.0
		return valuesOf(n, func() float64 { v += 0.05*(50-v) + 0.4*r.NormFloat64(); return math.Round(v*8) / 8 })
	}},
	{"ratio", 2, func(r *rand.Rand, n int) []float64 {
		l := load(r, 0.05)
		return valuesOf(n, func() float64 { return 0.5 * l() })
	}},
	{"duration_seconds", 1, func(r *rand.Rand, n int) []float64 {
		l := load(r, 0.1)
		return valuesOf(n, func() float64 { return math.Round(l()*(0.8+0.4*r.Float64())*2e7) / 1e9 })
	}},
}

func valuesOf(n int, next func() float64) []float64 {
	vals := make([]float64, n)
	for i := range vals {
		vals[i] = next()
	}
	return vals
}

// load returns a slowly varying level around 1 that has a daily course.
func load(r *rand.Rand, noise float64) func() float64 {
	x, i, phase := 0.0, 0, r.Float64()*2*math.Pi
	return func() float64 {
		x = 0.97*x + noise*r.NormFloat64()
		i++
		return (1 + 0.4*math.Sin(phase+2*math.Pi*float64(i)/5760)) * math.Exp(x)
	}
}

func poisson(r *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	k := 0.0
	for p := r.Float64(); p > math.Exp(-mean); p *= r.Float64() {
		k++
	}
	return k
}

// events returns counters of events that come at a rate a second between lo and hi.
func events(lo, hi float64) func(r *rand.Rand, n int) []float64 {
	return func(r *rand.Rand, n int) []float64 {
		rate := 15 * lo * math.Pow(hi/lo, r.Float64())
		l, v := load(r, 0.05), math.Floor(rate*3e4*r.Float64())
		return valuesOf(n, func() float64 { v += poisson(r, rate*l()); return v })
	}
}

// fleet returns targets of about 100 series with n rows each; every one is scraped at times of its own.
func fleet(targets, n int) []storage.Columns {
	var out []storage.Columns
	r := rand.New(rand.NewPCG(7, 11))
	for k := range targets {
		tb := &table{common: labels.FromStrings("instance", fmt.Sprintf("10.0.0.%d:9100", k), "job", "fleet")}
		start := int64(1_790_000_000_000) + r.Int64N(corpusStep)
		for i := range n {
			tb.times = append(tb.times, start+int64(i)*corpusStep)
		}
		add := func(vals []float64, name string, more ...string) {
			ls := labels.NewBuilder(tb.common).Set("__name__", name)
			for i := 0; i < len(more); i += 2 {
				ls.Set(more[i], more[i+1])
			}
			tb.series, tb.values = append(tb.series, ls.Labels()), append(tb.values, vals)
		}
		for _, kind := range fleetKinds {
			for i := range kind.share {
				add(kind.make(r, n), "fleet_"+kind.name, "device", fmt.Sprintf("dev%d", i))
			}
		}
		addHistogram(r, n, add)
		out = append(out, tb.sorted())
	}
	return out
}

// addHistogram adds the 13 buckets of a classic histogram.
func addHistogram(r *rand.Rand, n int, add func(vals []float64, name string, more ...string)) {
	rate, mid := 0.3*math.Pow(1e4, r.Float64()), r.Float64()*12
	l := load(r, 0.05)
	counts := make([]float64, 13)
	buckets := make([][]float64, 13)
	for range n {
		level := rate * l()
		sum := 0.0
		for b := range buckets {
			share := math.Exp(-(float64(b)-mid)*(float64(b)-mid)/4) / 3.55
			counts[b] += poisson(r, level*share)
			sum += counts[b]
			buckets[b] = append(buckets[b], sum)
		}
	}
	for b, vals := range buckets {
		le := fmt.Sprint(math.Pow(2, float64(b)) / 256)
		if b == len(buckets)-1 {
			le = "+Inf"
		}
		add(vals, "fleet_latency_seconds_bucket", "le", le)
	}
}

// sorted puts the series in order of their labels.
func (t *table) sorted() *table {
	order := make([]int, len(t.series))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return labels.Compare(t.series[a], t.series[b]) })
	s := &table{common: t.common, times: t.times}
	for _, i := range order {
		s.series, s.values = append(s.series, t.series[i]), append(s.values, t.values[i])
	}
	return s
}

// recording reads scrapes from a gzip file of records, each a length (4 bytes, little endian) and an exposition in
// the text format, of the given number of targets in turn; of each target every nth. The times of rows are those that
// expositions begin with ("# at" and Unix milliseconds, a line), or 15 s apart.
func recording(tb testing.TB, name string, targets, nth int) []storage.Columns {
	tb.Helper()
	f, err := os.Open(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	tables, at := make([]*table, targets), make([]map[string]int, targets)
	for k := range tables {
		tables[k] = &table{common: labels.FromStrings("instance", fmt.Sprintf("127.0.0.1:%d", 9100+k), "job", "node")}
		at[k] = map[string]int{}
	}
	in := bufio.NewReaderSize(z, 1<<20)
	var size [4]byte
	var text []byte
	for n := 0; ; n++ {
		if _, err := io.ReadFull(in, size[:]); err != nil {
			break // the end, or where it is written at the moment
		}
		text = slices.Grow(text[:0], int(binary.LittleEndian.Uint32(size[:])))[:binary.LittleEndian.Uint32(size[:])]
		if _, err := io.ReadFull(in, text); err != nil {
			break
		}
		if n/targets%nth != 0 {
			continue
		}
		now := int64(1_790_000_000_000 + n%targets*7001 + n/targets*corpusStep)
		if _, err := fmt.Sscanf(string(text[:min(len(text), 40)]), "# at %d\n", &now); err == nil {
			text = text[bytes.IndexByte(text, '\n')+1:]
		}
		tables[n%targets].scrape(tb, at[n%targets], text, now)
	}
	out := make([]storage.Columns, targets)
	for k, t := range tables {
		for i := range t.values {
			t.values[i] = t.pad(t.values[i])
		}
		out[k] = t.sorted()
	}
	return out
}

// pad fills up with rows without samples.
func (t *table) pad(vals []float64) []float64 {
	for len(vals) < len(t.times) {
		vals = append(vals, storage.Absent)
	}
	return vals
}

// scrape adds a row.
func (t *table) scrape(tb testing.TB, at map[string]int, text []byte, now int64) {
	p := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	var ls labels.Labels
	defer func() { t.times = append(t.times, now) }()
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			tb.Fatal(err)
		}
		if e != textparse.EntrySeries {
			continue
		}
		line, _, v := p.Series()
		i, ok := at[string(line)]
		if !ok {
			p.Labels(&ls)
			b := labels.NewBuilder(ls)
			t.common.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
			i = len(t.series)
			at[string(line)] = i
			t.series, t.values = append(t.series, b.Labels()), append(t.values, nil)
		}
		t.values[i] = append(t.pad(t.values[i]), v)
	}
}
