package facet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// table is a group that keeps its rows and is a selection of all of them.
type table struct {
	sets []labels.Labels
	ts   []int64
	rows [][]float64
}

func (g *table) Slot(ls labels.Labels) (storage.Slot, error) {
	for i, s := range g.sets {
		if labels.Equal(s, ls) {
			return storage.Slot(i), nil
		}
	}
	g.sets = append(g.sets, ls)
	return storage.Slot(len(g.sets) - 1), nil
}

func (g *table) Append(t int64, slots []storage.Slot, values []float64) error {
	row := map[storage.Slot]bool{}
	cells := slices.Repeat([]float64{storage.Absent}, 4096)
	for i, s := range slots {
		if row[s] {
			return fmt.Errorf("row at %d has %s twice", t, g.sets[s])
		}
		row[s], cells[s] = true, values[i]
	}
	g.ts, g.rows = append(g.ts, t), append(g.rows, cells)
	return nil
}

func (g *table) Close()                     {}
func (g *table) Common() labels.Labels      { return labels.EmptyLabels() }
func (g *table) Len() int                   { return len(g.sets) }
func (g *table) Labels(i int) labels.Labels { return g.sets[i] }
func (g *table) Times() []int64             { return g.ts }
func (g *table) Rows(int) (lo, hi int)      { return 0, len(g.ts) }
func (g *table) cell(i, row int) float64    { return g.rows[row][i] }
func (g *table) column(i, lo, hi int) (v []float64) {
	for r := lo; r < hi; r++ {
		v = append(v, g.cell(i, r))
	}
	return v
}

func (g *table) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	return append(dst[:0], g.column(i, lo, hi)...), nil
}

// random returns a histogram that mostly goes on from the one before.
func random(r *rand.Rand, before *histogram.Histogram) *histogram.Histogram {
	h := &histogram.Histogram{Schema: int32(r.IntN(12) - 4), ZeroThreshold: []float64{0, 0.001, math.Copysign(0, -1)}[r.IntN(3)]}
	if r.IntN(4) == 0 {
		h.Schema, h.ZeroThreshold, h.CustomValues = histogram.CustomBucketsSchema, 0, []float64{-1, 0.5, 1e9}[:1+r.IntN(3)]
	}
	if before != nil && r.IntN(8) > 0 {
		h = before.Copy()
		h.CounterResetHint = histogram.UnknownCounterReset
	}
	counts := map[int32]int64{}
	it := h.PositiveBucketIterator()
	for it.Next() {
		counts[it.At().Index] = int64(it.At().Count)
	}
	if r.IntN(9) == 0 {
		for k := range counts {
			counts[k]--
			if counts[k] < 0 || r.IntN(4) == 0 {
				delete(counts, k)
			}
			break
		}
	}
	for range r.IntN(4) {
		k := int32(r.IntN(9) - 4)
		if h.UsesCustomBuckets() {
			k = int32(r.IntN(len(h.CustomValues) + 1))
		}
		counts[k] += int64(r.IntN(5)) // at times an empty bucket
	}
	h.PositiveSpans, h.PositiveBuckets = nil, nil
	h.Count = h.ZeroCount
	next, last := int32(0), int64(0)
	for k := int32(-10); k < 10; k++ {
		n, ok := counts[k]
		if !ok {
			continue
		}
		h.PositiveSpans = append(h.PositiveSpans, histogram.Span{Offset: k - next, Length: 1})
		h.PositiveBuckets = append(h.PositiveBuckets, n-last)
		next, last = k+1, n
		h.Count += uint64(n)
	}
	if !h.UsesCustomBuckets() && r.IntN(3) == 0 {
		h.NegativeSpans, h.NegativeBuckets = []histogram.Span{{Offset: 2, Length: 2}}, []int64{3, -2}
	}
	if len(h.NegativeBuckets) > 0 {
		h.Count += 4
	}
	h.Sum = []float64{0, 1.5, -3, math.Copysign(0, -1)}[r.IntN(4)]
	if r.IntN(5) == 0 {
		h.Sum, h.Count = math.NaN(), h.Count+1
	}
	switch r.IntN(12) {
	case 0:
		h.CounterResetHint = histogram.GaugeType
	case 1:
		h.CounterResetHint = histogram.CounterReset
	case 2:
		h.CounterResetHint = histogram.NotCounterReset // it is looked at all the same
	}
	return h
}

