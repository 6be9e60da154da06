package config

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Limits is the [limits] table: what comes in and what the server may take, whoever sends it. 0 is no limit.
type Limits struct {
	Memory              Size `toml:"memory"`                 // that the process may need; default 0, nine tenths of what the machine or its control group has
	MaxSeries           int  `toml:"max_series"`             // in memory, of all jobs
	MaxSeriesPerJob     int  `toml:"max_series_per_job"`     // of jobs that say nothing else
	MaxSeriesPerTarget  int  `toml:"max_series_per_target"`  // of each target of those
	MaxLabels           int  `toml:"max_labels"`             // of a series
	MaxLabelNameLength  int  `toml:"max_label_name_length"`  // bytes
	MaxLabelValueLength int  `toml:"max_label_value_length"` // bytes
	MaxMetricNameLength int  `toml:"max_metric_name_length"` // bytes
}

// SeriesRetention is one of [[storage.retention.series]]: some series are kept for less than the others. The first whose
// selector a series satisfies counts.
type SeriesRetention struct {
	Match string   `toml:"match"` // a selector, as {job="debug"}
	Time  Duration `toml:"time"`  // at most storage.retention.time
}

// Matchers returns those of the selector.
func (r *SeriesRetention) Matchers() ([]*labels.Matcher, error) {
	return parser.NewParser(parser.Options{}).ParseMetricSelector(r.Match)
}

// priorities are the values of the key priority of a job, first what stops first.
var priorities = []string{"low", "normal", "high"}

func (c *checker) limitsTable(l *Limits) {
	c.notNegative(&l.Memory, "limits.memory")
	const leastMemory = 64 << 20
	if l.Memory > 0 && l.Memory < leastMemory {
		c.problem(c.at(&l.Memory), "limits.memory: hearth needs %s at least, got %s", Size(leastMemory), l.Memory)
	}
	for _, v := range []struct {
		value *int
		name  string
	}{
		{&l.MaxSeries, "max_series"}, {&l.MaxSeriesPerJob, "max_series_per_job"}, {&l.MaxSeriesPerTarget, "max_series_per_target"},
		{&l.MaxLabels, "max_labels"}, {&l.MaxLabelNameLength, "max_label_name_length"},
		{&l.MaxLabelValueLength, "max_label_value_length"}, {&l.MaxMetricNameLength, "max_metric_name_length"},
	} {
		c.notNegative(v.value, "limits."+v.name)
	}
}

// jobLimits checks what of a job limits is about.
func (c *checker) jobLimits(s *Scrape, path string) {
	c.notNegative(&s.MaxSeries, path+".max_series")
	c.notNegative(&s.SeriesLimit, path+".series_limit")
	if s.Priority == "" {
		s.Priority = "normal"
	}
	c.oneOf(&s.Priority, path+".priority", priorities...)
}

// retention checks when data goes.
func (c *checker) retention(r *Retention) {
	if !(r.Percentage >= 0 && r.Percentage <= 100) {
		c.problem(c.at(&r.Percentage), "storage.retention.percentage: want 0 to 100, got %v", r.Percentage)
	}
	for i, s := range r.Series {
		path := fmt.Sprintf("storage.retention.series[%d]", i)
		if _, err := s.Matchers(); err != nil {
			c.problem(c.at(&s.Match, s), `%s.match: want a selector like {job="debug"}, got %q: %s`, path, s.Match, err)
		}
		switch {
		case s.Time <= 0:
			c.problem(c.at(&s.Time, s), "%s.time: must be more than 0, got %s", path, s.Time)
		case r.Time > 0 && s.Time > r.Time:
			c.problem(c.at(&s.Time, s), "%s.time: %s is longer than the %s that all series are kept", path, s.Time, r.Time)
		}
	}
}
