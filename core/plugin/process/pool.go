package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
)

// Plugin is what a pool runs.
type Plugin struct {
	ID        string
	File      string // the program
	SHA256    string // its digest, lower case hexadecimal
	Memory    int64  // bytes of data of one process; 0 means 256 MiB
	Instances int    // processes at the same time; 0 means 2
	Settings  []byte // the JSON object each process is configured with; nil is an empty one

	Secrets   map[string]func() (string, error)
	Env       map[string]string
	Logger    *slog.Logger // nil is the engine's
	Restarted func()       // called when a process takes the place of one that ended; may be nil
}

// Pool is one use of a plugin: its processes have the same rights and settings. It is safe for concurrent use.
type Pool struct {
	engine  *Engine
	plugin  Plugin
	program *program
	logger  *slog.Logger
	rate    *guest.Rate
	secrets struct {
		sync.Mutex
		secrets
	}

	ctx   context.Context // ends with Close: no process is started any more
	stop  context.CancelFunc
	tasks sync.WaitGroup
	look  chan struct{} // tells supervise to look; holds one

	mu poolState
}

// poolState is what of a pool changes.
type poolState struct {
	sync.Mutex
	children map[*child]struct{} // that run
	idle     []*child            // of them; the one that was used last is last
	starting int
	changed  chan struct{} // closed and replaced when a caller that waits should look again
	closed   bool

	failures int       // in a row
	next     time.Time // no start before
	reason   error     // why there is no process: of the last start, or end
	restarts uint64
	exit     string // how the last process ended
	exited   time.Time
}

// Defaults for manifests that say nothing.
const (
	defaultMemory    = 256 << 20
	defaultInstances = 2
)

// Open loads a program and returns a pool that starts its first process. It reports no trouble with that: calls do.
func (e *Engine) Open(plugin Plugin) (*Pool, error) {
	if plugin.Memory == 0 {
		plugin.Memory = defaultMemory
	}
	if plugin.Instances == 0 {
		plugin.Instances = defaultInstances
	}
	if plugin.Settings == nil {
		plugin.Settings = []byte("{}")
	}
	if plugin.Logger == nil {
		plugin.Logger = e.o.Logger
	}
	program, err := e.load(plugin.File, plugin.SHA256)
	if err != nil {
		return nil, err
	}
	if _, err := e.runtimeDir(); err != nil {
		e.unload(program)
		return nil, err
	}
	p := &Pool{engine: e, plugin: plugin, program: program, logger: plugin.Logger, rate: guest.NewRate(time.Now), look: make(chan struct{}, 1)}
	p.secrets.secrets = secrets{reveal: plugin.Secrets, logger: plugin.Logger}
	p.mu.children = map[*child]struct{}{}
	p.mu.changed = make(chan struct{})
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.tasks.Go(p.supervise)
	return p, nil
}

func (p *Pool) readSecrets() map[string][]byte {
	p.secrets.Lock()
	defer p.secrets.Unlock()
	return p.secrets.read()
}

// Call makes one call and returns the answer. It waits for a process that is starting and if all are busy; ctx bounds
// that too. While none can be started it fails at once. Errors are *guest.Error, *guest.Fault, or what Body returned.
func (p *Pool) Call(ctx context.Context, r guest.Request) ([]byte, guest.Usage, error) {
	c, err := p.acquire(ctx, r.Operation)
	if err != nil {
		return nil, guest.Usage{}, err
	}
	body, err := r.Bytes()
	if err != nil {
		p.putBack(c, false)
		return nil, guest.Usage{}, err
	}
	out, err := c.call(ctx, r.Operation, body)
	p.settle(c, r.Operation, err)
	return out, guest.Usage{}, err
}

