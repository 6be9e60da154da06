package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	up "github.com/prometheus/prometheus/storage"
	upstreamdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage/upstream"
	"github.com/hearth-project/hearth/core/tsdb"
)

// open returns a database as upstream sees one.
func open(t testing.TB, o tsdb.Options) (*tsdb.DB, *upstream.Storage) {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Sync = "off"
	db, err := tsdb.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, upstream.New(db, db, func() int64 { return db.Stats().MinTime }, db.Close)
}

// TestUpstreamScriptsRunOnHearthsDatabase runs upstream's acceptance scripts with upstream's engine: what is tested
// is what the database returns.
func TestUpstreamScriptsRunOnHearthsDatabase(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	promqltest.RunBuiltinTestsWithStorage(t, engine, func(t testing.TB) up.Storage {
		_, s := open(t, tsdb.Options{})
		return s
	})
}

// fill writes the same series to both storages: ten hours, so that parts are cut, with gaps, special values and
// series that end; one in five has histograms.
func fill(t *testing.T, rnd *rand.Rand, storages ...up.Storage) (start, end int64) {
	t.Helper()
	start = time.Now().Add(-10 * time.Hour).Truncate(time.Hour).UnixMilli()
	var sets []labels.Labels
	for i := range 40 {
		ls := labels.FromStrings("__name__", fmt.Sprintf("m%d", i%5), "job", fmt.Sprintf("j%d", i%3), "n", fmt.Sprint(i))
		if i%4 == 0 {
			ls = labels.NewBuilder(ls).Set("zone", "z").Del("job").Labels()
		}
		sets = append(sets, ls)
	}
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.Float64frombits(0x7ff0000000000002), 5e-324}
	born, dead := make([]int, len(sets)), make([]int, len(sets))
	for i := range sets {
		if born[i], dead[i] = 0, 600; rnd.IntN(3) == 0 {
			born[i] = rnd.IntN(300)
			dead[i] = born[i] + rnd.IntN(300)
		}
	}
	hists := map[int]*observed{}
	for i := 3; i < len(sets); i += 5 {
		hists[i] = &observed{custom: i%3 == 0, gauge: i%7 == 0, counts: map[int]int64{}}
	}
	for m := range 600 {
		end = start + int64(m)*60_000
		apps := make([]up.Appender, len(storages))
		for k, s := range storages {
			apps[k] = s.Appender(t.Context())
		}
		for i, ls := range sets {
			if m < born[i] || m > dead[i] || rnd.IntN(20) == 0 {
				continue
			}
			if h, ok := hists[i]; ok {
				h.step(rnd)
				ends := m == dead[i] && !h.gauge // upstream's chunk querier fails at the end of a gauge
				for k := range apps {
					var err error
					if p := h.sample(ends); i%2 == 0 {
						_, err = apps[k].AppendHistogram(0, ls, end, p, nil)
					} else {
						_, err = apps[k].AppendHistogram(0, ls, end, nil, p.ToFloat(nil))
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				continue
			}
			v := float64(rnd.IntN(1000)) / 4
			if rnd.IntN(30) == 0 {
				v = special[rnd.IntN(len(special))]
			}
			for k := range apps {
				if _, err := apps[k].Append(0, ls, end, v); err != nil {
					t.Fatal(err)
				}
			}
		}
		for k := range apps {
			if err := apps[k].Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return start, end
}

// observed makes the histograms of one series.
type observed struct {
	custom, gauge bool
	counts        map[int]int64 // by index of the bucket
	zeros         uint64
	sum           float64
	bounds        []float64
}

// step observes something, begins anew or changes the buckets.
func (o *observed) step(rnd *rand.Rand) {
	if rnd.IntN(60) == 0 {
		clear(o.counts)
		o.zeros, o.sum = 0, 0
	}
	if o.custom && (o.bounds == nil || rnd.IntN(100) == 0) {
		clear(o.counts)
		o.bounds = []float64{0.1, 0.5, 1, 2.5, 5, 1e6}[:2+rnd.IntN(5)]
	}
	for range rnd.IntN(4) {
		switch {
		case o.custom:
			o.counts[rnd.IntN(len(o.bounds)+1)]++
		case rnd.IntN(9) == 0:
			o.zeros++
		default:
			o.counts[rnd.IntN(40)-20]++ // below 0: negative buckets
		}
		o.sum += rnd.Float64()
	}
}

// sample returns the histogram as it stands, or the one that ends the series.
func (o *observed) sample(ends bool) *histogram.Histogram {
	h := &histogram.Histogram{Schema: 2, ZeroThreshold: 1e-9, ZeroCount: o.zeros, Count: o.zeros, Sum: o.sum}
	if o.custom {
		h.Schema, h.ZeroThreshold, h.CustomValues = histogram.CustomBucketsSchema, 0, o.bounds
	}
	if o.gauge {
		h.CounterResetHint = histogram.GaugeType
	}
	if ends {
		h.Sum = model.Stale
		return h
	}
	side := func(from, to int) (spans []histogram.Span, deltas []int64) {
		next, last := int32(0), int64(0)
		for i := from; i < to; i++ {
			n, ok := o.counts[i]
			if from < 0 {
				n, ok = o.counts[-1-(i-from)]
			}
			if !ok {
				continue
			}
			if at := int32(i - from); len(spans) > 0 && at == next {
				spans[len(spans)-1].Length++
			} else {
				spans = append(spans, histogram.Span{Offset: at - next, Length: 1})
			}
			next = int32(i-from) + 1
			deltas, last = append(deltas, n-last), n
			h.Count += uint64(n)
		}
		return spans, deltas
	}
	h.PositiveSpans, h.PositiveBuckets = side(0, 20)
	if !o.custom {
		h.NegativeSpans, h.NegativeBuckets = side(-20, 0)
	}
	return h
}

// text is a sample as far as databases must agree on it: every bit of a number; of a histogram all but empty buckets
// and what is known of resets.
func text(it chunkenc.Iterator, typ chunkenc.ValueType) string {
	if typ == chunkenc.ValFloat {
		at, v := it.At()
		return fmt.Sprintf(" %d:%x", at, math.Float64bits(v))
	}
	at, h := it.AtFloatHistogram(nil)
	if model.IsStale(h.Sum) {
		return fmt.Sprintf(" %d:%x", at, uint64(model.StaleNaN))
	}
	if typ == chunkenc.ValHistogram {
		_, ints := it.AtHistogram(nil)
		if f := ints.ToFloat(nil); !f.Equals(h) {
			return fmt.Sprintf(" %d: %s as integers, %s as floats", at, f, h)
		}
	}
	h = h.Copy().Compact(0)
	return fmt.Sprint(" ", at, ":", typ, h.Schema, h.CustomValues, h.ZeroThreshold, h.ZeroCount, h.Count, h.Sum, h.PositiveSpans, h.PositiveBuckets,
		h.NegativeSpans, h.NegativeBuckets, h.CounterResetHint == histogram.GaugeType)
}

func randomMatchers(rnd *rand.Rand) []*labels.Matcher {
	var ms []*labels.Matcher
	for range 1 + rnd.IntN(3) {
		name := []string{"__name__", "job", "n", "zone", "absent"}[rnd.IntN(5)]
		value := []string{"m1", "j2", "7", "z", "", "m[13]", ".*", ".+", "j1|j0", "1.", "m.|"}[rnd.IntN(11)]
		ms = append(ms, labels.MustNewMatcher(labels.MatchType(rnd.IntN(4)), name, value))
	}
	return ms
}

// content is what a series set has, as text: every bit of every value.
func content(set up.SeriesSet, rnd *rand.Rand, seek bool) (string, error) {
	var b strings.Builder
	var it chunkenc.Iterator
	for set.Next() {
		s := set.At()
		if s == nil { // upstream's database also returns series whose chunks have nothing in the range
			continue
		}
		it = s.Iterator(it)
		var samples strings.Builder
		step := it.Next
		if seek {
			at := int64(0)
			step = func() chunkenc.ValueType {
				if at == 0 {
					at = 1
					return it.Next()
				}
				return it.Seek(it.AtT() + rnd.Int64N(500_000) - 1000)
			}
		}
		last := int64(math.MinInt64)
		for typ := step(); typ != chunkenc.ValNone; typ = step() {
			if it.AtT() == last { // a seek that stood still
				if typ = it.Next(); typ == chunkenc.ValNone {
					break
				}
			}
			last = it.AtT()
			samples.WriteString(text(it, typ))
		}
		if it.Err() != nil {
			return "", it.Err()
		}
		if samples.Len() > 0 {
			fmt.Fprintf(&b, "%s%s\n", s.Labels(), samples.String())
		}
	}
	return b.String(), set.Err()
}

func first(text string, lines int) string {
	return strings.Join(strings.SplitAfter(text, "\n")[:min(lines, strings.Count(text, "\n"))], "")
}

func TestSelectionsAgreeWithUpstreamsDatabase(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	db, ours := open(t, tsdb.Options{})
	theirs := teststorage.New(t, func(o *upstreamdb.Options) { o.EnableSharding = true })
	start, end := fill(t, rnd, ours, theirs)
	ctx, stop := context.WithTimeout(t.Context(), 1500*time.Millisecond) // the first round of maintenance is after a second
	defer stop()
	if err := db.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if db.Stats().Parts < 2 {
		t.Fatalf("%d parts were cut", db.Stats().Parts)
	}
	found := 0
	for n := range 250 {
		mint := start + rnd.Int64N(end-start) - 3_600_000
		maxt := mint + rnd.Int64N(5*3_600_000)
		ms := randomMatchers(rnd)
		hints := &up.SelectHints{Start: mint, End: maxt}
		if n%5 == 0 {
			hints.ShardCount, hints.ShardIndex = 3, uint64(n%3)
		}
		if n%7 == 0 {
			hints.Limit = 4
		}
		what := fmt.Sprintf("%v in %d..%d, shard %d of %d, limit %d", ms, mint, maxt, hints.ShardIndex, hints.ShardCount, hints.Limit)
		seed := rnd.Uint64()
		read := func(s up.Storage) (samples, chunks string, names, values []string) {
			q, err := s.Querier(mint, maxt)
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			if samples, err = content(q.Select(t.Context(), true, hints, ms...), rand.New(rand.NewPCG(seed, 0)), n%3 == 0); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			c, err := s.ChunkQuerier(mint, maxt)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if chunks, err = content(up.NewSeriesSetFromChunkSeriesSet(c.Select(t.Context(), true, hints, ms...)), nil, false); err != nil {
				t.Fatalf("%s: chunks: %v", what, err)
			}
			// Upstream answers questions about labels to a block or the head, not to the range: ask for all.
			l, err := s.Querier(start, end)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var err2 error
			names, _, err = l.LabelNames(t.Context(), nil, ms...)
			values, _, err2 = l.LabelValues(t.Context(), "n", nil, ms...)
			if err := errors.Join(err, err2); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			return samples, chunks, names, values
		}
		gotS, gotC, gotN, gotV := read(ours)
		wantS, wantC, wantN, wantV := read(theirs)
		if hints.Limit > 0 { // upstream's database leaves it to its callers
			wantS, wantC = first(wantS, hints.Limit), first(wantC, hints.Limit)
		}
		found += strings.Count(wantS, "\n")
		if gotS != wantS {
			t.Fatalf("%s: got\n%s\nwant\n%s", what, gotS, wantS)
		}
		if gotC != wantC {
			t.Fatalf("%s: chunks: got\n%s\nwant\n%s", what, gotC, wantC)
		}
		if !slices.Equal(gotN, wantN) || !slices.Equal(gotV, wantV) {
			t.Fatalf("%s: labels %v, %v, want %v, %v", what, gotN, gotV, wantN, wantV)
		}
	}
	if found < 1000 {
		t.Errorf("only %d series were found by all selectors", found)
	}
	if got, err := ours.StartTime(); err != nil || got > start {
		t.Errorf("it starts at %d, want %d at the latest (%v)", got, start, err)
	}
}

func TestRefusalsAreUpstreams(t *testing.T) {
	_, s := open(t, tsdb.Options{})
	now := time.Now().UnixMilli()
	ls := labels.FromStrings("__name__", "x")
	put := func(at int64, v float64) error {
		a := s.AppenderV2(t.Context())
		if _, err := a.Append(0, ls, 0, at, v, nil, nil, up.AppendV2Options{}); err != nil {
			return err
		}
		return a.Commit()
	}
	if err := put(now, 1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		at   int64
		want error
	}{
		{"another value at the same time", now, up.ErrDuplicateSampleForTimestamp},
		{"a time far ahead", now + 1e9, up.ErrOutOfBounds},
	} {
		if err := put(tt.at, 2); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	a := s.Appender(t.Context())
	for _, bad := range []labels.Labels{labels.EmptyLabels(), labels.FromStrings("a", "1", "a", "2")} {
		if _, err := a.Append(0, bad, now, 1); err == nil {
			t.Errorf("labels %s were taken", bad)
		}
	}
	if _, err := a.Append(0, labels.FromStrings("__name__", "gone"), now, 1); err != nil {
		t.Fatal(err)
	}
	if err := a.Rollback(); err != nil {
		t.Fatal(err)
	}
	q, err := s.Querier(0, now)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if got, err := content(q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")), nil, false); err != nil || strings.Count(got, "\n") != 1 {
		t.Errorf("stored: %s, %v", got, err)
	}
}
