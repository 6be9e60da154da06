package promql

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// ErrNoMemory is a query that was stopped because all queries together may hold no more.
var ErrNoMemory = errors.New("queries have no memory left")

// ledger is the memory that all queries share. A part of it is for rules only. When there is no more, the largest query
// that is not a rule's has to go, whoever asks.
type ledger struct {
	mu struct {
		sync.Mutex
		limit    int64 // bytes
		reserve  int64 // bytes of it that only rules get
		most     int64 // the largest that limit was
		rulesGet int64 // reserve at that
		accounts map[*account]bool
		used     int64
		rules    int64 // of used
		refusals int
		freed    chan struct{} // closed when an account is
	}
}

func newLedger(limit, reserve int64) *ledger {
	l := &ledger{}
	l.mu.limit, l.mu.most, l.mu.reserve, l.mu.rulesGet = limit, limit, reserve, reserve
	l.mu.accounts = map[*account]bool{}
	l.mu.freed = make(chan struct{})
	return l
}

// set makes the limit another one; what is reserved for rules changes alike. If more is held already, the largest query
// that is not a rule's is ended. It returns how many bytes are held.
func (l *ledger) set(limit int64) (used int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.limit, l.mu.most = limit, max(limit, l.mu.most)
	l.mu.reserve = int64(float64(l.mu.rulesGet) * min(1, float64(limit)/float64(l.mu.most)))
	if l.mu.used <= limit {
		return l.mu.used
	}
	var largest *account
	for a := range l.mu.accounts {
		if a.stopped && a.held > 0 {
			return l.mu.used // it is on its way out
		}
		if !a.rule && a.held > 0 && (largest == nil || a.held > largest.held) {
			largest = a
		}
	}
	if largest != nil {
		largest.stopped = true
		largest.stop(l.refusal(largest, l.mu.used-limit, 0))
	}
	return l.mu.used
}

// now returns how many bytes are held, and how often a query was refused or ended.
func (l *ledger) now() (used int64, refusals int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.used, l.mu.refusals
}

// account is what one query holds. stop ends the query.
type account struct {
	of      *ledger
	rule    bool
	stop    func(error)
	held    int64 // under of.mu
	stopped bool  // likewise
}

func (l *ledger) open(rule bool, stop func(error)) *account {
	a := &account{of: l, rule: rule, stop: stop}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.accounts[a] = true
	return a
}

// close gives back all that the account holds.
func (a *account) close() {
	l := a.of
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(a, -a.held)
	delete(l.mu.accounts, a)
	close(l.mu.freed)
	l.mu.freed = make(chan struct{})
}

// holds returns how many bytes the query holds.
func (a *account) holds() int64 {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	return a.held
}

func (l *ledger) add(a *account, bytes int64) {
	a.held += bytes
	l.mu.used += bytes
	if a.rule {
		l.mu.rules += bytes
	}
}

// Take takes need bytes, or wish if there are as many, and returns how many it were. It waits for a query that it had
// to stop.
func (a *account) Take(ctx context.Context, need, wish int64) (int64, error) {
	for {
		got, wait, err := a.try(need, wish)
		if wait == nil {
			return got, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// try is Take that says, with wait, that it has to be tried again.
func (a *account) try(need, wish int64) (got int64, wait <-chan struct{}, err error) {
	l := a.of
	l.mu.Lock()
	defer l.mu.Unlock()
	free := l.mu.limit - l.mu.used
	if !a.rule {
		free -= max(0, l.mu.reserve-l.mu.rules)
	}
	for _, n := range []int64{wish, need} {
		if n <= free {
			l.add(a, n)
			return n, nil, nil
		}
	}
	if a.stopped {
		return 0, nil, l.refusal(a, need, free)
	}
	largest, leaving := a, false
	for b := range l.mu.accounts {
		leaving = leaving || b.stopped && b.held > 0
		switch {
		case b.rule || b == a:
		case largest.rule, b.held > largest.size(a, need):
			largest = b
		}
	}
	switch {
	case leaving:
		return 0, l.mu.freed, nil
	case largest == a || largest.held == 0:
		return 0, nil, l.refusal(a, need, free)
	}
	largest.stopped = true
	largest.stop(l.refusal(largest, need, free))
	return 0, l.mu.freed, nil
}

// size returns what b holds, or is about to if it is the one that asks.
func (b *account) size(asks *account, need int64) int64 {
	if b == asks {
		return b.held + need
	}
	return b.held
}

// refusal is what the query of a is told.
func (l *ledger) refusal(a *account, need, free int64) error {
	l.mu.refusals++
	by := "[query] max_memory"
	if l.mu.limit < l.mu.most {
		by += ", of which [limits] memory leaves no more"
	}
	which := "this one, the largest,"
	if a.rule {
		which = "this one, of a rule,"
	}
	return fmt.Errorf("%w: all together may hold %s (%s), %s of it for rules, and %s more than is left were needed; "+
		"%s held %s: ask for less at a time, or raise the limit",
		ErrNoMemory, bytesText(l.mu.limit), by, bytesText(l.mu.reserve), bytesText(need-max(free, 0)), which, bytesText(a.held))
}

// bytesText returns a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
