// Package plugin is the host of hearth's plugins: it finds them in a folder, decides what they may do, and calls them.
// A plugin costs the server no more than its limits allow, whatever it does: see package wasm, in which the guests run.
// One that the operator trusts may also be a program of this machine: see package process.
//
// Nothing here knows who calls. A Client has the methods that a scrape job and a receiver ask for, and core/host joins
// them.
//
// What a plugin may do is what its manifest asks for and the operator's grant gives. What is asked for and not given is
// told once, when the plugin is opened. What is given and not asked for is an error: it would do nothing.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/hearth-project/hearth/core/plugin/process"
	"github.com/hearth-project/hearth/core/plugin/wasm"
)

// Options is what a Host needs.
type Options struct {
	Dir        string                // a folder with a folder for each plugin, DIR/NAMESPACE/NAME; may be absent: no plugins
	Cache      string                // folder for compiled modules, made with mode 0700; empty: compile at each start
	Memory     int64                 // bytes of linear memory of all instances together; 0 means 512 MiB
	Runtime    string                // folder for sockets and secrets of native plugins; see process.Options.Dir
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil keeps the metrics to itself
}

// Host knows the plugins of a folder and runs those that are in use. It is safe for concurrent use.
type Host struct {
	o         Options
	log       *slog.Logger
	engine    *wasm.Engine    // of modules
	processes *process.Engine // of programs
	metrics   *metrics
	loading   singleflight.Group // by digest

	refreshing sync.Mutex     // one Refresh at a time
	leaving    sync.WaitGroup // old versions whose calls have not ended

	mu struct {
		sync.Mutex
		closed  bool
		modules map[string]*module // by digest
		clients map[*Client]struct{}
		errors  map[string]error // of the last Open, by plugin id
	}
}

// module is a compiled plugin and how many clients use it.
type module struct {
	*wasm.Module
	digest string
	users  int
}

// ErrClosed is returned by Open of a closed host.
var ErrClosed = errors.New("plugin host is closed")

// NewHost returns a host. It reads nothing yet: a folder that is not there holds no plugins. Close ends it.
func NewHost(o Options) (*Host, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Cache != "" {
		abs, err := filepath.Abs(o.Cache)
		if err != nil {
			return nil, fmt.Errorf("cache %s: %w", o.Cache, err)
		}
		o.Cache = abs
	}
	if o.Memory < 0 {
		return nil, fmt.Errorf("memory is %d bytes, must not be negative", o.Memory)
	}
	h := &Host{o: o, log: o.Logger}
	h.engine = wasm.NewEngine(wasm.Options{Cache: o.Cache, Memory: o.Memory, Logger: o.Logger})
	h.processes = process.NewEngine(process.Options{Dir: o.Runtime, Logger: o.Logger})
	h.mu.modules = map[string]*module{}
	h.mu.clients = map[*Client]struct{}{}
	h.mu.errors = map[string]error{}
	var err error
	if h.metrics, err = newMetrics(o.Registerer, h); err != nil {
		h.engine.Close()
		return nil, err
	}
	return h, nil
}

// Close closes all clients, waiting for calls under way, and releases the modules. It may be called twice.
func (h *Host) Close() error {
	h.mu.Lock()
	h.mu.closed = true
	clients := slices.Collect(maps.Keys(h.mu.clients))
	h.mu.Unlock()
	h.refreshing.Lock() // one under way ends
	defer h.refreshing.Unlock()
	errs := make([]error, len(clients))
	var closing sync.WaitGroup
	for i, c := range clients { // beside each other: a program has some time to end
		closing.Go(func() { errs[i] = c.Close() })
	}
	closing.Wait()
	h.leaving.Wait()
	h.mu.Lock()
	for digest, m := range h.mu.modules { // loaded for a caller that had gone
		errs = append(errs, m.Close())
		delete(h.mu.modules, digest)
	}
	h.mu.Unlock()
	h.engine.Close()
	errs = append(errs, h.processes.Close())
	h.metrics.unregister()
	return errors.Join(errs...)
}

// module returns the compiled module of an artifact, loading it if nobody else has. release gives it back.
func (h *Host) module(ctx context.Context, digest string, source func() (wasm.Source, error)) (*module, error) {
	for {
		h.mu.Lock()
		if m := h.mu.modules[digest]; m != nil {
			m.users++
			h.mu.Unlock()
			return m, nil
		}
		h.mu.Unlock()
		// Compiling goes on when the caller gives up: the next one finds it done.
		loaded := h.loading.DoChan(digest, func() (any, error) { return nil, h.load(digest, source) })
		select {
		case r := <-loaded:
			if r.Err != nil {
				return nil, r.Err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("compiling the module goes on, but there is no time left to wait: %w", ctx.Err())
		}
	}
}

// load compiles a module and puts it where module finds it, used by nobody yet.
func (h *Host) load(digest string, source func() (wasm.Source, error)) error {
	s, err := source()
	if err != nil {
		return err
	}
	loaded, err := h.engine.Load(context.Background(), s)
	if err != nil {
		return err
	}
	if err := loaded.CacheError(); err != nil {
		h.log.Warn("the compiled plugin could not be kept: it will be compiled again at the next start", "plugin", s.ID, "err", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.closed {
		return errors.Join(ErrClosed, loaded.Close())
	}
	h.mu.modules[digest] = &module{Module: loaded, digest: digest}
	return nil
}

// release gives a module back; the last one closes it.
func (h *Host) release(m *module) error {
	h.mu.Lock()
	m.users--
	last := m.users == 0
	if last {
		delete(h.mu.modules, m.digest)
	}
	h.mu.Unlock()
	if last {
		return m.Close()
	}
	return nil
}
