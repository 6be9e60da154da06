package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/storage"
)

// ErrTooManySamples is a query that would hold more than it may.
var ErrTooManySamples = errors.New("query processing would load too many samples into memory in query execution")

// ErrStorage is a query that failed because what is stored can't be read.
var ErrStorage = errors.New("storage error")

// unread is an error of the storage: it has the storage's own text.
type unread struct{ error }

func (e unread) Unwrap() error        { return e.error }
func (e unread) Is(target error) bool { return target == ErrStorage }

// ofStorage marks err, if it is one, as the storage's.
func ofStorage(err error) error {
	if err == nil {
		return nil
	}
	return unread{err}
}

var errSameLabels = errors.New("vector cannot contain metrics with the same labelset")

const (
	cellsPerSample = 2 // a sample is 16 bytes in upstream's accounts; a cell of a column is 8
	seriesCells    = 2 // charged for each selected series: where it is and its labels
)

// query is one evaluation: its limits, what it holds, what it has read, what it has to remark.
type query struct {
	ctx     context.Context
	delayed bool // names are removed at the end
	typed   bool // series tell their type in a label
	pool    *Pool
	helpers *Helpers

	worthHelp   int
	stretchRows int

	budget     int64        // cells
	account    Account      // where memory comes from; nil is the budget alone
	granted    atomic.Int64 // cells, of what the account has
	growing    sync.Mutex
	used, peak atomic.Int64  // cells; helpers charge, too
	held       atomic.Int64  // cells, of what the account has, that are no samples: what is selected, and its labels
	samples    *atomic.Int64 // read, counted for each step that looks at them

	maxSeries      int   // of the result; 0 is no limit
	maxResultBytes int64 // likewise
	resultBytes    int64

	text    string       // of the query, for traces
	tracing bool         // what is charged is counted
	charged atomic.Int64 // cells, given back or not
	began   time.Time

	scans      []*selection
	byKey      map[string]*selection
	reads      bool // something is read from the storage, in mint..maxt
	mint, maxt int64
	from       storage.Querier // while the query runs, if it reads

	annos annotations.Annotations
}

func newQuery(ctx context.Context, o Options) *query {
	if o.Samples == nil {
		o.Samples = new(atomic.Int64)
	}
	return &query{
		ctx: ctx, delayed: o.DelayedNames, typed: o.TypeLabels, pool: o.Pool, helpers: o.Helpers, byKey: map[string]*selection{},
		text: o.Query, tracing: o.Explain, began: time.Now(),
		account: o.Account, samples: o.Samples, maxSeries: o.MaxSeries, maxResultBytes: o.MaxResultBytes,
		worthHelp: cmp.Or(o.WorthHelp, worthHelp), stretchRows: cmp.Or(o.StretchRows, stretchRows),
		budget: int64(min(o.MaxSamples, math.MaxInt/cellsPerSample) * cellsPerSample),
		mint:   math.MaxInt64, maxt: math.MinInt64,
	}
}

// charge takes cells from the budget, before they are allocated.
func (q *query) charge(cells int) error {
	if q.tracing {
		q.charged.Add(int64(cells))
	}
	used := q.used.Add(int64(cells))
	for peak := q.peak.Load(); used > peak; peak = q.peak.Load() {
		if q.peak.CompareAndSwap(peak, used) {
			break
		}
	}
	if used > q.budget {
		more := (used - q.budget + cellsPerSample - 1) / cellsPerSample
		return fmt.Errorf("%w: %d more than the %d that [query] max_samples lets a query hold", ErrTooManySamples, more, q.budget/cellsPerSample)
	}
	return q.cover(used + q.held.Load())
}

// hold takes memory for what is no samples and stays as long as the query.
func (q *query) hold(bytes int) error {
	cells := int64(bytes+cellBytes-1) / cellBytes
	return q.cover(q.held.Add(cells) + q.used.Load())
}

// cover sees to it that the account has so many cells.
func (q *query) cover(cells int64) error {
	if q.account != nil && cells > q.granted.Load() {
		return q.grow(cells)
	}
	return nil
}

// Account is where evaluations take their memory from. Take takes need bytes, or wish if it can, and returns how many.
type Account interface {
	Take(ctx context.Context, need, wish int64) (int64, error)
}

const (
	cellBytes  = 8
	grantCells = 128 << 10 // that are taken at a time
)

// grow takes memory so that so many cells can be held.
func (q *query) grow(cells int64) error {
	q.growing.Lock()
	defer q.growing.Unlock()
	more := cells - q.granted.Load()
	if more <= 0 {
		return nil
	}
	got, err := q.account.Take(q.ctx, more*cellBytes, max(more, grantCells)*cellBytes)
	q.granted.Add(got / cellBytes)
	return err
}

func (q *query) release(cells int) { q.used.Add(-int64(cells)) }

// column allocates a column of n steps. Its content is undefined.
func (q *query) column(n int) ([]float64, error) {
	if err := q.charge(n); err != nil {
		return nil, err
	}
	return make([]float64, n), nil
}

// holes allocates a column of n steps without values.
func (q *query) holes(n int) ([]float64, error) {
	col, err := q.column(n)
	fill(col, storage.Absent)
	return col, err
}

func (q *query) annotate(err error) { q.annos.Add(err) }

// selection is the series of one selector over a time range, shared by all scans of the query that ask for the same.
type selection struct {
	mint, maxt int64
	matchers   []*labels.Matcher
	src        *source // after resolve

	scans   int // that read it
	counted int // of these, which look at neither labels nor order
}

// reach says that something in mint..maxt will be read. It must come before open.
func (q *query) reach(mint, maxt int64) {
	q.reads, q.mint, q.maxt = true, min(q.mint, mint), max(q.maxt, maxt)
}

// register plans to select what ms match in mint..maxt. It must come before open.
func (q *query) register(mint, maxt int64, ms []*labels.Matcher) *selection {
	q.reach(mint, maxt)
	var key strings.Builder
	fmt.Fprint(&key, mint, maxt)
	for _, m := range ms {
		key.WriteByte(0xff)
		key.WriteString(m.String())
	}
	s := q.byKey[key.String()]
	if s == nil {
		s = &selection{mint: mint, maxt: maxt, matchers: ms}
		q.byKey[key.String()] = s
		q.scans = append(q.scans, s)
	}
	s.scans++
	return s
}

// open selects the series of all registered selections. The querier must stay open as long as q runs.
func (q *query) open(from storage.Querier) error {
	q.from = from
	for _, s := range q.scans {
		if err := q.resolve(s); err != nil {
			return err
		}
	}
	return nil
}

// resolve selects the series of s.
func (q *query) resolve(s *selection) error {
	var refused error
	ctx := storage.WithBudget(q.ctx, func(bytes int) error {
		refused = q.hold(bytes)
		return refused
	})
	cols, err := q.from.Select(ctx, s.mint, s.maxt, s.matchers...)
	switch {
	case refused != nil:
		return refused
	case err != nil:
		return ofStorage(fmt.Errorf("expanding series: %w", err))
	}
	s.src, err = newSource(q, cols, s.counted > 0 && s.counted == s.scans)
	return err
}
