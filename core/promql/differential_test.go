package promql

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/exec"
	"github.com/hearth-project/hearth/core/storage"
)

var (
	seed    = flag.Uint64("promql.seed", 1, "first seed of the random queries")
	queries = flag.Int("promql.queries", 3000, "random queries that are run")
)

var syntax = parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableBinopFillModifiers: true, EnableExtendedRangeSelectors: true}

// manyQueries returns how many random queries are run: as many as asked for, and very many in a soak.
func manyQueries() int {
	if os.Getenv("HEARTH_SOAK") != "" {
		return max(*queries, 500_000)
	}
	return *queries
}

// TestRandomQueriesEqualUpstream runs random queries on random data through both engines. Results must have the same
// bits, errors and annotations the same words.
//
//	go test -run RandomQueries -promql.seed 77 -promql.queries 20000
func TestRandomQueriesEqualUpstream(t *testing.T) {
	t.Logf("seed %d", *seed)
	const perData = 30
	count := manyQueries()
	failed := 0
	errors := map[bool]int{} // by whether they are the same
	full := 0
	for s := *seed; s < *seed+uint64(count/perData); s++ {
		r := rand.New(rand.NewPCG(s, 0))
		data := randomData(r)
		both := newBothOf(t, r.IntN(4) == 0, r.IntN(4) == 0)
		if s%2 == 0 {
			both = both.helped()
		}
		for range perData {
			c := randomCase(r)
			diff, lines, want, got := both.compare(data, c)
			if lines > 0 {
				full++
			}
			if want != "" && got != "" { // a query can have several errors, and each engine finds another one first
				errors[want == got]++
				continue
			}
			if diff != "" {
				t.Errorf("seed %d (delayed names %v): %s\n%s", s, both.ours.opts.DelayedNames, c, diff)
				if failed++; failed == 20 {
					t.Fatal("enough")
				}
			}
		}
	}
	t.Logf("%d queries, %d with a result, %d with the same error, %d with another", count, full, errors[true], errors[false])
	if full*3 < count {
		t.Errorf("only %d of %d queries have a result", full, count)
	}
	if errors[false]*20 > errors[true] {
		t.Errorf("%d errors are not upstream's, %d are", errors[false], errors[true])
	}
}

// queryCase is a query to be run by both engines.
type queryCase struct {
	expr       string
	start, end time.Time
	step       time.Duration // 0 for an instant query
	lookback   time.Duration
}

func (c queryCase) String() string {
	if c.step == 0 {
		return fmt.Sprintf("%s\n  at %d", c.expr, c.start.UnixMilli())
	}
	return fmt.Sprintf("%s\n  from %d to %d step %s", c.expr, c.start.UnixMilli(), c.end.UnixMilli(), c.step)
}

func randomCase(r *rand.Rand) queryCase { return randomCaseOf(r, false) }

// randomCaseOf is randomCase, with native also on native histograms.
func randomCaseOf(r *rand.Rand, native bool) queryCase {
	q := randomQuery{Rand: r, instant: r.IntN(3) == 0, native: native}
	c := queryCase{lookback: []time.Duration{5 * time.Minute, time.Minute, 15 * time.Second}[r.IntN(3)]}
	at := time.UnixMilli(dataStart + r.Int64N(dataSpan))
	if r.IntN(2) == 0 { // so that samples lie on the bounds of windows
		at = at.Truncate(15 * time.Second)
	}
	c.start, c.end = at, at
	if !q.instant {
		c.step = []time.Duration{time.Second, 15 * time.Second, 37 * time.Second, time.Minute, 5 * time.Minute}[r.IntN(5)]
		c.end = at.Add(c.step*time.Duration(1+r.IntN(40)) + time.Duration(r.IntN(3))*time.Second)
		if r.IntN(100) == 0 {
			c.end = at.Add(-time.Second)
		}
	}
	switch {
	case r.IntN(12) == 0:
		c.expr = q.scalar(3)
	case q.instant && r.IntN(12) == 0:
		c.expr = q.rangeVector(2, false)
	default:
		c.expr = strings.TrimSpace(q.vector(1+r.IntN(4), false))
	}
	return c
}

// both is the two engines.
type both struct {
	ours   *Engine
	theirs *upstream.Engine
	stored storage.Queryable // what ours reads, if not the data itself
}

func newBoth(t testing.TB, delayed bool) both { return newBothOf(t, delayed, false) }

