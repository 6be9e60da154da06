package plugin

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/plugin/wasm"
)

// metrics are the host's own. Labels are plugin ids and operations, so there are as many series as plugins are in use.
type metrics struct {
	calls, errors, seconds, fuel, sent, received, body *prometheus.CounterVec

	registerer prometheus.Registerer
	all        []prometheus.Collector
}

func newMetrics(r prometheus.Registerer, e *wasm.Engine) (*metrics, error) {
	m := &metrics{registerer: r}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hearth_plugin_" + name, Help: help}, labels)
		m.all = append(m.all, c)
		return c
	}
	m.calls = counter("calls_total", "Calls of a plugin.", "plugin", "operation")
	m.errors = counter("errors_total", "Calls of a plugin that failed, by code of the error.", "plugin", "operation", "code")
	m.seconds = counter("seconds_total", "Time spent in calls of a plugin, waiting for an instance included.", "plugin", "operation")
	m.fuel = counter("fuel_total", "Fuel used by calls of a plugin; a unit is about one pass of a loop or one call of a function.", "plugin", "operation")
	m.body = counter("answer_bytes_total", "Bytes of the answers of a plugin.", "plugin", "operation")
	m.sent = counter("sent_bytes_total", "Bytes a plugin has sent over its connections.", "plugin")
	m.received = counter("received_bytes_total", "Bytes a plugin has received over its connections.", "plugin")
	m.all = append(m.all,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_plugin_memory_bytes", Help: "Linear memory of all instances of plugins."},
			func() float64 { return float64(e.Memory()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_plugin_instances", Help: "Instances of plugins, running or idle."},
			func() float64 { return float64(e.Instances()) }))
	if r == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := r.Register(c); err != nil {
			m.all = m.all[:i]
			m.unregister()
			return nil, fmt.Errorf("metrics of plugins: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}

// observe counts one call.
func (m *metrics) observe(id, op string, d time.Duration, u wasm.Usage, answer int, err error) {
	m.calls.WithLabelValues(id, op).Inc()
	m.seconds.WithLabelValues(id, op).Add(d.Seconds())
	m.fuel.WithLabelValues(id, op).Add(float64(u.Fuel))
	m.body.WithLabelValues(id, op).Add(float64(answer))
	m.sent.WithLabelValues(id).Add(float64(u.Sent))
	m.received.WithLabelValues(id).Add(float64(u.Received))
	var call *CallError
	if errors.As(err, &call) {
		m.errors.WithLabelValues(id, op, call.Code).Inc()
	}
}
