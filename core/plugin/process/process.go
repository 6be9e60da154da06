// Package process runs plugins that are programs of this machine: child processes that speak gRPC, as sdk/process and
// sdk/abi/ABI.md have it. Nothing confines such a program to its rights, which is why the operator has to trust it by
// name. What is guarded against is what goes wrong, not what is meant badly:
//
//	another file than was checked     the program is copied into memory that nobody can change, and run from there
//	a child that outlives its host    a session of its own, killed as a whole; the kernel kills the child when hearth dies
//	a child that ends                 it is started again, later each time; calls meanwhile fail at once, with the reason
//	a child that does not answer      deadlines; one that is still busy some time after them is killed
//	a child that takes memory         limits of the kernel for data, open files and processes; no core files
//	a child that floods the log       lines are counted, and reading slows down
//	an environment full of secrets    it is not inherited; secrets are files in a folder that only the child's user reads
//	other processes on this machine   a socket in that folder, and TLS with certificates made for this one start
//
// An Engine is what the processes of all plugins share, a Pool is one use of a plugin. A Pool keeps one process at least
// and starts more, up to its limit, while calls are waiting: a process answers one call at a time, as a module does.
package process

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Options is what an Engine needs. The zero value is ready to use.
type Options struct {
	// Dir is where the folder with the sockets and secrets of all processes is made; empty: $RUNTIME_DIRECTORY,
	// $XDG_RUNTIME_DIR, or else the folder for temporary files.
	Dir    string
	Logger *slog.Logger // nil discards

	StartTimeout time.Duration // until a process says where it listens; 0 means 10 s
	Grace        time.Duration // for ending: a call after its deadline, a process that is to stop; 0 means 2 s
	Idle         time.Duration // after which a process that is not the last one is stopped; 0 means 2 min
	Backoff      Backoff
}

// Engine is what the processes of all plugins share. It is safe for concurrent use.
type Engine struct {
	o       Options
	starter starter

	mu struct {
		sync.Mutex
		dir      string   // made with the first pool
		lock     *os.File // held as long as dir is in use
		children uint64   // that were ever started
		programs map[string]*program
	}
}

// NewEngine returns an engine, which does nothing until a pool is opened. Close ends it.
func NewEngine(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 10 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = 2 * time.Minute
	}
	o.Backoff.setDefaults()
	e := &Engine{o: o}
	e.mu.programs = map[string]*program{}
	return e
}

// Close ends the engine and removes its folder. Pools are to be closed before.
func (e *Engine) Close() error {
	e.starter.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.dir == "" {
		return nil
	}
	err := errors.Join(os.RemoveAll(e.mu.dir), e.mu.lock.Close())
	e.mu.dir = ""
	return err
}
