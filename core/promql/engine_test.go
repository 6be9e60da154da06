package promql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// steadyData is n series named up that rise by one every 15 s, in one group.
func steadyData(n int) memory {
	var ss []model.Series
	for i := range n {
		s := model.Series{Labels: labels.FromStrings("__name__", "up", "i", string(rune('a'+i)))}
		for k := range int64(100) {
			s.Samples = append(s.Samples, model.Sample{T: dataStart + k*15_000, V: float64(k)})
		}
		ss = append(ss, s)
	}
	return memory{floatColumns(ss)}
}

var now = time.UnixMilli(dataStart + 600_000)

func TestErrorsAreFoundByKindAndSpeakAsUpstream(t *testing.T) {
	for _, tt := range []struct {
		name, expr string
		opts       Options
		ranged     bool
		is         error
		text       string
	}{
		{"a syntax error has its place", "sum(up", Options{}, false, ErrParse, `1:7: parse error: unclosed left parenthesis`},
		{"a type error too", "rate(up)", Options{}, false, ErrParse, `1:6: parse error: expected type range vector in call to function "rate", got instant vector`},
		{"experimental functions are off", "mad_over_time(up[5m])", Options{}, false, ErrParse, `1:1: parse error: function "mad_over_time" is not enabled`},
		{"a range query wants no string", `"a"`, Options{}, true, ErrParse, `invalid expression type "string" for range query, must be Scalar or instant Vector`},
		{"nor a range vector", `up[5m]`, Options{}, true, ErrParse, `invalid expression type "range vector" for range query, must be Scalar or instant Vector`},
		{"many samples", "up", Options{MaxSamples: 20}, false, ErrTooManySamples, "query processing would load too many samples into memory in query execution"},
		{"many samples of an aggregation's input", "sum(rate(up[5m]))", Options{MaxSamples: 10}, false, ErrTooManySamples, ""},
		{"many steps", "vector(1)", Options{MaxSamples: 40}, true, ErrTooManySamples, ""},
		{"a subquery of more steps than memory has, on nothing", "max_over_time(nothing[100y:1ms])", Options{}, false, ErrTooManySamples, ""},
		{"and on a number", "max_over_time(vector(1)[100y:1ms])", Options{}, false, ErrTooManySamples, ""},
		{"an operand that matches twice", "up + on () up", Options{}, false, nil, "found duplicate series for the match group {} on the right hand-side of the operation"},
		{"names that collide", `{__name__=~"up|down"} * 2`, Options{}, false, nil, "vector cannot contain metrics with the same labelset"},
		{"a smoothing factor out of bounds", "double_exponential_smoothing(up[5m], 2, 0.5)", Options{Syntax: syntax}, false, nil, "invalid smoothing factor. Expected: 0 < sf < 1, got: 2.000000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := steadyData(20)
			down := *data[0]
			down.labels = nil
			for _, ls := range data[0].labels {
				down.labels = append(down.labels, labels.NewBuilder(ls).Set("__name__", "down").Labels())
			}
			if strings.Contains(tt.expr, "down") {
				data = append(data, &down)
			}
			e := New(tt.opts)
			var err error
			if tt.ranged {
				_, err = e.Range(t.Context(), data, tt.expr, now, now.Add(time.Hour), time.Second, QueryOptions{})
			} else {
				_, err = e.Instant(t.Context(), data, tt.expr, now, QueryOptions{})
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("error %v, want %s", err, tt.text)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is no %v", err, tt.is)
			}
			if got := testutil.ToFloat64(e.metrics.errors); got != 1 {
				t.Errorf("%v errors counted", got)
			}
		})
	}
}

