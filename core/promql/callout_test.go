package promql

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/callout"
	"github.com/hearth-project/hearth/core/storage"
)

// twins are functions that are called out to and do what functions of the engine's own do.
var twins = []callout.Function{
	{
		Name: "twin_clamp", Owner: "twins", Args: []parser.ValueType{"vector", "scalar", "scalar"},
		Call: func(_ context.Context, b *callout.Batch, out []float64) error {
			for i, x := range b.Values {
				lo, hi := b.Args[0].Values[i%b.Steps], b.Args[1].Values[i%b.Steps]
				if !storage.IsAbsent(x) && !(hi < lo) {
					out[i] = math.Max(lo, math.Min(hi, x))
				}
			}
			return nil
		},
	},
	{
		Name: "twin_max_over_time", Owner: "twins", Args: []parser.ValueType{"matrix"},
		Call: func(_ context.Context, b *callout.Batch, out []float64) error {
			for i, s := range b.Samples {
				for k := range b.Steps {
					end := b.Start + int64(k)*b.Step
					for j, t := range s.T {
						if t <= end-b.Width || t > end {
							continue
						}
						if at := &out[i*b.Steps+k]; storage.IsAbsent(*at) || s.V[j] > *at || math.IsNaN(*at) {
							*at = s.V[j]
						}
					}
				}
			}
			return nil
		},
	},
}

// TestFunctionsThatAreCalledOutToEqualTheEnginesOwn runs random queries with functions of the engine and with twins of
// them that are called out to.
func TestFunctionsThatAreCalledOutToEqualTheEnginesOwn(t *testing.T) {
	full, ignored, alone := 0, false, false
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		data := randomData(r)
		native := seed%3 == 0
		if native {
			data = append(data, randomHistograms(r)...)
		}
		both := newBoth(t, r.IntN(4) == 0)
		if seed%2 == 0 {
			both = both.helped()
		}
		if err := both.ours.SetFunctions(twins); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			c := randomCase(r)
			q := randomQuery{Rand: r, native: native}
			switch r.IntN(3) {
			case 0:
				c.expr = "max_over_time(" + q.rangeVector(2, false) + ")"
			case 1:
				c.expr = "clamp(" + q.vector(2, false) + ", -10, scalar(" + q.vector(1, false) + "))"
			default:
				c.expr = "sum by (job) (clamp(max_over_time(" + q.rangeVector(1, true) + "), time() - 1.7e9, 1e6))"
			}
			want := both.runOurs(data, c)
			c.expr = strings.NewReplacer("max_over_time(", "twin_max_over_time(", "clamp(", "twin_clamp(").Replace(c.expr)
			got := both.runOurs(data, c)
			if want.err != "" || got.err != "" {
				continue // of limits and matching: a call of another function is another place
			}
			// A call of a plugin is not known to be the same at each step: what it reads can count otherwise.
			if !slices.Equal(got.lines, want.lines) || !slices.Equal(got.samples[:1], want.samples[:1]) {
				t.Errorf("seed %d: %s\n%d samples %q\nwant %d %q", seed, c, got.samples, got.lines, want.samples, want.lines)
			}
			without := slices.DeleteFunc(slices.Clone(got.infos), func(s string) bool { return strings.Contains(s, "of twins ignored native histograms") })
			alone = alone || len(without) < len(got.infos)
			got.infos = without // of all histograms: upstream's functions pass over those that are alone without a word
			for _, infos := range []*[]string{&got.infos, &want.infos} {
				*infos = placed("rate or rate", *infos) // without places, which the name of the twin has moved
			}
			if !slices.Equal(got.infos, want.infos) {
				t.Errorf("seed %d: %s\ninfos %q\nwant  %q", seed, c, got.infos, want.infos)
			}
			ignored = ignored || strings.Contains(strings.Join(got.infos, ""), "ignored histograms in a range containing both floats and histograms")
			if len(got.lines) > 0 {
				full++
			}
		}
	}
	if full < 300 {
		t.Errorf("only %d queries have a result", full)
	}
	if !ignored || !alone {
		t.Error("no query remarks on histograms that it ignores beside floats, or alone")
	}
}

