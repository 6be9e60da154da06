// Package host builds the parts of hearth from a configuration, joins them, runs, reloads and stops them. It is the
// one place that knows all parts: the parts know each other only by the small interfaces they declare. `hearth serve`
// and the end-to-end tests share it.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/hearth-project/hearth/core/alert"
	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/discovery"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/limits"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/core/tsdb"
	"github.com/hearth-project/hearth/core/tsdb/exemplars"
	"github.com/hearth-project/hearth/core/tsdb/metadata"
)

// Options is what does not come from the configuration file.
type Options struct {
	Load    func() (*config.Config, error) // reads the configuration: at the start, and at each reload
	Logger  *slog.Logger
	Version string            // in the User-Agent of scrapes
	Flags   map[string]string // of the command line, for the API
}

// Host is a running server.
type Host struct {
	opts     Options
	log      *slog.Logger
	registry *prometheus.Registry
	listener net.Listener
	external *url.URL

	limits    *limits.Gate
	db        *tsdb.DB
	exemplars *exemplars.Store
	metadata  *metadata.Store
	engine    *promql.Engine
	plugins   *plugin.Host
	functions *functions
	discovery *discovery.Manager
	scrape    *scrape.Manager
	rules     *rules.Manager
	alerts    *alert.Manager

	ready    atomic.Bool
	stopping atomic.Bool
	quit     chan struct{}
	quitOnce sync.Once

	reloadMu sync.Mutex // one reload at a time
	state    struct {
		sync.Mutex
		cfg      *config.Config // in force
		loadedAt time.Time
		loadOK   bool // of the last attempt
	}
	metrics reloadMetrics
}

// New builds the server and takes its port, so that a port that is taken is told at once. The stored data is
// recovered here: a large log takes its time. Close releases everything if Run is not called.
func New(ctx context.Context, opts Options) (*Host, error) {
	cfg, err := opts.Load()
	if err != nil {
		return nil, err
	}
	h := &Host{opts: opts, log: opts.Logger, registry: newRegistry(), quit: make(chan struct{})}
	h.metrics = newReloadMetrics(h.registry)
	for _, w := range cfg.Warnings {
		h.log.Warn("configuration: not carried over", "what", w)
	}
	if h.listener, err = net.Listen("tcp", cfg.Server.Listen); err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w: is another server running there? Change [server] listen or --listen", cfg.Server.Listen, err)
	}
	if h.external, err = externalURL(cfg, h.listener.Addr()); err != nil {
		h.listener.Close()
		return nil, err
	}
	if err := h.build(ctx, cfg); err != nil {
		h.Close()
		return nil, err
	}
	if err := h.apply(cfg); err != nil {
		h.Close()
		return nil, err
	}
	h.loaded(cfg, nil)
	return h, nil
}

// build makes the parts in the order in which they need each other.
func (h *Host) build(ctx context.Context, cfg *config.Config) error {
	var err error
	dir := cfg.Storage.Path
	h.limits = h.newLimits(cfg)
	h.db, err = tsdb.Open(tsdb.Options{
		Dir:              dir,
		FS:               vfs.OS{},
		Retention:        cfg.Storage.Retention.Time.Std(), // the rest of it comes with applyLimits
		Sync:             cfg.Storage.Sync,
		OutOfOrderWindow: cfg.Storage.OutOfOrderTimeWindow.Std(),
		Gate:             h.limits,
		Space:            h.spaceOf,
		Logger:           h.part("tsdb"),
		Registerer:       h.registry,
		Clock:            time.Now,
	})
	if err != nil {
		return fmt.Errorf("storage %s: %w", dir, err)
	}
	h.exemplars, err = exemplars.Open(exemplars.Options{
		FS:         vfs.OS{},
		Dir:        filepath.Join(dir, "exemplars"),
		Max:        cfg.Storage.MaxExemplars,
		Window:     cfg.Storage.OutOfOrderTimeWindow.Std(),
		Logger:     h.part("exemplars"),
		Registerer: h.registry,
	})
	if err != nil {
		return err
	}
	h.metadata = metadata.Open(metadata.Options{
		FS:         vfs.OS{},
		Dir:        dir,
		Max:        cfg.Storage.MaxMetadata,
		Keep:       cfg.Storage.Retention.Time.Std(),
		Logger:     h.part("metadata"),
		Registerer: h.registry,
	})
	queries := promql.Options{
		Lookback:        cfg.Query.LookbackDelta.Std(),
		Timeout:         cfg.Query.Timeout.Std(),
		MaxSamples:      cfg.Query.MaxSamples,
		MaxConcurrency:  cfg.Query.MaxConcurrency,
		FS:              vfs.OS{},
		ActiveLog:       filepath.Join(dir, "queries.active"),
		MaxMemory:       int64(cfg.Query.MaxMemory),
		MaxSeries:       cfg.Query.MaxResultSeries,
		MaxResultBytes:  int64(cfg.Query.MaxResultSize),
		MaxQueryLength:  int(cfg.Query.MaxQueryLength),
		MaxNesting:      cfg.Query.MaxNesting,
		MaxRegexLength:  int(cfg.Query.MaxRegexLength),
		Threads:         cfg.Query.Threads,
		TypeLabels:      cfg.Global.Has(config.FeatureTypeAndUnit),
		SubqueryStepNow: h.evaluationInterval,
		SubqueryStep:    cfg.Global.EvaluationInterval.Std(),
		Elsewhere:       func(name string) string { return elsewhere(h.plugins, name) },
		Logger:          h.part("promql"),
		Registerer:      h.registry,
	}
	if err := queries.Enable(cfg.Query.EnableFeatures...); err != nil {
		return err
	}
	h.engine = promql.New(queries)
	h.plugins, err = plugin.NewHost(plugin.Options{
		Dir:        cfg.Plugins.Dir,
		Cache:      cfg.Plugins.Cache,
		Memory:     int64(cfg.Plugins.Memory),
		Runtime:    cfg.Plugins.Runtime,
		Logger:     h.part("plugin"),
		Registerer: h.registry,
	})
	if err != nil {
		return fmt.Errorf("plugins in %s: %w", cfg.Plugins.Dir, err)
	}
	h.functions = &functions{engine: h.engine, known: h.plugins.Functions, open: h.open}
	h.alerts, err = alert.New(alert.Options{
		Dir:         filepath.Join(dir, "alert"),
		Notifiers:   h.notifier,
		ExternalURL: h.external,
		Logger:      h.part("alert"),
		Registerer:  h.registry,
	})
	if err != nil {
		return fmt.Errorf("alert manager: %w", err)
	}
	h.rules = rules.NewManager(rules.Options{
		Query:       h.ruleQuery,
		Storage:     h.db,
		Notify:      h.alerts.Put,
		ExternalURL: h.external,
		Parser:      h.engine.Parser(),
		Logger:      h.part("rules"),
		Registerer:  h.registry,
	})
	h.scrape = scrape.NewManager(scrape.Options{
		Exemplars:  h.exemplars,
		Storage:    h.db,
		Collectors: h.collector,
		UserAgent:  "hearth/" + h.opts.Version,
		Logger:     h.part("scrape"),
		Registerer: h.registry,
	})
	h.discovery = discovery.NewManager(discovery.Options{
		Deliver:    h.scrape.SetTargets,
		Logger:     h.part("discovery"),
		Registerer: h.registry,
	})
	return nil
}

