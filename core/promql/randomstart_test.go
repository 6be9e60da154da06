package promql

import (
	"math/rand/v2"
	"testing"
	"time"

	upstream "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/storage"
)

// TestRandomQueriesOfStartTimestampsEqualUpstream is TestRandomQueriesEqualUpstream with start timestamps that matter.
func TestRandomQueriesOfStartTimestampsEqualUpstream(t *testing.T) {
	t.Logf("seed %d", *seed)
	const perData = 30
	count := manyQueries() / 3
	failed, full := 0, 0
	for s := *seed; s < *seed+uint64(count/perData); s++ {
		r := rand.New(rand.NewPCG(s, 11))
		data := randomData(r)
		native := s%4 == 0
		if native {
			data = append(data, randomHistograms(r)...)
		}
		withStarts(r, data)
		both := startBoth(t)
		if s%2 == 0 {
			both = both.helped()
		}
		for range perData {
			c := randomCaseOf(r, native)
			q := randomQuery{Rand: r, native: native, instant: c.step == 0}
			switch r.IntN(4) {
			case 0:
				c.expr = "start_timestamp(" + q.name() + q.modifiers(true) + ")"
			case 1, 2:
				c.expr = q.pick("", "sum by (job) ") + "(" + q.pick("rate", "increase", "irate", "resets") + "(" + q.rangeVector(1, false) + "))"
			}
			diff, lines, want, got := both.compare(data, c)
			if lines > 0 {
				full++
			}
			if got == bothKinds && want == "" {
				continue
			}
			if diff != "" && (want == "" || got == "") {
				t.Errorf("seed %d: %s\n%s", s, c, diff)
				if failed++; failed == 20 {
					t.Fatal("enough")
				}
			}
		}
	}
	if full*3 < count {
		t.Errorf("only %d of %d queries have a result", full, count)
	}
}

// startBoth is the two engines with start timestamps switched on.
func startBoth(t *testing.T) both {
	theirs := upstream.NewEngine(upstream.EngineOpts{
		MaxSamples: 50_000_000, Timeout: time.Minute, EnablePerStepStats: true, EnableAtModifier: true, EnableNegativeOffset: true, UseStartTimestamps: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }, Parser: parser.NewParser(syntax),
	})
	t.Cleanup(func() { theirs.Close() })
	return both{ours: New(Options{Syntax: syntax, StartTimestamps: true}), theirs: theirs}
}

// withStarts gives the samples of some series start timestamps: of counters that begin anew now and then, of deltas that
// begin where the sample before was taken, and at random.
func withStarts(r *rand.Rand, data memory) {
	for _, c := range data {
		if c.hists == nil {
			c.hists = make([][]storedSample, len(c.labels))
		}
		for i := range c.labels {
			if c.hists[i] == nil {
				c.hists[i] = make([]storedSample, len(c.times))
			}
			kind, began, last := r.IntN(4), c.times[0]-r.Int64N(100_000), c.times[0]-15_000
			for row, at := range c.times {
				s := &c.hists[i][row]
				if s.h == nil && storage.IsAbsent(c.values[i][row]) {
					continue
				}
				s.t, s.v = at, c.values[i][row]
				switch {
				case kind == 0 || r.IntN(30) == 0:
					s.st = 0
				case kind == 1:
					s.st = last
				case kind == 2 || r.IntN(6) > 0:
					if r.IntN(8) == 0 {
						began = last + r.Int64N(at-last)
					}
					s.st = began
				default:
					s.st = at + r.Int64N(60_000) - 50_000
				}
				last = at
			}
		}
	}
}