func TestAQueryMayHoldWhatItsResultTakes(t *testing.T) {
	e := New(Options{MaxSamples: 100})
	if _, err := e.Instant(t.Context(), steadyData(20), "up", now, QueryOptions{}); err != nil {
		t.Error(err)
	}
	res, err := e.Range(t.Context(), steadyData(20), "sum(up)", now, now.Add(20*time.Second), time.Second, QueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if peak := res.Stats.Samples.PeakSamples; peak < 20 || peak > 100 {
		t.Errorf("peak of %d samples", peak)
	}
}

func TestStatsHaveTheShapeOfTheAPI(t *testing.T) {
	res, err := New(Options{}).Instant(t.Context(), steadyData(2), "rate(up[1m])", now, QueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Stats.Samples.SamplesReadPerStep != nil {
		t.Error("there are numbers of steps nobody asked for")
	}
	var got map[string]map[string]float64
	text, _ := json.Marshal(res.Stats)
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"evalTotalTime", "resultSortTime", "queryPreparationTime", "innerEvalTime", "execQueueTime", "execTotalTime"} {
		if _, ok := got["timings"][name]; !ok {
			t.Errorf("no %s in %s", name, text)
		}
	}
	if n := got["samples"]["totalQueryableSamples"]; n != 8 {
		t.Errorf("%v samples, want 4 of each series: %s", n, text)
	}
	if n := got["samples"]["samplesRead"]; n != 8 {
		t.Errorf("%v samples read, want 8: %s", n, text)
	}
	if got["samples"]["peakSamples"] == 0 {
		t.Errorf("no peak: %s", text)
	}
}

func TestStatsByStep(t *testing.T) {
	res, err := New(Options{}).Range(t.Context(), steadyData(1), "rate(up[1m])", now, now.Add(15*time.Second), 15*time.Second, QueryOptions{PerStep: true})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(res.Stats.Samples.SamplesReadPerStep)
	if want := fmt.Sprintf("[[%d,4],[%d,1]]", now.Unix(), now.Unix()+15); string(got) != want {
		t.Errorf("read %s, want %s", got, want)
	}
	got, _ = json.Marshal(res.Stats.Samples.TotalQueryableSamplesPerStep)
	if want := fmt.Sprintf("[[%d,4],[%d,4]]", now.Unix(), now.Unix()+15); string(got) != want {
		t.Errorf("looked at %s, want %s", got, want)
	}
}

func TestRemarksHaveTheirPlace(t *testing.T) {
	res, err := New(Options{}).Instant(t.Context(), steadyData(1), "quantile(2, up) or  rate(up[5m])", now, QueryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"; len(res.Warnings) != 1 || res.Warnings[0] != want {
		t.Errorf("warnings %q, want %q", res.Warnings, want)
	}
	if want := `PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "up" (1:26)`; len(res.Infos) != 1 || res.Infos[0] != want {
		t.Errorf("infos %q, want %q", res.Infos, want)
	}
}

// slow is a storage whose columns wait for the end of the query.
type slow struct {
	memory
	started chan struct{}
	release chan struct{}
}

func (s slow) Querier(int64, int64) (storage.Querier, error) {
	return slowQuerier{memoryQuerier{s.memory}, s}, nil
}

type slowQuerier struct {
	memoryQuerier
	s slow
}

func (q slowQuerier) Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	q.s.started <- struct{}{}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-q.s.release:
		return q.memoryQuerier.Select(ctx, mint, maxt, ms...)
	}
}

func newSlow() slow {
	return slow{steadyData(1), make(chan struct{}, 1000), make(chan struct{})}
}

func TestAQueryEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := New(Options{Timeout: 3 * time.Second}).Instant(t.Context(), newSlow(), "up", now, QueryOptions{})
		if !errors.Is(err, ErrTimeout) || err.Error() != "query timed out in expression evaluation" {
			t.Errorf("error %v", err)
		}
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("after %s", d)
		}
	})
}

func TestAQueryEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := New(Options{}).Instant(ctx, newSlow(), "up", now, QueryOptions{})
		if !errors.Is(err, ErrCanceled) || err.Error() != "query was canceled in expression evaluation" {
			t.Errorf("error %v", err)
		}
	})
}

func TestAScanStopsBetweenSeries(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, expr := range []string{"up", "rate(up[5m])", "up[5m]", "sum(up)", "up + up", "max_over_time(up[5m:1m])"} {
		if _, err := New(Options{}).Instant(ctx, steadyData(3), expr, now, QueryOptions{}); !errors.Is(err, ErrCanceled) {
			t.Errorf("%s: error %v", expr, err)
		}
	}
}

func TestOnlySoManyQueriesRunAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{MaxConcurrency: 2})
		s := newSlow()
		done := make(chan error, 100)
		const all = 2 + 2*waitersPerQuery
		for range all {
			go func() {
				_, err := e.Instant(t.Context(), s, "up", now, QueryOptions{})
				done <- err
			}()
		}
		synctest.Wait()
		if n := len(s.started); n != 2 {
			t.Errorf("%d run at the same time, want 2", n)
		}
		if got := testutil.ToFloat64(e.metrics.queries); got != all {
			t.Errorf("%v queries are shown to run or wait, want %d", got, all)
		}
		if _, err := e.Instant(t.Context(), s, "up", now, QueryOptions{}); !errors.Is(err, ErrTooManyQueries) {
			t.Errorf("one too many: %v", err)
		}
		close(s.release)
		for range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := len(s.started); n != all {
			t.Errorf("%d ran", n)
		}
	})
}

func TestWaitingCountsTowardsTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{MaxConcurrency: 1, Timeout: time.Minute})
		s := newSlow()
		go e.Instant(t.Context(), s, "up", now, QueryOptions{})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := e.Instant(ctx, s, "up", now, QueryOptions{}); !errors.Is(err, ErrTimeout) {
			t.Errorf("error %v", err)
		}
		close(s.release)
	})
}

