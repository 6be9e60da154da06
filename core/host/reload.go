package host

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/config"
)

// Config returns the configuration in force.
func (h *Host) Config() *config.Config {
	h.state.Lock()
	defer h.state.Unlock()
	return h.state.cfg
}

// evaluationInterval returns the evaluation interval in force; 0 before there is a configuration.
func (h *Host) evaluationInterval() time.Duration {
	if cfg := h.Config(); cfg != nil {
		return cfg.Global.EvaluationInterval.Std()
	}
	return 0
}

// Reload reads the configuration anew and applies it. If anything of it is wrong, the old one stays in force, and
// the error says all that is wrong. What only a restart can change (listen address, data directory) is logged. Plugins
// that were replaced by other versions are replaced in the server, too.
func (h *Host) Reload(ctx context.Context) error {
	h.reloadMu.Lock()
	defer h.reloadMu.Unlock()
	cfg, err := h.opts.Load()
	if err == nil {
		h.plugins.Refresh(ctx)
		err = h.swap(cfg)
	}
	h.loaded(cfg, err)
	if err != nil {
		h.log.Error("the configuration was not changed: the new one has problems", "err", err)
		return err
	}
	for _, w := range cfg.Warnings {
		h.log.Warn("configuration: not carried over", "what", w)
	}
	h.log.Info("configuration reloaded", "file", orDefault(cfg.File, "built-in"), "jobs", len(cfg.ScrapeConfigs))
	return nil
}

// swap applies cfg, and the old configuration again if a part refuses it.
func (h *Host) swap(cfg *config.Config) error {
	old := h.Config()
	for _, fixed := range []struct{ name, old, new string }{
		{"[server] listen", old.Server.Listen, cfg.Server.Listen},
		{"[storage] path", old.Storage.Path, cfg.Storage.Path},
		{"[storage] sync", old.Storage.Sync, cfg.Storage.Sync},
		{"[plugins] dir", old.Plugins.Dir, cfg.Plugins.Dir},
		{"[plugins] runtime", old.Plugins.Runtime, cfg.Plugins.Runtime},
	} {
		if fixed.old != fixed.new {
			h.log.Warn("this setting changes with the next start only", "setting", fixed.name, "now", fixed.old, "then", fixed.new)
		}
	}
	queries := cfg.Query
	queries.MaxMemory = old.Query.MaxMemory // which applyLimits changes
	if !reflect.DeepEqual(queries, old.Query) {
		h.log.Warn("this table changes with the next start only, but for its max_memory", "setting", "[query]")
	}
	err := h.apply(cfg)
	if err == nil {
		return nil
	}
	if back := h.apply(old); back != nil {
		h.log.Error("the old configuration could not be put back completely", "err", back)
		return errors.Join(err, back)
	}
	return err
}

// apply gives each part its tables: those that may refuse come first.
func (h *Host) apply(cfg *config.Config) error {
	budget := int64(cfg.Limits.Memory)
	if budget == 0 {
		budget = h.limits.Machine()
	}
	boundBodies(cfg, budget)
	if err := h.engine.SetQueryLog(cfg.Global.QueryLogFile); err != nil {
		return err
	}
	if !h.ready.Load() { // a reload opens few
		defer h.plugins.Warm(context.Background(), pluginUses(cfg))()
	}
	if err := h.functions.apply(cfg.Functions); err != nil { // before the rules that call them
		return fmt.Errorf("functions: %w", err)
	}
	if err := h.rules.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if err := h.alerts.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("alerting: %w", err)
	}
	if err := h.scrape.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("scraping: %w", err)
	}
	if err := h.discovery.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	if err := h.applyLimits(cfg); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}

// loaded records how an attempt to load ended.
func (h *Host) loaded(cfg *config.Config, err error) {
	h.state.Lock()
	defer h.state.Unlock()
	h.state.loadOK = err == nil
	if err != nil {
		h.metrics.success.Set(0)
		return
	}
	h.state.cfg, h.state.loadedAt = cfg, time.Now()
	h.metrics.success.Set(1)
	h.metrics.at.SetToCurrentTime()
}

type reloadMetrics struct{ success, at prometheus.Gauge }

func newReloadMetrics(reg prometheus.Registerer) reloadMetrics {
	m := reloadMetrics{
		success: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hearth_config_last_reload_successful",
			Help: "Whether the last attempt to load the configuration succeeded.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hearth_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was loaded.",
		}),
	}
	reg.MustRegister(m.success, m.at)
	return m
}
