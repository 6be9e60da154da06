// Package promql evaluates PromQL: one call from the text of a query to its result.
//
// The text is parsed by upstream's parser, so the language never drifts. plan makes a logical plan of the syntax tree,
// exec operators that pass columns of float64 on, fn is their arithmetic. Storage is read as columns, group by group:
// what follows from timestamps alone, such as which samples a window holds and how far rate extrapolates, is computed
// once for a group and not for each of its series. Results have the bits, and errors and annotations the words, of
// Prometheus v0.315.0; tests hold both engines side by side. Native histograms are columns of buckets in the storage and,
// where a sum of rates allows it, in the engine; else they are made histogram by histogram.
package promql

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/promql/callout"
	"github.com/hearth-project/hearth/core/promql/exec"
)

// Options tunes an Engine; the zero value is ready to use.
type Options struct {
	Lookback       time.Duration // how far back an instant selector looks; 0 means 5m
	Timeout        time.Duration // of one query, waiting included; 0 means 2m
	MaxSamples     int           // one query may hold at a time, a sample counting 16 bytes; 0 means 50,000,000
	MaxConcurrency int           // queries at the same time; 0 means 20. As many times 16 may wait, more are refused
	SubqueryStep   time.Duration // of subqueries that give none; 0 means 1m

	SubqueryStepNow func() time.Duration // in place of SubqueryStep, asked at each query: for one that changes; nil is SubqueryStep

	MaxMemory      int64 // bytes that all queries together may hold; 0 means 1 GiB. The largest one goes when there is no more
	RuleMemory     int64 // of it for rules only; 0 means a quarter
	MaxSeries      int   // of a result; 0 is no limit
	MaxResultBytes int64 // of the samples and labels of a result; 0 is no limit
	MaxQueryLength int   // bytes of a query's text; 0 means 256 KiB
	MaxNesting     int   // levels of parentheses and the like in a query; 0 means 1000
	MaxRegexLength int   // bytes of a regular expression; 0 means 64 KiB

	Threads int // that large queries use, all of them together besides one each; 0 means GOMAXPROCS

	Syntax       parser.Options // experimental syntax that is allowed; duration expressions always are. See also Enable
	DelayedNames bool           // remove metric names at the end of a query only (upstream's promql-delayed-name-removal)

	StartTimestamps bool // start timestamps of samples matter to rate and its kin, and start_timestamp has a result (upstream's use-start-timestamps)

	TypeLabels bool // series tell their type in __type__: what is no counter is known by it, not by its name (of upstream's type-and-unit-labels)

	// Elsewhere is asked about a function that neither PromQL nor SetFunctions has. What it returns, if it knows
	// something, is said in the error. Nil knows nothing.
	Elsewhere func(name string) string

	FS        vfs.FS // where ActiveLog is
	ActiveLog string // file that has the queries that run, so that they are known after a crash; empty is none

	Logger     *slog.Logger // nil discards
	Registerer prometheus.Registerer
}

// Engine evaluates queries. Safe for concurrent use; the zero value is not ready, use New.
type Engine struct {
	opts    Options
	parser  *language
	queue   *queue
	pool    exec.Pool
	helpers *exec.Helpers
	ledger  *ledger
	active  registry
	running *activeLog

	queryLog queryLog

	worth   int // of exec.Options.WorthHelp, for tests
	stretch int // of exec.Options.StretchRows, likewise
	log     *slog.Logger
	metrics *metrics
}

// New returns an engine.
func New(o Options) *Engine {
	o.Lookback = orDefault(o.Lookback, 5*time.Minute)
	o.Timeout = orDefault(o.Timeout, 2*time.Minute)
	o.MaxSamples = orDefault(o.MaxSamples, 50_000_000)
	o.MaxConcurrency = orDefault(o.MaxConcurrency, 20)
	o.SubqueryStep = orDefault(o.SubqueryStep, time.Minute)
	o.MaxMemory = orDefault(o.MaxMemory, 1<<30)
	o.RuleMemory = orDefault(o.RuleMemory, o.MaxMemory/4)
	o.MaxQueryLength = orDefault(o.MaxQueryLength, 256<<10)
	o.MaxNesting = orDefault(o.MaxNesting, 1000)
	o.MaxRegexLength = orDefault(o.MaxRegexLength, 64<<10)
	o.Threads = orDefault(o.Threads, runtime.GOMAXPROCS(0))
	o.Syntax.ExperimentalDurationExpr = true
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		opts:    o,
		parser:  newLanguage(o.Syntax, o.Elsewhere),
		queue:   newQueue(o.MaxConcurrency),
		helpers: exec.NewHelpers(o.Threads - 1),
		ledger:  newLedger(o.MaxMemory, o.RuleMemory),
		log:     o.Logger,
	}
	e.metrics = newMetrics(o.Registerer, o.MaxConcurrency, e.ledger)
	if o.ActiveLog != "" {
		e.running = openActiveLog(o.FS, o.ActiveLog, o.Logger)
	}
	return e
}

// SetMemory changes what all queries together may hold, in bytes, and returns what they hold now. If that is more, the
// largest query is ended, one at a call.
func (e *Engine) SetMemory(bytes int64) (held int64) { return e.ledger.set(bytes) }

// Close gives up the files of running and of past queries. There must be no queries any more, nor any later.
func (e *Engine) Close() error { return errors.Join(e.running.close(), e.SetQueryLog("")) }

// Parser returns the parser the engine uses.
func (e *Engine) Parser() parser.Parser { return e.parser }

// SetFunctions makes fs what queries can call besides PromQL's own functions, from the next query on. If one of
// them can't be called so, for its name or its arguments, nothing changes and the error says why.
func (e *Engine) SetFunctions(fs []callout.Function) error { return e.parser.set(fs) }

func orDefault[T int | int64 | time.Duration](v, standard T) T {
	if v <= 0 {
		return standard
	}
	return v
}
