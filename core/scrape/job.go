package scrape

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/prometheus/prometheus/model/relabel"

	"github.com/hearth-project/hearth/core/config"
)

// job is a scrape job of the configuration, ready to use: how it makes targets, and how they are read. It does not
// change.
type job struct {
	cfg     *config.Scrape
	relabel []*relabel.Config
	plugin  string // empty for HTTP
	*method
}

// method is how the targets of a job are read.
type method struct {
	metricRelabel []*relabel.Config
	features      features
	source        source
	using         sync.WaitGroup // loops that scrape with it
}

// newJob makes a job of its configuration. If old is the same but for its targets, their loops need not stop: the
// method is shared.
func (m *Manager) newJob(ctx context.Context, cfg *config.Scrape, old *job) (*job, error) {
	j := &job{cfg: cfg, plugin: cfg.Plugin}
	var err error
	if j.relabel, err = config.BuildRelabels(cfg.RelabelConfigs); err != nil {
		return nil, fmt.Errorf("relabel_configs: %w", err)
	}
	if old != nil && old.features == m.features && sameMethod(old.cfg, cfg) {
		j.method = old.method
		return j, nil
	}
	j.method = &method{features: m.features}
	if j.metricRelabel, err = config.BuildRelabels(cfg.MetricRelabelConfigs); err != nil {
		return nil, fmt.Errorf("metric_relabel_configs: %w", err)
	}
	if j.source, err = m.newSource(ctx, cfg); err != nil {
		return nil, err
	}
	return j, nil
}

func (m *Manager) newSource(ctx context.Context, cfg *config.Scrape) (source, error) {
	if cfg.Plugin == "" {
		return newHTTPSource(cfg, m.features, m.opts.UserAgent)
	}
	if m.opts.Collectors == nil {
		return nil, fmt.Errorf("plugin %s: there are no plugins here", cfg.Plugin)
	}
	c, err := m.opts.Collectors(ctx, cfg.PluginUse)
	if err != nil {
		return nil, err // names the plugin
	}
	return &pluginSource{c}, nil
}

// sameMethod tells whether two configurations differ in nothing but what makes the list of targets.
func sameMethod(a, b *config.Scrape) bool {
	strip := func(s config.Scrape) config.Scrape {
		s.StaticConfigs, s.FileSDConfigs, s.RelabelConfigs = nil, nil, nil
		s.TargetLimit, s.KeepDroppedTargets = 0, 0
		s.MaxSeries, s.SeriesLimit, s.Priority = 0, 0, "" // of the storage
		return s
	}
	return reflect.DeepEqual(strip(*a), strip(*b))
}

// sameJob tells whether two configurations of a job do the same to the groups that discovery finds.
func sameJob(a, b *config.Scrape) bool {
	strip := func(s config.Scrape) config.Scrape {
		s.StaticConfigs, s.FileSDConfigs = nil, nil
		s.MaxSeries, s.SeriesLimit, s.Priority = 0, 0, ""
		return s
	}
	return reflect.DeepEqual(strip(*a), strip(*b))
}

// close releases the source when no loop scrapes with it any more.
func (m *method) close() error {
	m.using.Wait()
	return m.source.close()
}
