package limits

import "github.com/prometheus/client_golang/prometheus"

// collector shows a gate's state as metrics. The label job has the first hundred jobs that something was refused of; the
// rest together are "other".
type collector struct{ g *Gate }

var (
	descRejected = prometheus.NewDesc("hearth_limits_rejected_total",
		"New series refused, each time they came; for the reason disk, rows and batches of known ones too.", []string{"reason", "job"}, nil)
	descPressure = prometheus.NewDesc("hearth_limits_pressure_ratio",
		"How near the nearest limit is that all jobs share: above 0 new series of the worst jobs are refused, at 1 all.", nil, nil)
	descSeries = prometheus.NewDesc("hearth_limits_series", "Series in memory; native histograms are one each.", nil, nil)
	descMax    = prometheus.NewDesc("hearth_limits_series_max", "max_series of [limits]; 0 is none.", nil, nil)
	descBudget = prometheus.NewDesc("hearth_limits_memory_budget_bytes", "Memory budget; 0 is none.", nil, nil)
	descNeeded = prometheus.NewDesc("hearth_limits_memory_needed_bytes", "Memory that is needed, garbage not counted.", nil, nil)
	descRelief = prometheus.NewDesc("hearth_limits_memory_reliefs_total", "Times the database was asked to let go of memory.", nil, nil)
	descPool   = prometheus.NewDesc("hearth_limits_query_memory_bytes", "What all queries together may hold now.", nil, nil)
	descFloor  = prometheus.NewDesc("hearth_limits_disk_stopped",
		"Whether samples of jobs of this priority are not stored because the disk fills up.", []string{"priority"}, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRejected, descPressure, descSeries, descMax, descBudget, descNeeded, descRelief, descPool, descFloor} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	g := c.g
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	g.mu.Lock()
	p, _ := g.pressure()
	series, limit, m, floor := g.mu.series.total, g.mu.cfg.MaxSeries, g.mu.memory, g.mu.disk.floor()
	g.mu.Unlock()
	gauge(descPressure, p)
	gauge(descSeries, float64(series))
	gauge(descMax, float64(limit))
	gauge(descBudget, float64(m.budget))
	gauge(descNeeded, float64(m.usage.Needed))
	gauge(descPool, float64(m.pool))
	ch <- prometheus.MustNewConstMetric(descRelief, prometheus.CounterValue, float64(m.reliefs))
	for _, p := range []Priority{Low, Normal, High} {
		stopped := 0.0
		if p < floor {
			stopped = 1
		}
		gauge(descFloor, stopped, p.String())
	}
	g.refusals.mu.Lock()
	defer g.refusals.mu.Unlock()
	for k, n := range g.refusals.counts {
		ch <- prometheus.MustNewConstMetric(descRejected, prometheus.CounterValue, n, k.reason, k.job)
	}
}
