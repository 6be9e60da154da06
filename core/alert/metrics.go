package alert

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are hearth's own; the library's packages add their alertmanager_* beside them.
type metrics struct {
	received  *prometheus.CounterVec
	invalid   prometheus.Counter
	receivers prometheus.Gauge
	notifiers prometheus.Gauge

	journalErrors *prometheus.CounterVec
	journalBytes  *prometheus.GaugeVec
	journalLost   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		received: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_alert_received_total",
			Help: "Alerts taken in from rules and other servers, by status; a repetition counts again.",
		}, []string{"status"}),
		invalid: f.NewCounter(prometheus.CounterOpts{
			Name: "hearth_alert_invalid_total",
			Help: "Alerts that were refused because their labels or times make no sense.",
		}),
		receivers: f.NewGauge(prometheus.GaugeOpts{
			Name: "hearth_alert_receivers",
			Help: "Receivers that a route names.",
		}),
		notifiers: f.NewGauge(prometheus.GaugeOpts{
			Name: "hearth_alert_notifiers",
			Help: "Notifier plugins that are open.",
		}),
		journalErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_alert_journal_errors_total",
			Help: "Entries of the notification log, silences or states of groups that could not be written to disk.",
		}, []string{"journal"}),
		journalBytes: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hearth_alert_journal_bytes",
			Help: "Size of the notification log, the silences and the states of groups on disk.",
		}, []string{"journal"}),
		journalLost: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hearth_alert_journal_lost_bytes_total",
			Help: "Bytes of the notification log, silences or states of groups that were damaged when they were read.",
		}, []string{"journal"}),
	}
}
