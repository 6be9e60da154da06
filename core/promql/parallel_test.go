package promql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/exec"
	"github.com/hearth-project/hearth/core/storage"
)

// withHelpers returns an engine that takes helpers for every scan.
func withHelpers(n int, o Options) *Engine {
	e := New(o)
	e.helpers, e.worth = exec.NewHelpers(n), 1
	return e
}

func TestHelpersChangeNothing(t *testing.T) {
	data := steadyData(26)
	for _, expr := range []string{
		"up", "rate(up[2m])", "sum(up)", "topk(3, up)", "up / 2 + up", "max_over_time(sum_over_time(up[1m])[3m:30s])",
		"quantile_over_time(2, up[1m])", "up smoothed", "histogram_quantile(0.5, label_replace(rate(up[2m]), \"le\", \"+Inf\", \"i\", \"a\"))",
	} {
		var want *Result
		for helpers := range 4 {
			e := withHelpers(helpers, Options{Syntax: syntax})
			got, err := e.Range(t.Context(), data, expr, now, now.Add(10*time.Minute), 7*time.Second, QueryOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			for _, part := range [][2]any{{got.Value, want.Value}, {got.Warnings, want.Warnings}, {got.Infos, want.Infos}, {got.Stats.Samples.TotalQueryableSamples, want.Stats.Samples.TotalQueryableSamples}} {
				if is, should := fmt.Sprint(part[0]), fmt.Sprint(part[1]); is != should {
					t.Errorf("%s with %d helpers: %.200s, want %.200s", expr, helpers, is, should)
				}
			}
		}
	}
}

func TestHelpersFailAsOneWould(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		data storage.Queryable
		expr string
		o    Options
		want string
	}{
		{"damage", t.Context(), damagedStorage{steadyData(20)}, "sum(rate(up[5m]))", Options{}, errDamage.Error()},
		{"a bug", t.Context(), brokenStorage{}, "up", Options{}, "unexpected error: no times"},
		{"the end of the caller", canceled, steadyData(20), "rate(up[5m])", Options{}, ErrCanceled.Error()},
		{"a bad argument", t.Context(), steadyData(20), "double_exponential_smoothing(up[5m], 2, 0.5)", Options{Syntax: syntax}, "invalid smoothing factor. Expected: 0 < sf < 1, got: 2.000000"},
		{"series that collide", t.Context(), steadyData(20), `label_replace(up, "i", "x", "i", ".*")`, Options{}, "vector cannot contain metrics with the same labelset"},
		{"too many samples", t.Context(), steadyData(20), "up", Options{MaxSamples: 20}, ErrTooManySamples.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := withHelpers(3, tt.o)
			_, err := e.Range(tt.ctx, tt.data, tt.expr, now, now.Add(time.Minute), time.Second, QueryOptions{})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if _, err := e.Instant(t.Context(), steadyData(2), "up", now, QueryOptions{}); err != nil {
				t.Errorf("and afterwards: %v", err)
			}
		})
	}
}

// counted tells how many goroutines read it at the same time.
type counted struct {
	*columns
	inside, most *atomic.Int64
}

func (c counted) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	n := c.inside.Add(1)
	defer c.inside.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	time.Sleep(10 * time.Microsecond) // makes them meet
	return c.columns.Values(i, lo, hi, dst)
}

type countedStorage struct {
	memory
	inside, most atomic.Int64
}

func (s *countedStorage) Querier(int64, int64) (storage.Querier, error) {
	return s.memory.countedBy(&s.inside, &s.most), nil
}

func (m memory) countedBy(inside, most *atomic.Int64) storage.Querier {
	return countedQuerier{memoryQuerier{m}, inside, most}
}

type countedQuerier struct {
	memoryQuerier
	inside, most *atomic.Int64
}

func (q countedQuerier) Select(context.Context, int64, int64, ...*labels.Matcher) ([]storage.Columns, error) {
	return []storage.Columns{counted{q.memory[0], q.inside, q.most}}, nil
}

func TestHelpersAreForAllQueriesTogether(t *testing.T) {
	const queries, helpers = 8, 2
	e := withHelpers(helpers, Options{})
	data := &countedStorage{memory: steadyData(26)}
	var wg sync.WaitGroup
	errs := make([]error, queries)
	for i := range queries {
		wg.Go(func() {
			res, err := e.Range(t.Context(), data, "sum(rate(up[2m]))", now, now.Add(10*time.Minute), 10*time.Second, QueryOptions{})
			if errs[i] = err; err == nil && fmt.Sprint(res.Value) == "" {
				errs[i] = errors.New("no result")
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if most := data.most.Load(); most > queries+helpers {
		t.Errorf("%d goroutines for %d queries and %d helpers", most, queries, helpers)
	}
}
