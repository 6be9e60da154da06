package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	upstreamstorage "github.com/prometheus/prometheus/storage"
	upstream "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// Upstream's database gets the same samples and deletions, and is asked the same questions. Both cut, merge and clean
// at times of their own.
func TestSelectionsAreThoseOfUpstream(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { agreeWithUpstream(t, seed) })
	}
}

func agreeWithUpstream(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 8))
	ctx := context.Background()
	window := time.Duration(0)
	if seed%2 == 1 {
		window = 3 * time.Hour
	}
	o := upstream.DefaultOptions()
	o.OutOfOrderTimeWindow = window.Milliseconds()
	o.RetentionDuration = math.MaxInt64 / 4
	theirs, err := upstream.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	theirs.DisableCompactions()
	m := vfs.NewMem()
	mustMkdir(t, m)
	ours, err := Open(Options{Dir: "data", FS: m, Sync: "off", CheckpointBytes: 100_000, OutOfOrderWindow: window,
		Clock: func() time.Time { return time.UnixMilli(1 << 42) }})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()

	var sets []labels.Labels
	for i := range 40 {
		b := labels.NewBuilder(labels.FromStrings("__name__", fmt.Sprint("m", i%5), "i", fmt.Sprint(i)))
		if i%3 == 0 {
			b.Set("job", "api")
		}
		if i%7 == 0 {
			b.Set("le", fmt.Sprint(i)).Set("pod", fmt.Sprint("app-", i%4))
		}
		sets = append(sets, b.Labels())
	}
	now := scenarioStart
	for step := range 900 {
		now += int64(15_000 + r.IntN(100_000))
		app := theirs.Appender(ctx)
		for _, ls := range sets {
			if r.IntN(4) == 0 {
				continue
			}
			v := []float64{float64(step), math.Float64frombits(0x7ff0000000000002), r.NormFloat64(), math.Inf(1), 0}[r.IntN(5)]
			if r.IntN(3) > 0 {
				v = float64(step * 3)
			}
			if _, err := app.Append(0, ls, now, v); err != nil {
				t.Fatal(err)
			}
			if err := ours.Append(ctx, []model.Series{{Labels: ls, Samples: []model.Sample{{T: now, V: v}}}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		if window > 0 && r.IntN(5) == 0 {
			late := now - 1 - r.Int64N(window.Milliseconds()-120_000)
			app := theirs.Appender(ctx)
			ls := sets[r.IntN(len(sets))]
			v := float64(late % 1000)
			_, err := app.Append(0, ls, late, v)
			err = errors.Join(err, app.Commit())
			mine := ours.Append(ctx, []model.Series{{Labels: ls, Samples: []model.Sample{{T: late, V: v}}}})
			if err != nil || mine != nil {
				t.Fatalf("a late sample: upstream %v, we %v", err, mine)
			}
		}
		switch {
		case step%97 == 96:
			if err := theirs.Compact(ctx); err != nil {
				t.Fatal(err)
			}
		case step%31 == 30:
			if err := errors.Join(ours.maintain(ctx), ours.retire(ctx)); err != nil {
				t.Fatal(err)
			}
		case window == 0 && step%211 == 210:
			ms, lo, hi := randomSelector(r), scenarioStart+r.Int64N(now-scenarioStart), now-r.Int64N(3600_000)
			if err := errors.Join(theirs.Delete(ctx, lo, hi, ms...), ours.Delete(ctx, lo, hi, ms...)); lo <= hi && err != nil {
				t.Fatal(err)
			}
		}
		if step%9 == 8 {
			ms := randomSelector(r)
			lo := scenarioStart + r.Int64N(now-scenarioStart)
			hi := lo + r.Int64N(now-lo+1)
			verifySame(t, within(t, ours, lo, hi, ms...), ofUpstream(t, theirs, lo, hi, ms))
		}
	}
	verifySame(t, all(t, ours), ofUpstream(t, theirs, math.MinInt64, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "i", ".+")}))
}

func randomSelector(r *rand.Rand) []*labels.Matcher {
	one := []*labels.Matcher{
		labels.MustNewMatcher(labels.MatchEqual, "__name__", fmt.Sprint("m", r.IntN(6))),
		labels.MustNewMatcher(labels.MatchRegexp, "__name__", "m[1-3]"),
		labels.MustNewMatcher(labels.MatchEqual, "job", "api"),
		labels.MustNewMatcher(labels.MatchEqual, "i", fmt.Sprint(r.IntN(45))),
	}[r.IntN(4)]
	more := []*labels.Matcher{
		labels.MustNewMatcher(labels.MatchNotEqual, "job", "api"),
		labels.MustNewMatcher(labels.MatchNotRegexp, "i", "1.|2."),
		labels.MustNewMatcher(labels.MatchRegexp, "pod", "app-.*|"),
		labels.MustNewMatcher(labels.MatchEqual, "le", ""),
		labels.MustNewMatcher(labels.MatchNotEqual, "pod", ""),
		labels.MustNewMatcher(labels.MatchRegexp, "i", "(1|2)?[02468]"),
	}[r.IntN(6)]
	if r.IntN(3) == 0 {
		return []*labels.Matcher{one}
	}
	return []*labels.Matcher{one, more}
}

func ofUpstream(t *testing.T, db *upstream.DB, mint, maxt int64, ms []*labels.Matcher) map[sampleID]float64 {
	t.Helper()
	q, err := db.Querier(mint, maxt)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, &upstreamstorage.SelectHints{Start: mint, End: maxt}, ms...)
	out := map[sampleID]float64{}
	for set.Next() {
		s := set.At()
		k := s.Labels().String()
		it := s.Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			ts, v := it.At()
			if storage.IsAbsent(v) {
				t.Fatal("a value that is reserved")
			}
			out[sampleID{k, ts}] = v
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}
