package rules

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's own. Those of groups are collected from the groups in force, so that one which a reload
// takes away is gone here, too.
type metrics struct {
	manager      *Manager
	ruleSeconds  prometheus.Histogram
	groupSeconds prometheus.Histogram
	unsent       prometheus.Counter
	ofGroup      []groupMetric
}

type groupMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*group) float64
}

func newMetrics(m *Manager, reg prometheus.Registerer) *metrics {
	seconds := []float64{.001, .01, .1, 1, 10, 60}
	out := &metrics{
		manager: m,
		ruleSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearth_rules_evaluation_duration_seconds",
			Help:    "Time to evaluate a rule and to write its result.",
			Buckets: seconds,
		}),
		groupSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearth_rules_group_duration_seconds",
			Help:    "Time to evaluate all rules of a group.",
			Buckets: seconds,
		}),
		unsent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hearth_rules_alerts_unsent_total",
			Help: "Alerts that the alert manager did not take; they are handed over again.",
		}),
	}
	of := func(name, help string, kind prometheus.ValueType, value func(*group) float64) {
		out.ofGroup = append(out.ofGroup, groupMetric{prometheus.NewDesc("hearth_rules_"+name, help, []string{"rule_group"}, nil), kind, value})
	}
	of("group_iterations_total", "Evaluations of a group that were due, missed ones included.", prometheus.CounterValue,
		func(g *group) float64 { return float64(g.counts.iterations.Load()) })
	of("group_iterations_missed_total", "Evaluations of a group that were left out because the one before took too long.", prometheus.CounterValue,
		func(g *group) float64 { return float64(g.counts.missed.Load()) })
	of("evaluations_total", "Evaluations of rules.", prometheus.CounterValue,
		func(g *group) float64 { return float64(g.counts.evaluations.Load()) })
	of("evaluation_failures_total", "Evaluations of rules that failed, or whose result was not stored completely.", prometheus.CounterValue,
		func(g *group) float64 { return float64(g.counts.failures.Load()) })
	of("group_interval_seconds", "Time between evaluations of a group.", prometheus.GaugeValue,
		func(g *group) float64 { return g.spec.interval.Seconds() })
	of("group_rules", "Rules of a group.", prometheus.GaugeValue,
		func(g *group) float64 { return float64(len(g.rules)) })
	of("group_last_evaluation_timestamp_seconds", "When the last evaluation of a group began, 0 before the first.", prometheus.GaugeValue,
		func(g *group) float64 {
			at, _ := g.lastRun()
			if at.IsZero() {
				return 0
			}
			return float64(at.UnixNano()) / 1e9
		})
	of("group_last_duration_seconds", "Time that the last evaluation of a group took.", prometheus.GaugeValue,
		func(g *group) float64 {
			_, took := g.lastRun()
			return took.Seconds()
		})
	of("group_last_evaluation_samples", "Samples of the last results of a group's rules.", prometheus.GaugeValue,
		func(g *group) float64 {
			n := 0
			for _, r := range g.rules {
				n += r.lastRun().samples
			}
			return float64(n)
		})
	of("group_last_restore_duration_seconds", "Time to restore the alerts of a group after the start.", prometheus.GaugeValue,
		func(g *group) float64 {
			g.last.Lock()
			defer g.last.Unlock()
			return g.last.restore.Seconds()
		})
	if reg != nil {
		reg.MustRegister(out, out.ruleSeconds, out.groupSeconds, out.unsent)
	}
	return out
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, of := range m.ofGroup {
		ch <- of.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, g := range m.manager.sorted() {
		for _, of := range m.ofGroup {
			ch <- prometheus.MustNewConstMetric(of.desc, of.kind, of.value(g), g.spec.key.String())
		}
	}
}