func TestABatchHasManySeriesAndABound(t *testing.T) {
	e := New(Options{})
	var calls, most, cells int
	err := e.SetFunctions([]callout.Function{{
		Name: "same", Owner: "p", Args: []parser.ValueType{"vector", "string"}, Variadic: 1,
		Call: func(_ context.Context, b *callout.Batch, out []float64) error {
			calls++
			most, cells = max(most, len(b.Values)), cells+len(b.Values)
			if b.Args[0].Text != "word" || b.Series*b.Steps != len(b.Values) || len(out) != len(b.Values) {
				return errors.New("not what was asked")
			}
			copy(out, b.Values)
			return nil
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	const series, steps = 2000, 201
	res, err := e.Range(t.Context(), steadyData(series), `count(same(up, "word") == up)`, now, now.Add((steps-1)*time.Second), time.Second, QueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := res.Value.(model.Matrix); !ok || len(m) != 1 || len(m[0].Samples) != steps || m[0].Samples[0].V != series {
		t.Errorf("%v", res.Value)
	}
	if least := (cells + callout.MaxCells - 1) / callout.MaxCells; calls < least || calls > least+1 || most > callout.MaxCells {
		t.Errorf("%d cells in %d calls, the largest of %d", cells, calls, most)
	}
	if cells != series*steps {
		t.Errorf("%d cells, want %d", cells, series*steps)
	}
}

func TestAFunctionThatFailsIsNamed(t *testing.T) {
	e := New(Options{})
	broken := errors.New("out of fuel")
	err := e.SetFunctions([]callout.Function{{
		Name: "acme_forecast", Owner: "acme/forecast", Args: []parser.ValueType{"matrix"},
		Call: func(context.Context, *callout.Batch, []float64) error { return broken },
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Instant(t.Context(), steadyData(2), `acme_forecast(up[1m])`, now, QueryOptions{})
	if want := "function acme_forecast of acme/forecast: out of fuel"; !errors.Is(err, broken) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	for expr, want := range map[string]string{
		`acme_forecast(up)`:                 "expected type range vector in call to function \"acme_forecast\", got instant vector",
		`acme_forecast(up[1m], 1)`:          "expected 1 argument(s) in call to \"acme_forecast\", got 2",
		`acme_other(up)`:                    "unknown function with name \"acme_other\"",
		`acme_forecast(up[1m] anchored)`:    "anchored",
		`acme_forecast(max(up)[1m:1s] @ 0)`: "",
	} {
		_, err := e.Instant(t.Context(), steadyData(2), expr, now, QueryOptions{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}

func TestNativeHistogramsAreRemarkedOn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := randomHistograms(r)
	both := newBoth(t, false)
	if err := both.ours.SetFunctions(twins); err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]string{
		`twin_clamp(last_over_time(hist[1d]), 0, 1)`:                       "PromQL info: function twin_clamp of twins ignored native histograms",
		`twin_max_over_time((rate(hist[1d]))[1h:1m])`:                      "PromQL info: function twin_max_over_time of twins ignored native histograms",
		`twin_clamp(histogram_count(last_over_time(hist[1d])), 0, 1) >= 0`: "",
	} {
		o := both.runOurs(data, queryCase{expr: expr, start: time.UnixMilli(dataStart + dataSpan/2)})
		if o.err != "" || strings.Contains(strings.Join(o.infos, "\n"), "function") != (want != "") || want != "" && !slices.Contains(o.infos, want) {
			t.Errorf("%s: %s %q, want %q", expr, o.err, o.infos, want)
		}
	}
}

func TestFunctionsThatCantBeCalledAreRefused(t *testing.T) {
	none := func(context.Context, *callout.Batch, []float64) error { return nil }
	for _, tt := range []struct {
		name     string
		args     string
		variadic int
		want     string
	}{
		{"rate", "matrix", 0, "PromQL has that name itself"},
		{"sum", "vector", 0, "PromQL has that name itself"},
		{"Inf", "vector", 0, "PromQL has that name itself"},
		{"acme.rate", "matrix", 0, "a name has letters, digits and underscores, and begins with no digit"},
		{"", "matrix", 0, "a name has letters, digits and underscores, and begins with no digit"},
		{"f", "scalar", 0, "no argument is a vector or a matrix"},
		{"f", "vector vector", 0, "arguments other than the one vector or matrix must be scalars or strings"},
		{"f", "scalar vector", 1, "the vector or matrix may be left out or repeated: put it first"},
		{"f", "vector", -1, "the vector or matrix may be left out or repeated: put it first"},
		{"f", "vector scalar", 3, "variadic is 3, with 2 arguments"},
		{"f", "vector scalar string", 2, "arguments that may be left out must all be scalars or all be strings"},
	} {
		f := callout.Function{Name: tt.name, Owner: "p", Variadic: tt.variadic, Call: none}
		for _, a := range strings.Fields(tt.args) {
			f.Args = append(f.Args, parser.ValueType(a))
		}
		e := New(Options{})
		good := callout.Function{Name: "good", Owner: "q", Args: []parser.ValueType{"vector", "scalar"}, Variadic: -1, Call: none}
		err := e.SetFunctions([]callout.Function{f, good, good})
		if want := `function "` + tt.name + `" of p: ` + tt.want + "\n" + `function "good" of q: q has a function of that name, too`; err == nil || err.Error() != want {
			t.Errorf("%s(%s): %v, want %s", tt.name, tt.args, err, want)
		}
		if err := e.SetFunctions([]callout.Function{good}); err != nil {
			t.Error(err)
		}
		if _, err := e.Parser().ParseExpr("good(up, 1, 2, 3)"); err != nil {
			t.Error(err)
		}
	}
}

func TestAsManyArgumentsAsMayBeAreLeftOut(t *testing.T) {
	for _, tt := range []struct {
		args        string
		variadic    int
		least, most int // of arguments after the vector
	}{
		{"vector", 0, 0, 0},
		{"vector scalar", 0, 1, 1},
		{"vector scalar", 1, 0, 1},
		{"vector scalar scalar scalar", 1, 2, 3},
		{"vector scalar scalar scalar", 2, 1, 3},
		{"vector scalar scalar scalar", 3, 0, 3},
		{"vector scalar scalar", -1, 1, 9},
	} {
		f := callout.Function{Name: "f", Owner: "p", Variadic: tt.variadic}
		for _, a := range strings.Fields(tt.args) {
			f.Args = append(f.Args, parser.ValueType(a))
		}
		got := -1
		f.Call = func(_ context.Context, b *callout.Batch, out []float64) error {
			got = len(b.Args)
			copy(out, b.Values)
			return nil
		}
		e := New(Options{})
		if err := e.SetFunctions([]callout.Function{f}); err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			_, err := e.Instant(t.Context(), steadyData(2), "f(up"+strings.Repeat(", 1", n)+")", now, QueryOptions{})
			switch allowed := n >= tt.least && n <= tt.most; {
			case (err == nil) != allowed:
				t.Errorf("f(%s), variadic %d, with %d arguments: %v", tt.args, tt.variadic, n, err)
			case allowed && got != n:
				t.Errorf("f(%s), variadic %d, with %d arguments is called with %d", tt.args, tt.variadic, n, got)
			}
		}
	}
}

func TestEnginesKnowTheirOwnFunctionsOnly(t *testing.T) {
	plain, a, b := New(Options{}), New(Options{}), New(Options{})
	for e, name := range map[*Engine]string{a: "only_a", b: "only_b"} {
		f := twins[1]
		f.Name = name
		if err := e.SetFunctions([]callout.Function{f}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for e, knows := range map[*Engine]string{plain: "", a: "only_a", b: "only_b"} {
		wg.Go(func() {
			for range 100 {
				for _, name := range []string{"only_a", "only_b", "rate"} {
					_, err := e.Parser().ParseExpr(name + "(up[1m])")
					if (err == nil) != (name == knows || name == "rate") {
						t.Errorf("an engine that knows %q parses %s: %v", knows, name, err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := a.SetFunctions(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Parser().ParseExpr("only_a(up[1m])"); err == nil {
		t.Error("a function is known although it is gone")
	}
}