// newBothOf is newBoth where, with typed, series tell their type in a label.
func newBothOf(t testing.TB, delayed, typed bool) both {
	theirs := upstream.NewEngine(upstream.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnablePerStepStats: true, EnableAtModifier: true, EnableNegativeOffset: true,
		EnableDelayedNameRemoval: delayed, EnableTypeAndUnitLabels: typed, NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: parser.NewParser(syntax),
	})
	t.Cleanup(func() { theirs.Close() })
	return both{ours: New(Options{Syntax: syntax, DelayedNames: delayed, TypeLabels: typed}), theirs: theirs}
}

// helped makes ours use helpers for the smallest of queries, and decode few rows at a time.
func (b both) helped() both {
	b.ours.helpers, b.ours.worth, b.ours.stretch = exec.NewHelpers(2), 1, 20
	return b
}

// outcome is a result in a form that compares.
type outcome struct {
	kind            string
	lines           []string // of series: labels and samples with their bits
	warnings, infos []string
	samples         []int64 // looked at and read, then by step
	err             string
}

// compare runs c by both and returns how the outcomes differ, the length of the result, and the errors.
func (b both) compare(data memory, c queryCase) (diff string, lines int, wantErr, gotErr string) {
	want, got := b.runTheirs(data, c), b.runOurs(data, c)
	if want.err != "" || got.err != "" {
		return fmt.Sprintf("error %q, want %q", got.err, want.err), 0, sameWords(want.err), sameWords(got.err)
	}
	for _, d := range []struct {
		what      string
		got, want []string
	}{
		{"type", []string{got.kind}, []string{want.kind}},
		{"series", got.lines, want.lines},
		{"warnings", got.warnings, want.warnings},
		{"infos", got.infos, want.infos},
		{"samples", []string{fmt.Sprint(got.samples)}, []string{fmt.Sprint(want.samples)}},
	} {
		if d.what == "warnings" || d.what == "infos" {
			d.got, d.want = placed(c.expr, d.got), placed(c.expr, d.want)
		}
		if !slices.Equal(d.got, d.want) {
			return fmt.Sprintf("%s differ\n got %s\nwant %s", d.what, strings.Join(d.got, "\n     "), strings.Join(d.want, "\n     ")), 0, "", ""
		}
	}
	return "", len(want.lines), "", ""
}

var (
	// Which pair of series upstream names depends on the order of a Go map.
	whichSeries = regexp.MustCompile(`for the match group .* on the (left|right) (.*): \[.*\];`)
	// Upstream merges annotations with themselves, doubling the count at each step.
	howMany = regexp.MustCompile(`over \d+ samples`)
)

// sameWords takes from a message what is not deterministic in upstream's.
func sameWords(s string) string {
	return howMany.ReplaceAllString(whichSeries.ReplaceAllString(s, "for a match group on the $1 $2;"), "over some samples")
}

var (
	remarking = regexp.MustCompile(`rate|increase|delta|avg|sum|quantile|histogram|sort|</|>/|hist|custom|mixed`)
	place     = regexp.MustCompile(` \(\d+:\d+\)$`)
	// Which kinds of operands upstream names last at a step depends on the order of series, and where they come of another
	// operator or of limitk that is a Go map's.
	kinds = regexp.MustCompile(`(operator "[^"]+"): .*`)
)

// placed returns remarks without their place if there may be several for the same one: of equal remarks the one made
// last stays, and the engines evaluate in different orders.
func placed(expr string, remarks []string) []string {
	if len(remarking.FindAllString(expr, 2)) < 2 {
		return remarks
	}
	out := slices.Clone(remarks)
	for i := range out {
		out[i] = kinds.ReplaceAllString(place.ReplaceAllString(out[i], ""), "$1")
	}
	return slices.Compact(out)
}

