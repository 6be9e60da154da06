package remote

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests *prometheus.CounterVec
	samples  prometheus.Counter
	rejected *prometheus.CounterVec
	skipped  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_remote_requests_total",
			Help: "Remote write requests by the code they were answered with.",
		}, []string{"code"}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hearth_remote_samples_total",
			Help: "Samples received by remote write and stored.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_remote_rejected_samples_total",
			Help: "Samples received by remote write that cannot be stored; where several reasons met in a request, the first.",
		}, []string{"reason"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_remote_skipped_total",
			Help: "What came by remote write and is not kept.",
		}, []string{"kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.samples, m.rejected, m.skipped)
	}
	return m
}
