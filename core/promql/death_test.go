package promql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// crowd is n series in one group, a sample every 15 s for 10 minutes.
func crowd(n int) memory {
	ss := make([]model.Series, n)
	for i := range ss {
		ss[i].Labels = labels.FromStrings("__name__", "crowd", "i", fmt.Sprintf("%06d", i), "job", "j")
		for k := range int64(40) {
			ss[i].Samples = append(ss[i].Samples, model.Sample{T: dataStart + k*15_000, V: float64(k)})
		}
	}
	return memory{floatColumns(ss)}
}

// TestQueriesOfDeath sends what would take a server down, while another query must go on answering.
func TestQueriesOfDeath(t *testing.T) {
	explosion := "crowd"
	for range 40 {
		explosion = `label_replace(` + explosion + `, "i", "$1$1$1$1", "i", "(.*)")`
	}
	e := New(Options{MaxSamples: 300_000, MaxMemory: 64 << 20})
	data := crowd(2000)
	done := make(chan struct{})
	var wg sync.WaitGroup
	answers := make(chan error, 1)
	wg.Go(func() {
		for {
			_, err := e.Instant(t.Context(), data, "count(crowd)", now, QueryOptions{})
			select {
			case answers <- err:
			case <-done:
				return
			}
		}
	})
	const held = "more than the 300000 that [query] max_samples lets a query hold"
	for _, tt := range []struct {
		name, expr string
		is         error
		says       string
	}{
		{"a cross join", `{__name__=~".+"} * on (job) group_left () {__name__=~".+"}`, nil, "found duplicate series for the match group"},
		{"a join of everything, step by step", `sum by (i) ({__name__=~".+"}) + on () group_left () sum by (i) ({__name__=~".+"})`, nil, "found duplicate series"},
		{"a month of seconds", `max_over_time({__name__=~".+"}[30d:1s])`, ErrTooManySamples, held},
		{"a month of seconds by itself", `{__name__=~".+"}[30d:1s]`, ErrTooManySamples, held},
		{"subqueries within subqueries", `max_over_time(max_over_time(max_over_time(crowd[1d:1s])[1d:1s])[1d:1s])`, ErrTooManySamples, held},
		{"parentheses in parentheses", strings.Repeat("(", 10_000) + "crowd" + strings.Repeat(")", 10_000), ErrParse, "1001: the query nests more than 1000 levels deep ([query] max_nesting)"},
		{"functions in functions", strings.Repeat("abs(", 10_000) + "crowd" + strings.Repeat(")", 10_000), ErrParse, "nests more than 1000 levels"},
		{"minus minus minus", strings.Repeat("-", 50_000) + "1", ErrParse, "nests more than 1000 levels"},
		{"a sum without end", "1" + strings.Repeat("+1", 50_000), ErrParse, "more than 5000 operators"},
		{"a power tower", "1" + strings.Repeat("^1", 50_000), ErrParse, "more than 5000 operators"},
		{"brackets that stay open", strings.Repeat("{", 100_000), ErrParse, ""},
		{"a query of a megabyte", `crowd{i="` + strings.Repeat("x", 1<<20) + `"}`, ErrParse, "at most 262144 are allowed ([query] max_query_length)"},
		{"a giant regular expression", `crowd{i=~"` + strings.Repeat("x|", 50_000) + `"}`, ErrParse, "at most 65536 are allowed ([query] max_regex_length)"},
		{"one that multiplies", `crowd{i=~"` + strings.Repeat("x{1000}", 2000) + `"}`, ErrParse, "repeats itself into"},
		{"a giant one in a function", `label_replace(crowd, "a", "$1", "i", "` + strings.Repeat("x{900}", 1000) + `")`, ErrParse, "repeats itself"},
		{"one of very many groups", `label_replace(crowd, "a", "$1", "i", "` + strings.Repeat("(.*)", 2000) + `")`, ErrParse, "has 2000 groups: at most 250 are allowed"},
		{"labels that explode", explosion, ErrTooManySamples, held},
		{"labels that are joined again and again", strings.Repeat(`label_join(`, 50) + "crowd" + strings.Repeat(`, "i", "-", "i", "i", "i", "i")`, 50), ErrTooManySamples, held},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := e.Instant(t.Context(), data, tt.expr, now, QueryOptions{})
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %.300v, want %v, %s", err, tt.is, tt.says)
			}
			if err := <-answers; err != nil {
				t.Errorf("another query: %v", err)
			}
		})
	}
	t.Run("a regular expression that others would be lost in", func(t *testing.T) {
		expr := `count(label_replace(crowd{i=~"(0*0*)*[0-9]+(.*)*"}, "i", "$1", "i", "(([0-9]+)+)+x?")) + count(crowd{i!~"(0+0+)+y"})`
		res, err := e.Instant(t.Context(), data, expr, now, QueryOptions{})
		if err != nil || res.Value.(model.Vector)[0].V != 4000 {
			t.Error(res, err)
		}
	})
	t.Run("everything at every millisecond", func(t *testing.T) {
		if _, err := e.Range(t.Context(), data, "crowd", now, now.Add(11*time.Second), time.Millisecond, QueryOptions{}); !errors.Is(err, ErrTooManySamples) {
			t.Error(err)
		}
	})
	close(done)
	wg.Wait()
	if used, _ := e.ledger.now(); used != 0 {
		t.Errorf("%d bytes are held when all is over", used)
	}
}