func (b both) runOurs(data memory, c queryCase) (o outcome) {
	var res *Result
	var err error
	from := storage.Queryable(data)
	if b.stored != nil {
		from = b.stored
	}
	if c.step == 0 {
		res, err = b.ours.Instant(context.Background(), from, c.expr, c.start, QueryOptions{Lookback: c.lookback, PerStep: true})
	} else {
		res, err = b.ours.Range(context.Background(), from, c.expr, c.start, c.end, c.step, QueryOptions{Lookback: c.lookback, PerStep: true})
	}
	if err != nil {
		return outcome{err: err.Error()}
	}
	o = outcome{kind: string(res.Value.Type()), warnings: res.Warnings, samples: ourSamples(res.Stats)}
	for _, info := range res.Infos {
		o.infos = append(o.infos, sameWords(info))
	}
	switch v := res.Value.(type) {
	case model.Scalar:
		o.add(labels.EmptyLabels(), v.T, v.V, nil)
	case model.Vector:
		for _, s := range v {
			o.add(s.Labels, s.T, s.V, s.H)
		}
		slices.Sort(o.lines)
	case model.Matrix:
		for _, s := range v {
			o.lines = append(o.lines, s.Labels.String())
			for _, p := range s.Samples {
				o.add(labels.EmptyLabels(), p.T, p.V, nil)
			}
			for _, p := range s.Histograms {
				o.add(labels.EmptyLabels(), p.T, 0, p.Float())
			}
		}
	}
	return o
}

func (b both) runTheirs(data memory, c queryCase) (o outcome) {
	opts := upstream.NewPrometheusQueryOpts(true, c.lookback)
	var q upstream.Query
	var err error
	if c.step == 0 {
		q, err = b.theirs.NewInstantQuery(context.Background(), samplesOf{data}, opts, c.expr, c.start)
	} else {
		q, err = b.theirs.NewRangeQuery(context.Background(), samplesOf{data}, opts, c.expr, c.start, c.end, c.step)
	}
	if err != nil {
		return outcome{err: err.Error()}
	}
	defer q.Close()
	res := q.Exec(context.Background())
	if res.Err != nil {
		return outcome{err: res.Err.Error()}
	}
	o = outcome{kind: string(res.Value.Type()), samples: theirSamples(q.Stats().Samples)}
	if c.end.Before(c.start) { // upstream has a step then that is not evaluated
		o.samples = o.samples[:2]
	}
	o.warnings, o.infos = res.Warnings.AsStrings(c.expr, 0, 0)
	for i := range o.infos {
		o.infos[i] = sameWords(o.infos[i])
	}
	slices.Sort(o.warnings)
	slices.Sort(o.infos)
	switch v := res.Value.(type) {
	case upstream.Scalar:
		o.add(labels.EmptyLabels(), v.T, v.V, nil)
	case upstream.Vector:
		for _, s := range v {
			o.add(s.Metric, s.T, s.F, s.H)
		}
		slices.Sort(o.lines)
	case upstream.Matrix:
		for _, s := range v {
			o.lines = append(o.lines, s.Metric.String())
			for _, p := range s.Floats {
				o.add(labels.EmptyLabels(), p.T, p.F, nil)
			}
			for _, p := range s.Histograms {
				o.add(labels.EmptyLabels(), p.T, 0, p.H)
			}
		}
	}
	return o
}

func ourSamples(s *Stats) (out []int64) {
	out = append(out, s.Samples.TotalQueryableSamples, s.Samples.SamplesRead)
	for i, step := range s.Samples.TotalQueryableSamplesPerStep {
		out = append(out, step.T, step.N, s.Samples.SamplesReadPerStep[i].N)
	}
	return out
}

func theirSamples(s *stats.QuerySamples) (out []int64) {
	out = append(out, s.TotalSamples, s.SamplesRead)
	for i, n := range s.TotalSamplesPerStep {
		out = append(out, s.StartTimestamp+int64(i)*s.Interval, n, s.SamplesReadPerStep[i])
	}
	return out
}

func (o *outcome) add(ls labels.Labels, t int64, v float64, h *histogram.FloatHistogram) {
	line := fmt.Sprintf("%s %d %v %s", ls, t, v, bits(v))
	if h != nil {
		line = fmt.Sprintf("%s %d %d %d %v count %v %s sum %v %s zero %s %s", ls, t, h.CounterResetHint, h.Schema, h.CustomValues,
			h.Count, bits(h.Count), h.Sum, bits(h.Sum), bits(h.ZeroThreshold), bits(h.ZeroCount))
		for it := h.AllBucketIterator(); it.Next(); {
			line += fmt.Sprintf(" %d:%v:%s", it.At().Index, it.At().Count, bits(it.At().Count))
		}
	}
	o.lines = append(o.lines, line)
}

func bits(v float64) string {
	if math.IsNaN(v) {
		return "NaN"
	}
	return fmt.Sprintf("%x", math.Float64bits(v))
}
