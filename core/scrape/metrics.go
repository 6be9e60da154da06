package scrape

import "github.com/prometheus/client_golang/prometheus"

// Why a sample was dropped while its scrape went well: the label reason of hearth_scrape_samples_dropped_total.
const (
	dropOutOfOrder  = "out_of_order"
	dropDuplicate   = "duplicate"     // the same series twice, or with another value at the same time
	dropOutOfBounds = "out_of_bounds" // too old, or too far in the future
	dropLimit       = "limit"         // a new series, and a limit of the storage is reached
	dropExemplar    = "exemplar"      // no sample but its exemplars, out of order or with labels that cannot be
)

type metrics struct {
	duration prometheus.Histogram
	lateness prometheus.Histogram
	failures *prometheus.CounterVec
	samples  prometheus.Counter
	dropped  *prometheus.CounterVec
	bytes    prometheus.Counter
	targets  *prometheus.GaugeVec
	refused  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearth_scrape_duration_seconds",
			Help:    "How long scrapes took, from the request until the samples were stored.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hearth_scrape_lateness_seconds",
			Help:    "How long after its time a scrape began.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .05, .25, 1, 5, 30},
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_scrape_failures_total",
			Help: "Scrapes that failed, by reason.",
		}, []string{"reason"}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hearth_scrape_samples_total",
			Help: "Samples that scrapes have stored; report series and staleness markers not counted.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_scrape_samples_dropped_total",
			Help: "Samples that could not be stored while the rest of their scrape was, by reason.",
		}, []string{"reason"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hearth_scrape_bytes_total",
			Help: "Bytes of expositions, decompressed.",
		}),
		targets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hearth_scrape_targets",
			Help: "Targets that are scraped.",
		}, []string{"job"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_scrape_targets_refused_total",
			Help: "Targets that cannot be scraped because of their labels, each time the list of targets came.",
		}, []string{"job"}),
	}
	for _, r := range failures {
		m.failures.WithLabelValues(r)
	}
	for _, r := range []string{dropOutOfOrder, dropDuplicate, dropOutOfBounds, dropLimit, dropExemplar} {
		m.dropped.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(m.duration, m.lateness, m.failures, m.samples, m.dropped, m.bytes, m.targets, m.refused)
	}
	return m
}

func (m *metrics) drop(reason string, n int) {
	if n > 0 {
		m.dropped.WithLabelValues(reason).Add(float64(n))
	}
}

// forget removes what was counted of a job that is gone.
func (m *metrics) forget(job string) {
	m.targets.DeleteLabelValues(job)
	m.refused.DeleteLabelValues(job)
}
