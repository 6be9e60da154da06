package tsdb

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
)

// fingerprint returns a number that two histograms have in common only if they are the same, but for what is known of
// resets, so that what compares numbers compares histograms.
func fingerprint(h *histogram.FloatHistogram) float64 {
	h = h.Copy().Compact(0)
	f := fnv.New64a()
	fmt.Fprint(f, h.Schema, h.CustomValues, h.ZeroThreshold, h.ZeroCount, h.Count, math.Float64bits(h.Sum), h.PositiveSpans, h.PositiveBuckets,
		h.NegativeSpans, h.NegativeBuckets, h.CounterResetHint == histogram.GaugeType)
	return float64(f.Sum64() >> 12)
}

// someHistogram returns the n-th histogram of a series whose buckets come and go.
func someHistogram(n int) *histogram.Histogram {
	h := &histogram.Histogram{
		Schema: 1, ZeroThreshold: 0.001, ZeroCount: uint64(n % 5), Sum: float64(n) * 1.5,
		PositiveSpans: []histogram.Span{{Offset: int32(n/10) - 2, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{int64(n), 1, -1},
	}
	if n%20 > 12 {
		h.NegativeSpans, h.NegativeBuckets = []histogram.Span{{Offset: 0, Length: 1}}, []int64{2}
	}
	h.Count = h.ZeroCount + uint64(3*n+1)
	if n%20 > 12 {
		h.Count += 2
	}
	if n%7 == 0 { // observations that are no number are in no bucket
		h.Count++
		h.Sum = math.NaN()
	}
	return h
}

func TestSeriesOfHistogramsRefuseWhatUpstreamRefuses(t *testing.T) {
	now := scenarioStart
	ls := labels.FromStrings("__name__", "h", "job", "x")
	append1 := func(db *DB, s model.Series) error {
		s.Labels = ls
		return db.Append(t.Context(), []model.Series{s})
	}
	hist := func(at int64, h *histogram.Histogram) model.Series {
		return model.Series{Histograms: []model.Histogram{{T: at, H: h}}}
	}
	float := func(at int64, v float64) model.Series { return model.Series{Samples: []model.Sample{{T: at, V: v}}} }
	less := someHistogram(16)
	less.NegativeSpans, less.NegativeBuckets, less.Count = nil, nil, less.Count-2
	broken := someHistogram(3)
	broken.Count = 1
	wide := someHistogram(3)
	wide.PositiveSpans = []histogram.Span{{Offset: 0, Length: facet.MaxBuckets + 1}}
	wide.PositiveBuckets = make([]int64, facet.MaxBuckets+1)
	wide.Count, wide.Sum = wide.ZeroCount, 0
	for _, tt := range []struct {
		name   string
		first  model.Series
		second model.Series
		want   error // errors.Is; nil for none
		any    bool  // any error
	}{
		{name: "the same again", first: hist(now, someHistogram(16)), second: hist(now, someHistogram(16))},
		{name: "one with a bucket less at the same time", first: hist(now, someHistogram(16)), second: hist(now, less), want: storage.ErrDuplicate},
		{name: "another at the same time", first: hist(now, someHistogram(16)), second: hist(now, someHistogram(17)), want: storage.ErrDuplicate},
		{name: "a number where a histogram is", first: hist(now, someHistogram(16)), second: float(now, 1), want: storage.ErrDuplicate},
		{name: "a histogram where a number is", first: float(now, 1), second: hist(now, someHistogram(16)), want: storage.ErrDuplicate},
		{name: "one of floats where one of integers is", first: hist(now, someHistogram(16)), want: storage.ErrDuplicate,
			second: model.Series{Histograms: []model.Histogram{{T: now, FH: someHistogram(16).ToFloat(nil)}}}},
		{name: "a number after a histogram", first: hist(now, someHistogram(16)), second: float(now+1, 1)},
		{name: "one in the far future", first: hist(now, someHistogram(16)), second: hist(1<<43, someHistogram(17)), want: storage.ErrTooNew},
		{name: "one whose buckets have more than its count", first: hist(now, someHistogram(16)), second: hist(now+1, broken), any: true},
		{name: "one with very many buckets", first: hist(now, someHistogram(16)), second: hist(now+1, wide), any: true},
	} {
		for _, restart := range []bool{false, true} {
			if restart && tt.name == "a number where a histogram is" {
				continue // it is taken, and the histogram counts
			}
			t.Run(fmt.Sprintf("%s, restart %t", tt.name, restart), func(t *testing.T) {
				fs := vfs.NewMem()
				mustMkdir(t, fs)
				db, err := testDB(t, fs, "off")
				if err != nil {
					t.Fatal(err)
				}
				if err := append1(db, tt.first); err != nil {
					t.Fatal(err)
				}
				before := all(t, db)
				if restart {
					if err := db.Close(); err != nil {
						t.Fatal(err)
					}
					if db, err = testDB(t, fs, "off"); err != nil {
						t.Fatal(err)
					}
				}
				defer db.Close()
				err = append1(db, tt.second)
				var refused *storage.AppendError
				switch {
				case tt.want == nil && !tt.any:
					if err != nil {
						t.Fatal(err)
					}
					return
				case !errors.As(err, &refused) || refused.Rejected != 1 || tt.want != nil && !errors.Is(err, tt.want):
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if got := all(t, db); len(got) != len(before) {
					t.Fatalf("what was refused left something: %v", got)
				}
			})
		}
	}
}

func TestOneBatchHasNumbersAndHistograms(t *testing.T) {
	fs := vfs.NewMem()
	mustMkdir(t, fs)
	db, err := testDB(t, fs, "always")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	plain, hist := seriesN(1), seriesN(2)
	batch := []model.Series{
		{Labels: plain, Samples: []model.Sample{{T: scenarioStart, V: 1}}},
		{Labels: hist, Histograms: []model.Histogram{{T: scenarioStart, H: someHistogram(1)}, {T: scenarioStart + 2, H: someHistogram(2)}},
			Samples: []model.Sample{{T: scenarioStart + 1, V: 5}}},
		{Labels: plain, Samples: []model.Sample{{T: scenarioStart, V: 2}}}, // refused
	}
	var refused *storage.AppendError
	if err := db.Append(t.Context(), batch); !errors.As(err, &refused) || refused.Stored != 4 || refused.Rejected != 1 || !errors.Is(err, storage.ErrDuplicate) {
		t.Fatalf("%v: %+v", err, refused)
	}
	verifySame(t, all(t, db), map[sampleID]float64{
		{plain.String(), scenarioStart}: 1, {hist.String(), scenarioStart}: fingerprint(someHistogram(1).ToFloat(nil)),
		{hist.String(), scenarioStart + 1}: 5, {hist.String(), scenarioStart + 2}: fingerprint(someHistogram(2).ToFloat(nil)),
	})
}

func TestFacetsAreNotSeen(t *testing.T) {
	db, err := Open(Options{Dir: t.TempDir(), Sync: "off"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	start := time.Now().Add(-6 * time.Hour).UnixMilli()
	for n := range 30 {
		at := start + int64(n)*600_000
		err := db.Append(t.Context(), []model.Series{
			{Labels: seriesN(1), Histograms: []model.Histogram{{T: at, H: someHistogram(n)}}, Starts: []model.Start{{T: at, ST: start - 5}}},
			{Labels: seriesN(2), Samples: []model.Sample{{T: at, V: 1}}, Starts: []model.Start{{T: at, ST: start - 7}}},
			{Labels: seriesN(3), Samples: []model.Sample{{T: at, V: 1}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := db.Stats().Head.Series; n != 3 {
		t.Errorf("there are said to be %d series", n)
	}
	c := db.Cardinality(100)
	for _, n := range c.SeriesByMetric {
		if n.N != 1 {
			t.Errorf("%d series of %s", n.N, n.Name)
		}
	}
	for _, n := range slices.Concat(c.SeriesByPair, c.ValuesByLabel, c.BytesByLabel) {
		if strings.Contains(n.Name, facet.Name) || n.N > 100 {
			t.Errorf("%q is counted %d times", n.Name, n.N)
		}
	}
	if err := db.maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if db.Stats().Parts == 0 {
		t.Fatal("no part was cut")
	}
	q, err := db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	names, err := q.LabelNames(t.Context())
	if err != nil || slices.Contains(names, facet.Name) {
		t.Errorf("label names %q, %v", names, err)
	}
	if values, err := q.LabelValues(t.Context(), facet.Name); err != nil || len(values) > 0 {
		t.Errorf("values of the hidden label: %q, %v", values, err)
	}
	cs, err := q.Select(t.Context(), math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	starts := map[string][]int64{}
	for _, c := range cs {
		for i := range c.Len() {
			if c.Labels(i).Has(facet.Name) {
				t.Errorf("%s was selected", c.Labels(i))
			}
			if lo, hi := c.Rows(i); lo != 0 || hi != 30 {
				t.Errorf("%s has rows %d to %d", c.Labels(i), lo, hi)
			}
			s, ok := c.(storage.StartColumns)
			if !ok {
				starts[c.Labels(i).String()] = nil
				continue
			}
			began, err := s.Starts(i, 0, 30, nil)
			if err != nil {
				t.Fatal(err)
			}
			starts[c.Labels(i).String()] = slices.Compact(began)
		}
	}
	for n, want := range map[int][]int64{1: {start - 5}, 2: {start - 7}, 3: nil} {
		if got, ok := starts[seriesN(n).String()]; !ok || !slices.Equal(got, want) {
			t.Errorf("%s starts at %v, %t, want %v", seriesN(n), got, ok, want)
		}
	}
	if len(starts) != 3 {
		t.Errorf("selected %v", starts)
	}
}