func TestResultsHaveTheirBounds(t *testing.T) {
	for _, tt := range []struct {
		name, expr string
		o          Options
		says       string
	}{
		{"as many series as allowed", "crowd", Options{MaxSeries: 10}, ""},
		{"too many series", "crowd", Options{MaxSeries: 9}, "the result is too large: it has more than 9 series ([query] max_result_series)"},
		{"many series folded", "sum(crowd)", Options{MaxSeries: 1}, ""},
		{"too many bytes", "crowd", Options{MaxResultBytes: 399}, "the result is too large: it has more than 399 bytes ([query] max_result_size)"},
		{"too many samples of ranges", "crowd[5m]", Options{MaxResultBytes: 3000}, "the result is too large"},
		{"bytes that are allowed", "crowd", Options{MaxResultBytes: 400}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.o).Instant(t.Context(), crowd(10), tt.expr, now, QueryOptions{})
			switch {
			case tt.says == "" && err != nil, tt.says != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.says) || !errors.Is(err, ErrLargeResult)):
				t.Errorf("error %v, want %s", err, tt.says)
			}
		})
	}
}

// parked is a storage whose columns, from some series on, wait for the end of the query.
type parked struct {
	memory
	from  int
	there chan struct{} // told when a query waits
}

func (p parked) Querier(int64, int64) (storage.Querier, error) {
	return parkedQuerier{memoryQuerier{p.memory}, p}, nil
}

type parkedQuerier struct {
	memoryQuerier
	p parked
}

func (q parkedQuerier) Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	cols, err := q.memoryQuerier.Select(ctx, mint, maxt, ms...)
	for i := range cols {
		cols[i] = parkedColumns{cols[i], ctx, q.p}
	}
	return cols, err
}

type parkedColumns struct {
	storage.Columns
	ctx context.Context
	p   parked
}

func (c parkedColumns) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	if i == c.p.from {
		c.p.there <- struct{}{}
		<-c.ctx.Done()
	}
	return c.Columns.Values(i, lo, hi, dst)
}

// TestTheLargestQueryMakesRoom holds most of the memory with a query, and asks two more: one of a rule has its share, and
// for the other the first has to go.
func TestTheLargestQueryMakesRoom(t *testing.T) {
	e := New(Options{MaxMemory: 4 << 20, Threads: 1})
	data := crowd(2000)
	ask := func(from storage.Queryable, steps int) error { // 16 kB a step
		end := now.Add(-5*time.Minute + time.Duration(steps-1)*time.Second)
		_, err := e.Range(t.Context(), from, "crowd * 2", now.Add(-5*time.Minute), end, time.Second, QueryOptions{})
		return err
	}
	large, there := make(chan error), make(chan struct{})
	go func() { large <- ask(parked{data, 1500, there}, 180) }() // some 2.2 MB by then
	<-there
	if _, err := e.Instant(t.Context(), data, "sum(crowd)", now, QueryOptions{Rule: true}); err != nil {
		t.Errorf("a rule: %v", err)
	}
	if len(e.Running()) != 1 {
		t.Error("the large query is gone when nobody needs its memory")
	}
	if err := ask(data, 100); err != nil {
		t.Errorf("the other: %v", err)
	}
	if err := <-large; !errors.Is(err, ErrNoMemory) || !strings.Contains(err.Error(), "all together may hold 4.0 MiB ([query] max_memory), 1.0 MiB of it for rules, and ") {
		t.Errorf("the large one: %v", err)
	}
	if used, refusals := e.ledger.now(); used != 0 || refusals != 1 {
		t.Errorf("%d bytes are held, %d queries were refused", used, refusals)
	}
}

// TestQueriesShareTheirMemory lets more queries in than memory allows, and nobody knows which have to go.
func TestQueriesShareTheirMemory(t *testing.T) {
	e := New(Options{MaxMemory: 8 << 20, MaxConcurrency: 8})
	data := crowd(2000)
	ask := func() error { // 200 steps of 2000 series: 3.2 MB of result
		_, err := e.Range(t.Context(), data, "crowd * 2", now.Add(-5*time.Minute), now.Add(-5*time.Minute+199*time.Second), time.Second, QueryOptions{})
		return err
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if err := ask(); err != nil && !errors.Is(err, ErrNoMemory) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used := e.ledger.mu.used; used != 0 || len(e.ledger.mu.accounts) != 0 {
		t.Errorf("%d bytes are held when all is over", used)
	}
	if err := ask(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestRunningQueriesAreShownAndCanceled(t *testing.T) {
	e, data := New(Options{MaxConcurrency: 1}), newSlow()
	done := make(chan error)
	ask := func(expr string) {
		_, err := e.Range(context.Background(), data, expr, now, now.Add(time.Minute), 15*time.Second, QueryOptions{Caller: Caller{UserAgent: "a browser", RemoteAddr: "10.0.0.1:99"}})
		done <- err
	}
	go ask("up")
	<-data.started
	go ask("sum(up)")
	var all []Running
	for len(all) < 2 {
		all = e.Running()
	}
	first, second := all[0], all[1]
	if first.Query != "up" || first.Waiting || first.Caller.UserAgent != "a browser" || first.Caller.RemoteAddr != "10.0.0.1:99" ||
		!first.Start.Equal(now) || first.Step != 15 || first.Since.IsZero() || second.Query != "sum(up)" || !second.Waiting {
		t.Errorf("%+v", all)
	}
	for _, r := range []Running{second, first} {
		if !e.Cancel(r.ID) {
			t.Errorf("%d can't be canceled", r.ID)
		}
		if err := <-done; !errors.Is(err, ErrCanceled) {
			t.Errorf("%s: %v", r.Query, err)
		}
	}
	if e.Cancel(first.ID) || e.Cancel(999) || len(e.Running()) != 0 {
		t.Errorf("still there: %+v", e.Running())
	}
}