func (h *Host) part(name string) *slog.Logger { return h.log.With("part", name) }

// Addr is where the server listens.
func (h *Host) Addr() net.Addr { return h.listener.Addr() }

// Run serves until ctx ends or a client asks to quit, then drains: requests in flight are answered, scrapes and rules
// end, what they wrote is on disk. A part that fails ends all of them.
func (h *Host) Run(ctx context.Context) error {
	handler, err := h.handler()
	if err != nil {
		return errors.Join(err, h.Close())
	}
	cfg := h.Config()
	server := &http.Server{
		Handler:           http.MaxBytesHandler(handler, int64(cfg.Server.MaxRequestBytes)),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       cfg.Server.ReadTimeout.Std(),
		ErrorLog:          slog.NewLogLogger(h.part("http").Handler(), slog.LevelWarn),
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The parts outlive the server a little: a request in flight may still need them.
	parts, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	group, groupCtx := errgroup.WithContext(parts)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"limits", h.limits.Run}, {"tsdb", h.db.Run}, {"exemplars", h.exemplars.Run}, {"metadata", h.metadata.Run}, {"alert", h.alerts.Run}, {"rules", h.rules.Run}, {"scrape", h.scrape.Run}, {"discovery", h.discovery.Run},
	} {
		group.Go(func() error {
			if err := part.run(groupCtx); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		if err := server.Serve(newLimitListener(h.listener, cfg.Server.MaxConnections)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("http: %w", err)
		}
		return nil
	})
	h.ready.Store(true)
	h.log.Info("hearth is ready", "url", h.external.String(), "data", cfg.Storage.Path, "config", orDefault(cfg.File, "built-in"))

	select {
	case <-ctx.Done():
	case <-h.quit:
	case <-groupCtx.Done(): // a part has failed
	}
	h.stopping.Store(true)
	h.log.Info("stopping: answering what is in flight, writing what is in memory")
	drain, drained := context.WithTimeout(context.Background(), cfg.Server.ShutdownTimeout.Std())
	defer drained()
	if err := server.Shutdown(drain); err != nil {
		h.log.Warn("requests were cut off", "after", cfg.Server.ShutdownTimeout.Std(), "err", err)
		server.Close()
	}
	stopParts()
	err = group.Wait()
	return errors.Join(err, h.Close())
}

// Close releases what New took. Data that is only in memory is in the log already; Close writes what makes the next
// start fast.
func (h *Host) Close() error {
	var errs []error
	if h.listener != nil {
		if err := h.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if h.alerts != nil { // its notifiers are plugins
		errs = append(errs, h.alerts.Close())
	}
	if h.functions != nil {
		errs = append(errs, h.functions.Close())
	}
	if h.plugins != nil {
		errs = append(errs, h.plugins.Close())
	}
	if h.engine != nil {
		errs = append(errs, h.engine.Close())
	}
	if h.exemplars != nil {
		errs = append(errs, h.exemplars.Close())
	}
	if h.metadata != nil {
		h.metadata.Close()
	}
	if h.db != nil {
		errs = append(errs, h.db.Close())
	}
	return errors.Join(errs...)
}

func orDefault(s, standard string) string {
	if s == "" {
		return standard
	}
	return s
}
