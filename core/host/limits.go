package host

import (
	"context"
	"math"
	"os"
	"runtime/debug"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/limits"
	"github.com/hearth-project/hearth/core/tsdb"
)

// newLimits makes the gate of the database, which is opened with it. It bounds queries and memory once it runs.
func (h *Host) newLimits(cfg *config.Config) *limits.Gate {
	machine, source := limits.Machine(os.DirFS("/"))
	if set := debug.SetMemoryLimit(-1); set < math.MaxInt64 {
		machine, source = set, "GOMEMLIMIT"
	}
	last := int64(0)
	return limits.New(limits.Options{
		Config:        limitsOf(cfg),
		Logger:        h.part("limits"),
		Registerer:    h.registry,
		Machine:       machine,
		MachineSource: source,
		Pending:       func() int64 { return h.db.Pending() },
		Relieve:       func(ctx context.Context) error { return h.db.Relieve(ctx) },
		Queries:       func(bytes int64) int64 { return h.engine.SetMemory(bytes) },
		Runtime: func(bytes int64) {
			if d := bytes - last; d > bytes/100 || -d > bytes/100 { // each change costs the collector a little
				last = bytes
				debug.SetMemoryLimit(bytes)
			}
		},
	})
}

// limitsOf turns the configuration's words for limits into those of the gate.
func limitsOf(cfg *config.Config) limits.Config {
	l := cfg.Limits
	c := limits.Config{
		MaxSeries: l.MaxSeries, MaxSeriesPerJob: l.MaxSeriesPerJob, MaxSeriesPerTarget: l.MaxSeriesPerTarget,
		MaxLabels: l.MaxLabels, MaxLabelName: l.MaxLabelNameLength, MaxLabelValue: l.MaxLabelValueLength,
		MaxMetricName: l.MaxMetricNameLength,
		Memory:        int64(l.Memory), QueryMemory: int64(cfg.Query.MaxMemory),
		MinFree: int64(cfg.Storage.MinFree),
		Jobs:    make(map[string]limits.Job, len(cfg.ScrapeConfigs)),
	}
	for _, s := range cfg.ScrapeConfigs {
		j := limits.Job{MaxSeries: s.MaxSeries, MaxSeriesPerTarget: s.SeriesLimit}
		switch s.Priority {
		case "low":
			j.Priority = limits.Low
		case "high":
			j.Priority = limits.High
		}
		c.Jobs[s.JobName] = j
	}
	return c
}

// boundBodies gives jobs without a body_size_limit one that the memory budget allows for: an exposition is in memory as
// a whole.
func boundBodies(cfg *config.Config, budget int64) {
	const part = 8
	for _, s := range cfg.ScrapeConfigs {
		if s.BodySizeLimit == 0 && budget > 0 && budget/part < 64<<20 { // which is what there is without
			s.BodySizeLimit = config.Size(budget / part)
		}
	}
}

// retentionOf turns the configuration's words for retention into the database's.
func retentionOf(cfg *config.Config) (tsdb.Retention, error) {
	r := cfg.Storage.Retention
	out := tsdb.Retention{Time: r.Time.Std(), Bytes: int64(r.Size), Percentage: r.Percentage}
	for _, s := range r.Series {
		ms, err := s.Matchers()
		if err != nil {
			return out, err
		}
		out.Selectors = append(out.Selectors, tsdb.SelectorRetention{Matchers: ms, Keep: s.Time.Std()})
	}
	return out, nil
}

// applyLimits gives the database and its gate what they are told of limits. It comes last of what a reload applies: what a
// shorter retention deletes does not come back.
func (h *Host) applyLimits(cfg *config.Config) error {
	h.limits.Apply(limitsOf(cfg))
	h.db.SetBallast(int64(cfg.Storage.Ballast))
	h.exemplars.Resize(cfg.Storage.MaxExemplars, cfg.Storage.OutOfOrderTimeWindow.Std())
	h.metadata.Resize(cfg.Storage.MaxMetadata, cfg.Storage.Retention.Time.Std())
	r, err := retentionOf(cfg)
	if err != nil {
		return err
	}
	return h.db.SetRetention(r)
}

// limitsReport is what the gate reports, with limits that are the business of others.
func (h *Host) limitsReport(top int) limits.Report {
	r, cfg := h.limits.Report(top), h.Config()
	running := 0
	for _, q := range h.engine.Running() {
		if !q.Waiting && !q.Rule {
			running++
		}
	}
	s := h.db.Stats()
	q, g := cfg.Query, cfg.Global
	const fails = "the query fails"
	const scrapeFails = "the scrape fails as a whole"
	r.Limits = append(r.Limits,
		limits.Limit{Name: "retention_size", Key: "[storage] retention.size", Limit: int64(cfg.Storage.Retention.Size), Used: s.PartBytes + s.Head.LogBytes, Unit: "bytes", Does: "the oldest parts are deleted"},
		limits.Limit{Name: "queries", Key: "[query] max_concurrency", Limit: int64(q.MaxConcurrency), Used: int64(running), Unit: "queries", Does: "queries wait"},
		limits.Limit{Name: "query_samples", Key: "[query] max_samples", Limit: int64(q.MaxSamples), Used: -1, Unit: "samples", Does: fails},
		limits.Limit{Name: "result_series", Key: "[query] max_result_series", Limit: int64(q.MaxResultSeries), Used: -1, Unit: "series", Does: fails},
		limits.Limit{Name: "result_size", Key: "[query] max_result_size", Limit: int64(q.MaxResultSize), Used: -1, Unit: "bytes", Does: fails},
		limits.Limit{Name: "plugin_memory", Key: "[plugins] memory", Limit: int64(cfg.Plugins.Memory), Used: -1, Unit: "bytes", Does: "calls of plugins fail"},
		limits.Limit{Name: "request_size", Key: "[server] max_request_bytes", Limit: int64(cfg.Server.MaxRequestBytes), Used: -1, Unit: "bytes", Does: "the request is refused"},
		limits.Limit{Name: "scrape_samples", Key: "[global] sample_limit", Limit: int64(g.SampleLimit), Used: -1, Unit: "samples", Does: scrapeFails},
		limits.Limit{Name: "scrape_size", Key: "[global] body_size_limit", Limit: int64(g.BodySizeLimit), Used: -1, Unit: "bytes", Does: scrapeFails},
		limits.Limit{Name: "targets", Key: "[global] target_limit", Limit: int64(g.TargetLimit), Used: -1, Unit: "targets", Does: "all targets of the job fail"},
	)
	return r
}

// spaceOf tells the gate how the disk is.
func (h *Host) spaceOf(s tsdb.Space) {
	h.limits.SetSpace(limits.Space(s))
}
