package host

import (
	"context"
	"fmt"
	"time"

	"github.com/hearth-project/hearth/core/alert"
	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/sdk/abi"
)

// The joints between parts that do not know each other.

// collector opens an exporter plugin as what a scrape job calls in place of HTTP.
func (h *Host) collector(ctx context.Context, use config.PluginUse) (scrape.Collector, error) {
	return h.open(ctx, use)
}

// notifier opens a notifier plugin as what a receiver calls.
func (h *Host) notifier(ctx context.Context, use config.PluginUse) (alert.Notifier, error) {
	return h.open(ctx, use)
}

// opened is a plugin as the parts use it.
type opened interface {
	scrape.Collector
	alert.Notifier
	Eval(ctx context.Context, b *abi.Batch, out []float64) error
}

// open opens a plugin. One that cannot be opened makes a reload fail, and the operator sees why; the start goes on
// without it, since a server that is not there alerts nobody.
func (h *Host) open(ctx context.Context, use config.PluginUse) (opened, error) {
	open := func(ctx context.Context) (*plugin.Client, error) { return h.plugins.Open(ctx, PluginUse(use)) }
	client, err := open(ctx)
	if err == nil {
		return client, nil
	}
	if h.ready.Load() {
		return nil, err
	}
	log := h.part("plugin")
	log.Error("a plugin cannot be opened: the server starts without it and tries again", "plugin", use.Plugin, "err", err)
	return newLateClient(use.Plugin, err, open, log), nil
}

// PluginUse turns the configuration's words for a use of a plugin into the plugin host's.
func PluginUse(use config.PluginUse) plugin.Use {
	secrets := make(map[string]func() (string, error), len(use.Grant.Secrets))
	for name, s := range use.Grant.Secrets {
		secrets[name] = s.Reveal
	}
	return plugin.Use{
		ID:      use.Plugin,
		Runtime: use.Runtime,
		Trust:   use.Trust,
		Config:  use.Config,
		Grant: plugin.Grant{
			Net:     use.Grant.Net,
			Files:   use.Grant.Files,
			Statfs:  use.Grant.Statfs,
			Secrets: secrets,
			Env:     use.Grant.Env,
		},
	}
}

// pluginUses returns all uses of plugins in a configuration.
func pluginUses(cfg *config.Config) []plugin.Use {
	var uses []plugin.Use
	add := func(use config.PluginUse) {
		if use.Plugin != "" {
			uses = append(uses, PluginUse(use))
		}
	}
	for _, f := range cfg.Functions {
		add(*f)
	}
	for _, s := range cfg.ScrapeConfigs {
		add(s.PluginUse)
	}
	for _, r := range cfg.Receivers {
		for _, n := range r.Notifiers {
			add(n.PluginUse)
		}
	}
	return uses
}

// ruleQuery evaluates a rule's expression. A scalar comes as one sample without labels, as upstream has it.
func (h *Host) ruleQuery(ctx context.Context, expr string, t time.Time) (model.Vector, error) {
	o := promql.QueryOptions{Rule: true}
	o.Caller.RuleFile, o.Caller.RuleGroup = rules.GroupOf(ctx)
	res, err := h.engine.Instant(ctx, h.db, expr, t, o)
	if err != nil {
		return nil, err
	}
	switch v := res.Value.(type) {
	case model.Vector:
		return v, nil
	case model.Scalar:
		return model.Vector{{Sample: model.Sample(v)}}, nil
	}
	return nil, fmt.Errorf("rule result is a %s: it must be a vector or scalar", res.Value.Type())
}
