// Package wasm runs plugins that are WebAssembly modules, as sdk/abi/ABI.md has it. What it guards against:
//
//	a guest that does not end        the meter in the module (package fuel) and the deadline of the call
//	a guest that takes memory        a limit for each instance, a budget for all, tables capped
//	a guest that looks around        no files but what is granted (package rofs), no environment
//	a guest that calls out           connections by allow-list, on names and on addresses (package sock)
//	a guest that floods              results, log lines, sockets and open files are counted
//	a guest that breaks              its instance is thrown away after any trap, exit, time-out or malformed result
//
// An Engine is what all plugins share. It loads a Module for each plugin, once; a Pool is one use of a module with its
// own rights and settings. A Pool makes instances when calls need them and keeps them for the next call: making one
// takes milliseconds, a call microseconds. An instance answers one call at a time.
//
// What is left to trust is wazero's compiler, which runs in this process, and the folder of compiled modules, which holds
// code that is executed.
package wasm

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// Options is what an Engine needs. The zero value is ready to use.
type Options struct {
	Cache    string        // folder for compiled modules, mode 0700; empty: compile each time
	Memory   int64         // bytes of linear memory of all instances together; 0 means 512 MiB
	Fuel     uint64        // a call may use; 0 means 50 billion, half a minute of the tightest loop
	Idle     time.Duration // after which an instance without calls is given up; 0 means 2 min, so that it outlives a scrape interval of 1 m
	Logger   *slog.Logger  // of what guests say; nil discards
	Resolver *net.Resolver // of names guests connect to; nil is the system's
}

// Engine is what the modules of all plugins share. It is safe for concurrent use.
type Engine struct {
	o       Options
	memory  *budget
	compile sync.Mutex // one module at a time, unless it is kept: compiling takes ten times the module's size in memory
	mounts  mounts
	wasi    func() (map[string]api.FunctionDefinition, error) // wazero's, made when needed
	stop    context.CancelFunc
	janitor sync.WaitGroup

	mu struct {
		sync.Mutex
		pools map[*Pool]struct{}
	}
}

// NewEngine returns an engine. Close ends it.
func NewEngine(o Options) *Engine {
	if o.Memory == 0 {
		o.Memory = 512 << 20
	}
	if o.Fuel == 0 {
		o.Fuel = 50e9
	}
	if o.Idle == 0 {
		o.Idle = 2 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{o: o, wasi: sync.OnceValues(stockWASI)}
	e.memory = &budget{limit: o.Memory, reclaim: e.evictOldest}
	e.mu.pools = map[*Pool]struct{}{}
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	e.janitor.Go(func() { e.clean(ctx) })
	return e
}

// Close ends the engine. Pools and modules are to be closed before.
func (e *Engine) Close() {
	e.stop()
	e.janitor.Wait()
}

// Memory returns the bytes of linear memory that all instances have now.
func (e *Engine) Memory() int64 { return e.memory.inUse() }

// Instances returns how many instances there are, running or idle.
func (e *Engine) Instances() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for p := range e.mu.pools {
		n += p.live
	}
	return n
}

// clean gives idle instances up.
func (e *Engine) clean(ctx context.Context) {
	t := time.NewTicker(e.o.Idle / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			e.evict(now.Add(-e.o.Idle))
		}
	}
}
