package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
)

// Pool is one use of a module: its instances have the same rights and settings. It is safe for concurrent use.
type Pool struct {
	module   *Module
	rights   Rights
	settings []byte // a JSON object
	logger   *slog.Logger
	lines    *guest.Rate
	refused  refusals

	// Guarded by Engine.mu.
	idle   []*instance // the one that was used last is last
	live   int         // idle or running
	closed bool
	done   chan struct{} // closed when closed and live is 0
}

// ErrClosed is what a call of a closed pool wraps.
var ErrClosed = guest.ErrClosed

// NewPool returns a pool without instances. settings is the JSON object each of them is configured with.
func (m *Module) NewPool(r Rights, settings []byte, logger *slog.Logger) *Pool {
	if logger == nil {
		logger = m.e.o.Logger
	}
	p := &Pool{module: m, rights: r, settings: settings, logger: logger, lines: guest.NewRate(time.Now), done: make(chan struct{})}
	p.refused.logger = logger
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	m.e.mu.pools[p] = struct{}{}
	return p
}

// Calls are the same for all forms of plugins.
type (
	Request = guest.Request
	Usage   = guest.Usage
)

// Call makes one call and returns the answer. It waits for an instance if all that may be are busy; ctx bounds that too.
// Errors are *GuestError, *Fault, or what Body returned.
func (p *Pool) Call(ctx context.Context, r Request) ([]byte, Usage, error) {
	i, err := p.acquire(ctx, r.Operation)
	if err != nil {
		return nil, Usage{}, err
	}
	i.begin(ctx, r.Target)
	out, err := p.call(ctx, i, r)
	i.log.end()
	u := Usage{Fuel: i.fuel, Refused: i.refusals}
	u.Received, u.Sent = i.net.Transferred()
	p.release(i, err)
	return out, u, err
}

func (p *Pool) call(ctx context.Context, i *instance, r Request) ([]byte, error) {
	if p.module.command {
		return i.runCommand(ctx, r)
	}
	if i.module == nil {
		if err := i.start(ctx, p.settings); err != nil {
			return nil, &startError{err}
		}
	}
	i.calls++
	body, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	return i.invoke(ctx, r.Operation, body)
}

// startError marks the failure of an instance's beginning: it can't be used, whatever the guest said.
type startError struct{ error }

func (e *startError) Unwrap() error { return e.error }

// acquire takes an idle instance or makes one.
func (p *Pool) acquire(ctx context.Context, op string) (*instance, error) {
	m, e := p.module, p.module.e
	for {
		if err := ctx.Err(); err != nil {
			return nil, noStart(ctx, op, "no time left to begin before the deadline")
		}
		e.mu.Lock()
		if p.closed {
			e.mu.Unlock()
			return nil, &Fault{Operation: op, Kind: NoStart, Message: ErrClosed.Error(), Err: ErrClosed}
		}
		if n := len(p.idle); n > 0 {
			i := p.idle[n-1]
			p.idle = p.idle[:n-1]
			e.mu.Unlock()
			return i, nil
		}
		if m.live < m.instances {
			m.live++
			p.live++
			e.mu.Unlock()
			i, err := p.newInstance()
			if err != nil {
				p.discard(i)
				return nil, &Fault{Operation: op, Kind: NoStart, Message: err.Error(), Err: err}
			}
			return i, nil
		}
		// Another use of this plugin may keep an instance it does not need now.
		if other := e.oldestIdle(func(q *Pool) bool { return q.module == m }); other != nil {
			e.mu.Unlock()
			other.pool.discard(other)
			continue
		}
		changed := m.changed
		m.waited = true
		e.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, noStart(ctx, op, fmt.Sprintf("all %d instances were busy until the deadline: raise limits.instances of its manifest, or call it less often", m.instances))
		}
	}
}

func noStart(ctx context.Context, op, message string) *Fault {
	f := &Fault{Operation: op, Kind: Deadline, Message: message, Err: ctx.Err()}
	if errors.Is(f.Err, context.Canceled) {
		f.Kind = Cancelled
	}
	return f
}

// release puts an instance back after a call, unless it is broken, worn or not needed any more.
func (p *Pool) release(i *instance, err error) {
	if guest.Broken(err) || unstarted(err) || p.module.command || i.module == nil || i.worn() {
		p.discard(i)
		return
	}
	e := p.module.e
	e.mu.Lock()
	if p.closed {
		e.mu.Unlock()
		p.discard(i)
		return
	}
	i.idle = time.Now()
	p.idle = append(p.idle, i)
	p.module.wake()
	e.mu.Unlock()
}

func unstarted(err error) bool {
	if err == nil {
		return false
	}
	var failed *startError
	return errors.As(err, &failed)
}

// wake tells those who wait for an instance to look again. Engine.mu is held.
func (m *Module) wake() {
	if m.waited {
		close(m.changed)
		m.changed, m.waited = make(chan struct{}), false
	}
}

// discard closes an instance that is in nobody's hands.
func (p *Pool) discard(i *instance) {
	i.close()
	e := p.module.e
	e.mu.Lock()
	defer e.mu.Unlock()
	p.module.live--
	p.live--
	p.module.wake()
	if p.closed && p.live == 0 {
		close(p.done)
	}
}

// Close gives all instances up. Calls under way end first, on their own: nothing is cut off.
func (p *Pool) Close() {
	e := p.module.e
	e.mu.Lock()
	if p.closed {
		e.mu.Unlock()
		<-p.done
		return
	}
	p.closed = true
	delete(e.mu.pools, p)
	idle := p.idle
	p.idle = nil
	if p.live == 0 {
		close(p.done)
	}
	p.module.wake()
	e.mu.Unlock()
	for _, i := range idle {
		p.discard(i)
	}
	<-p.done
}

// oldestIdle takes the instance that has been idle longest out of the pools that fit, or returns nil. Engine.mu is held.
func (e *Engine) oldestIdle(fits func(*Pool) bool) *instance {
	var from *Pool
	for p := range e.mu.pools {
		if len(p.idle) > 0 && fits(p) && (from == nil || p.idle[0].idle.Before(from.idle[0].idle)) {
			from = p
		}
	}
	if from == nil {
		return nil
	}
	i := from.idle[0]
	from.idle = from.idle[1:]
	return i
}

// evictOldest gives up one idle instance and tells whether there was one.
func (e *Engine) evictOldest() bool {
	e.mu.Lock()
	i := e.oldestIdle(func(*Pool) bool { return true })
	e.mu.Unlock()
	if i == nil {
		return false
	}
	i.pool.discard(i)
	return true
}

// evict gives up the instances that have been idle since before.
func (e *Engine) evict(before time.Time) {
	for {
		e.mu.Lock()
		i := e.oldestIdle(func(p *Pool) bool { return p.idle[0].idle.Before(before) })
		e.mu.Unlock()
		if i == nil {
			return
		}
		i.pool.discard(i)
	}
}

// Describe asks the plugin what it is.
func (p *Pool) Describe(ctx context.Context) ([]byte, error) {
	out, _, err := p.Call(ctx, Request{Operation: abi.OpDescribe})
	return out, err
}