// same compares all that a row keeps: every bit, and which buckets there are.
func same(a, b *histogram.FloatHistogram) bool {
	buckets := func(h *histogram.FloatHistogram) (out []string) {
		for it := h.PositiveBucketIterator(); it.Next(); {
			out = append(out, fmt.Sprint("+", it.At().Index, math.Float64bits(it.At().Count)))
		}
		for it := h.NegativeBucketIterator(); it.Next(); {
			out = append(out, fmt.Sprint("-", it.At().Index, math.Float64bits(it.At().Count)))
		}
		return out
	}
	bits := func(h *histogram.FloatHistogram) [4]uint64 {
		return [4]uint64{math.Float64bits(h.Sum), math.Float64bits(h.Count), math.Float64bits(h.ZeroCount), math.Float64bits(h.ZeroThreshold)}
	}
	return a.Schema == b.Schema && bits(a) == bits(b) && slices.Equal(buckets(a), buckets(b)) && histogram.CustomBucketBoundsMatch(a.CustomValues, b.CustomValues)
}

// TestHistogramsComeBackAsTheyCame writes rows of two series with histograms, numbers and start timestamps and reads them in
// pieces. What it says of resets is what upstream finds between the two.
func TestHistogramsComeBackAsTheyCame(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		g := &table{}
		type sample struct {
			h     *histogram.FloatHistogram
			whole bool
			v     float64
			st    int64
			hint  histogram.CounterResetHint
		}
		names := []labels.Labels{labels.FromStrings("__name__", "a"), labels.FromStrings("__name__", "a", "b", "c")}
		var writers []*Series
		for _, ls := range names {
			writers = append(writers, New(g, ls))
		}
		want := make([][]sample, len(names))
		before := make([]*histogram.Histogram, len(names))
		for row := range 40 {
			var slots []storage.Slot
			var values []float64
			for k, w := range writers {
				s := sample{v: storage.Absent}
				var err error
				switch r.IntN(10) {
				case 0: // no sample
				case 1:
					at, err := w.Plain()
					if err != nil {
						t.Fatal(err)
					}
					s.v = float64(r.IntN(5))
					slots, values = append(slots, at), append(values, s.v)
					before[k] = nil
				default:
					h := random(r, before[k])
					s.h, s.whole, s.hint = h.ToFloat(nil), r.IntN(6) > 0, h.CounterResetHint
					if s.whole {
						slots, values, err = w.Histogram(h, slots, values)
					} else {
						slots, values, err = w.FloatHistogram(s.h, slots, values)
					}
					if err == nil && r.IntN(3) == 0 {
						s.st = int64(row*1000 - 7)
						slots, values, err = w.Start(s.st, slots, values)
					}
					before[k] = h
				}
				if err != nil {
					t.Fatal(err)
				}
				want[k] = append(want[k], s)
			}
			if err := g.Append(int64(row*1000), slots, values); err != nil {
				t.Fatal(err)
			}
		}
		cs := Gather([]storage.Columns{g})
		if len(cs) != 1 || cs[0].Len() != 2 {
			t.Fatalf("seed %d: %d selections", seed, len(cs))
		}
		c := cs[0].(startedHistograms)
		var hs storage.Histograms
		for i := range c.Len() {
			k := slices.IndexFunc(names, func(ls labels.Labels) bool { return labels.Equal(ls, c.Labels(i)) })
			for lo := 0; lo < 40; {
				hi := min(40, lo+1+r.IntN(20))
				vals, err := c.Values(i, lo, hi, nil)
				if err != nil {
					t.Fatal(err)
				}
				starts, err := c.Starts(i, lo, hi, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Histograms(i, lo, hi, &hs); err != nil {
					t.Fatal(err)
				}
				for row := lo; row < hi; row++ {
					w, got := want[k][row], hs.At(row-lo)
					if math.Float64bits(vals[row-lo]) != math.Float64bits(w.v) || starts[row-lo] != w.st || (got == nil) != (w.h == nil) {
						t.Fatalf("seed %d, row %d: %v since %d, %v; want %+v", seed, row, vals[row-lo], starts[row-lo], got, w)
					}
					if got == nil {
						continue
					}
					if !same(got, w.h) || hs.Integer[row-lo] != w.whole {
						t.Fatalf("seed %d, row %d: got %+v, want %+v", seed, row, got, w.h)
					}
					if (got.CounterResetHint == histogram.GaugeType) != (w.hint == histogram.GaugeType) || got.CounterResetHint == histogram.CounterReset {
						t.Fatalf("seed %d, row %d: hint %v of %v", seed, row, got.CounterResetHint, w.hint)
					}
					last := row - 1
					for last >= 0 && want[k][last].h == nil && storage.IsAbsent(want[k][last].v) {
						last--
					}
					if got.CounterResetHint == histogram.NotCounterReset && (last < 0 || want[k][last].h == nil || w.h.DetectReset(want[k][last].h)) {
						t.Fatalf("seed %d, row %d: it is said that there was no reset", seed, row)
					}
				}
				lo = hi
			}
		}
	}
}

