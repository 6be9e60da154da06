package promql

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Caller is who asks, as the one who takes the request knows: a client, or a group of rules.
type Caller struct {
	UserAgent  string `json:"userAgent,omitempty"`
	RemoteAddr string `json:"remoteAddr,omitempty"`
	Method     string `json:"method,omitempty"` // of the request
	Path       string `json:"path,omitempty"`   // likewise
	RuleFile   string `json:"ruleFile,omitempty"`
	RuleGroup  string `json:"ruleGroup,omitempty"`
}

// ip returns the address of a client without its port.
func (c Caller) ip() string {
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		return c.RemoteAddr
	}
	return host
}

// Running is a query that runs or waits for its turn.
type Running struct {
	ID      uint64    `json:"id"` // within this process
	Query   string    `json:"query"`
	Start   time.Time `json:"start"` // of the range; the time of an instant query
	End     time.Time `json:"end"`
	Step    float64   `json:"step"` // seconds; 0 for an instant query
	Caller  Caller    `json:"caller"`
	Rule    bool      `json:"rule"`    // it is a rule's
	Since   time.Time `json:"since"`   // when it was asked
	Waiting bool      `json:"waiting"` // for its turn
	Samples int64     `json:"samples"` // looked at so far, counted for each step that does
	Bytes   int64     `json:"bytes"`   // of memory it has
}

// active is a query between its begin and its end.
type active struct {
	Running
	stop    context.CancelCauseFunc
	account *account
	samples atomic.Int64
	runs    atomic.Bool
}

// registry is all active queries.
type registry struct {
	mu struct {
		sync.Mutex
		last    uint64 // ID
		queries map[uint64]*active
	}
}

// begin makes a query active. What is in the result under a lock or atomic is set as it runs.
func (e *Engine) begin(r request, stop context.CancelCauseFunc) *active {
	a := &active{stop: stop, account: e.ledger.open(r.rule, stop)}
	a.Running = Running{
		Query: r.expr, Start: r.start, End: r.end, Step: r.step.Seconds(), Caller: r.caller, Rule: r.rule, Since: time.Now(),
	}
	e.active.mu.Lock()
	defer e.active.mu.Unlock()
	e.active.mu.last++
	a.ID = e.active.mu.last
	if e.active.mu.queries == nil {
		e.active.mu.queries = map[uint64]*active{}
	}
	e.active.mu.queries[a.ID] = a
	return a
}

func (e *Engine) end(a *active) {
	e.active.mu.Lock()
	delete(e.active.mu.queries, a.ID)
	e.active.mu.Unlock()
	a.account.close()
}

// Running returns the queries that run or wait, the oldest first.
func (e *Engine) Running() []Running {
	e.active.mu.Lock()
	defer e.active.mu.Unlock()
	out := []Running{}
	for _, a := range e.active.mu.queries {
		r := a.Running
		r.Waiting, r.Samples, r.Bytes = !a.runs.Load(), a.samples.Load(), a.account.holds()
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Running) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Cancel ends a query, which then fails with ErrCanceled. It is false if there is no such query, or no longer.
func (e *Engine) Cancel(id uint64) bool {
	e.active.mu.Lock()
	defer e.active.mu.Unlock()
	a, ok := e.active.mu.queries[id]
	if ok {
		a.stop(ErrCanceled)
	}
	return ok
}