// acquire takes an idle process.
func (p *Pool) acquire(ctx context.Context, op string) (*child, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, late(err, op, "no time left to begin before the deadline")
		}
		p.mu.Lock()
		if p.mu.closed {
			p.mu.Unlock()
			return nil, &guest.Fault{Operation: op, Kind: guest.NoStart, Message: guest.ErrClosed.Error(), Err: guest.ErrClosed}
		}
		if n := len(p.mu.idle); n > 0 {
			c := p.mu.idle[n-1]
			p.mu.idle = p.mu.idle[:n-1]
			p.mu.Unlock()
			return c, nil
		}
		none := len(p.mu.children)+p.mu.starting == 0
		if wait := time.Until(p.mu.next); none && p.mu.reason != nil && wait > 0 {
			err := down(op, p.mu.reason, wait)
			p.mu.Unlock()
			return nil, err
		}
		if p.mu.starting == 0 && len(p.mu.children) < p.plugin.Instances && !p.doomedLocked() && !time.Now().Before(p.mu.next) {
			p.startLocked()
		}
		changed := p.mu.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			message := fmt.Sprintf("all %d processes were busy until the deadline: raise limits.instances of its manifest, or call it less often", p.plugin.Instances)
			if none {
				message = "it was still starting at the deadline"
			}
			return nil, late(ctx.Err(), op, message)
		}
	}
}

func late(err error, op, message string) *guest.Fault {
	f := &guest.Fault{Operation: op, Kind: guest.Deadline, Message: message, Err: err}
	if errors.Is(err, context.Canceled) {
		f.Kind = guest.Cancelled
	}
	return f
}

// down is the answer to a call while there is no process.
func down(op string, reason error, wait time.Duration) error {
	var answer *guest.Error
	if errors.As(reason, &answer) { // to configuring
		return answer
	}
	return &guest.Fault{Operation: op, Kind: guest.NoStart, RetryAfter: wait, Err: reason,
		Message: fmt.Sprintf("it is not running: %v; it is started again in %v", reason, max(wait.Round(100*time.Millisecond), 100*time.Millisecond))}
}

// settle decides what becomes of a process after a call.
func (p *Pool) settle(c *child, op string, err error) {
	var fault *guest.Fault
	switch {
	case errors.As(err, &fault) && (fault.Kind == guest.Deadline || fault.Kind == guest.Cancelled):
		p.mu.Lock()
		if !p.mu.closed {
			p.tasks.Go(func() { p.awaitAnswer(c, op) })
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		p.doom(c, "it was stopped in the middle of a call")
	case guest.Broken(err):
		p.doom(c, fmt.Sprintf("it was ended after a call, %s: %v", op, err))
	default:
		p.putBack(c, op != abi.OpDescribe)
	}
}

// awaitAnswer gives a process that was told to give a call up some time to do so. It answers calls one after another, so
// that an answer to another call says that it has.
func (p *Pool) awaitAnswer(c *child, op string) {
	ctx, cancel := context.WithTimeout(context.Background(), p.engine.o.Grace)
	defer cancel()
	var answer *guest.Error
	if _, err := c.call(ctx, abi.OpDescribe, nil); err == nil || errors.As(err, &answer) {
		p.putBack(c, false)
		return
	}
	p.doom(c, fmt.Sprintf("it was ended because it was still busy with a call, %s, %v after it was told to give up", op, p.engine.o.Grace))
}

// doom ends a process for a reason.
func (p *Pool) doom(c *child, why string) {
	p.mu.Lock()
	c.doomed = true
	p.mu.Unlock()
	c.end(why)
}

func (p *Pool) doomedLocked() bool {
	for c := range p.mu.children {
		if c.doomed {
			return true
		}
	}
	return false
}

// putBack returns a process to those that are idle.
func (p *Pool) putBack(c *child, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.answered = c.answered || answered
	c.idle = time.Now()
	switch _, runs := p.mu.children[c]; {
	case runs && p.mu.closed:
		p.tasks.Go(c.stop)
	case runs:
		p.mu.idle = append(p.mu.idle, c)
	}
	p.wakeLocked()
}

// wakeLocked tells those who wait for a process to look again. Pool.mu is held.
func (p *Pool) wakeLocked() {
	close(p.mu.changed)
	p.mu.changed = make(chan struct{})
}

// Close stops all processes. Calls under way end first, on their own; it waits for that. It may be called twice.
func (p *Pool) Close() error {
	p.mu.Lock()
	first := !p.mu.closed
	p.mu.closed = true
	idle := p.mu.idle
	p.mu.idle = nil
	p.wakeLocked()
	p.mu.Unlock()
	p.stop()
	for _, c := range idle {
		p.tasks.Go(c.stop)
	}
	p.tasks.Wait()
	if first {
		p.engine.unload(p.program)
	}
	return nil
}