// TestARowThatLostACellIsNoHistogram takes each cell of a histogram away in turn.
func TestARowThatLostACellIsNoHistogram(t *testing.T) {
	g := &table{}
	h := &histogram.Histogram{Schema: 1, ZeroThreshold: 1e-3, ZeroCount: 2, Count: 9, Sum: 3, PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1, 1}}
	slots, values, err := New(g, labels.FromStrings("__name__", "a")).Histogram(h, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for gone := range slots {
		g.ts, g.rows = nil, nil
		if err := g.Append(5, slices.Delete(slices.Clone(slots), gone, gone+1), slices.Delete(slices.Clone(values), gone, gone+1)); err != nil {
			t.Fatal(err)
		}
		c := Gather([]storage.Columns{g})[0].(storage.HistogramColumns)
		var hs storage.Histograms
		if err := c.Histograms(0, 0, 1, &hs); err != nil {
			t.Fatal(err)
		}
		if got := hs.At(0); got != nil {
			t.Errorf("without %s it is %v", g.sets[slots[gone]], got)
		}
	}
}

func TestWhatHasNoFacetsIsLeftAsItIs(t *testing.T) {
	g := &table{}
	if _, err := g.Slot(labels.FromStrings("__name__", "a")); err != nil {
		t.Fatal(err)
	}
	in := []storage.Columns{g}
	if out := Gather(in); &out[0] != &in[0] {
		t.Error("it was gathered")
	}
}

func TestHistogramsThatCannotBeAreRefused(t *testing.T) {
	for name, h := range map[string]*histogram.Histogram{
		"more buckets than spans":  {PositiveBuckets: []int64{1}},
		"more spans than buckets":  {PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []int64{1}},
		"a span that goes back":    {PositiveSpans: []histogram.Span{{Length: 1}, {Offset: -1, Length: 1}}, PositiveBuckets: []int64{1, 0}},
		"an index beyond 32 bits":  {PositiveSpans: []histogram.Span{{Offset: math.MaxInt32, Length: 2}}, PositiveBuckets: []int64{1, 0}},
		"a schema beyond 8 bits":   {Schema: 300},
		"spans of negative counts": {NegativeSpans: []histogram.Span{{Length: math.MaxUint32}}, NegativeBuckets: []int64{1}},
	} {
		s := New(&table{}, labels.FromStrings("__name__", "a"))
		slots, values, err := s.Histogram(h, nil, nil)
		if err == nil || len(slots)+len(values) > 0 {
			t.Errorf("%s: %v, %d cells", name, err, len(slots))
		}
		ok := &histogram.Histogram{Count: 1, PositiveSpans: []histogram.Span{{Length: 1}}, PositiveBuckets: []int64{1}}
		if _, _, err := s.Histogram(ok, nil, nil); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}