// damaged is a group that can't be decoded.
type damaged struct{ *columns }

var errDamage = errors.New("data/0001/data: page 7 is damaged")

func (damaged) Values(int, int, int, []float64) ([]float64, error) { return nil, errDamage }

type damagedStorage struct{ memory }

func (d damagedStorage) Querier(int64, int64) (storage.Querier, error) {
	return damagedQuerier{memoryQuerier(d)}, nil
}

type damagedQuerier struct{ memoryQuerier }

func (q damagedQuerier) Select(context.Context, int64, int64, ...*labels.Matcher) ([]storage.Columns, error) {
	return []storage.Columns{damaged{q.memory[0]}}, nil
}

func TestDamageIsPassedOn(t *testing.T) {
	for _, expr := range []string{"up", "rate(up[5m])", "up[5m]", "sum(up)", "topk(1, up)", "up and up"} {
		if _, err := New(Options{}).Instant(t.Context(), damagedStorage{steadyData(3)}, expr, now, QueryOptions{}); !errors.Is(err, errDamage) || !errors.Is(err, ErrStorage) || err.Error() != errDamage.Error() {
			t.Errorf("%s: error %v", expr, err)
		}
	}
}

// broken is a group that breaks its contract.
type broken struct{ damaged }

func (broken) Times() []int64 { panic("no times") }

func TestAPanicFailsOneQuery(t *testing.T) {
	reg := prometheus.NewRegistry()
	e := New(Options{MaxConcurrency: 1, Registerer: reg})
	for range 3 { // the place in the queue is given back
		_, err := e.Instant(t.Context(), brokenStorage{}, "up", now, QueryOptions{})
		if err == nil || err.Error() != "unexpected error: no times" {
			t.Errorf("error %v", err)
		}
	}
}

type brokenStorage struct{}

func (brokenStorage) Querier(int64, int64) (storage.Querier, error) { return brokenQuerier{}, nil }

type brokenQuerier struct{ memoryQuerier }

func (brokenQuerier) Select(context.Context, int64, int64, ...*labels.Matcher) ([]storage.Columns, error) {
	return []storage.Columns{broken{damaged{steadyData(1)[0]}}}, nil
}

// wide is a query whose windows hold so many samples that they are computed in batches.
func wide() (memory, queryCase) {
	s := model.Series{Labels: labels.FromStrings("__name__", "x_total")}
	for k := range int64(3000) {
		s.Samples = append(s.Samples, model.Sample{T: dataStart + k*1000, V: float64(k%1000) / 3})
	}
	at := time.UnixMilli(dataStart)
	return memory{floatColumns([]model.Series{s})}, queryCase{"", at, at.Add(3000 * time.Second), time.Second, 0}
}

func TestWideWindowsAreComputedInBatches(t *testing.T) {
	data, c := wide()
	for _, c.expr = range []string{`rate(x_total[50m])`, `quantile_over_time(scalar(x_total) / 400, x_total[40m])`, `predict_linear(x_total[50m] offset 10s, time())`} {
		for _, both := range []both{newBoth(t, false), newBoth(t, false).helped()} {
			if diff, lines, want, got := both.compare(data, c); diff != "" || lines < 2000 || want+got != "" {
				t.Errorf("%s: %d lines, %s", c.expr, lines, diff)
			}
		}
	}
}

// long is a query of a series so long that it is computed some steps at a time. Some samples are missing.
func long() (memory, queryCase) {
	s := model.Series{Labels: labels.FromStrings("__name__", "x_total")}
	for k := range int64(600_000) {
		if k%100 < 97 && (k < 200_000 || k > 450_000) {
			s.Samples = append(s.Samples, model.Sample{T: dataStart + k*1000, V: float64(k%1009) / 3})
		}
	}
	at := time.UnixMilli(dataStart)
	return memory{floatColumns([]model.Series{s})}, queryCase{"", at, at.Add(600_000 * time.Second), 1711 * time.Second, 0}
}

func TestLongSeriesAreComputedSomeStepsAtATime(t *testing.T) {
	data, c := long()
	for _, c.expr = range []string{
		`rate(x_total[5m])`, `quantile_over_time(scalar(x_total) / 400, x_total[10m])`, `predict_linear(x_total[5m] offset 10s, time())`,
		`increase(x_total[1m] anchored)`, `max_over_time(x_total[20h])`,
	} {
		for _, both := range []both{newBoth(t, false), newBoth(t, false).helped()} {
			if diff, lines, want, got := both.compare(data, c); diff != "" || lines < 200 || want+got != "" {
				t.Errorf("%s: %d lines, %s", c.expr, lines, diff)
			}
		}
	}
}
