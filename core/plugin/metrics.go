package plugin

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/process"
)

// metrics are the host's own. Labels are plugin ids and operations, so there are as many series as plugins are in use.
type metrics struct {
	calls, errors, seconds, fuel, sent, received, body, refused, restarts *prometheus.CounterVec

	registerer prometheus.Registerer
	all        []prometheus.Collector
}

func newMetrics(r prometheus.Registerer, h *Host) (*metrics, error) {
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
	m.refused = counter("refused_total", "Things a plugin has tried and was not allowed to do: the log says which.", "plugin")
	m.restarts = counter("restarts_total", "Starts of a native plugin's process in place of one that had ended.", "plugin")
	m.all = append(m.all, newProcessMetrics(h),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_plugin_memory_bytes", Help: "Linear memory of all instances of plugins."},
			func() float64 { return float64(h.engine.Memory()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_plugin_instances", Help: "Instances of plugins, running or idle."},
			func() float64 { return float64(h.engine.Instances()) }))
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

// counters are the series of one operation of a plugin, found once.
type counters struct {
	calls, seconds, fuel, body, sent, received, refused prometheus.Counter
}

func (m *metrics) of(id, op string) *counters {
	return &counters{
		calls: m.calls.WithLabelValues(id, op), seconds: m.seconds.WithLabelValues(id, op), fuel: m.fuel.WithLabelValues(id, op), body: m.body.WithLabelValues(id, op),
		sent: m.sent.WithLabelValues(id), received: m.received.WithLabelValues(id), refused: m.refused.WithLabelValues(id),
	}
}

// observe counts one call.
func (c *Client) observe(op string, d time.Duration, u guest.Usage, answer int, err error) {
	m := c.host.metrics
	found, ok := c.counters.Load(op)
	if !ok {
		found, _ = c.counters.LoadOrStore(op, m.of(c.id, op))
	}
	n := found.(*counters)
	n.calls.Inc()
	n.seconds.Add(d.Seconds())
	n.fuel.Add(float64(u.Fuel))
	n.body.Add(float64(answer))
	n.sent.Add(float64(u.Sent))
	n.received.Add(float64(u.Received))
	n.refused.Add(float64(u.Refused))
	var call *CallError
	if err != nil && errors.As(err, &call) {
		m.errors.WithLabelValues(c.id, op, call.Code).Inc()
	}
}

// processMetrics measures the processes of native plugins when it is asked.
type processMetrics struct {
	h                   *Host
	processes, resident *prometheus.Desc
}

func newProcessMetrics(h *Host) processMetrics {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("hearth_plugin_"+name, help, []string{"plugin"}, nil)
	}
	return processMetrics{
		h:         h,
		processes: gauge("processes", "Processes of a native plugin that run."),
		resident:  gauge("resident_memory_bytes", "Memory of all processes of a native plugin."),
	}
}

// Describe implements prometheus.Collector.
func (m processMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.processes
	ch <- m.resident
}

// Collect implements prometheus.Collector.
func (m processMetrics) Collect(ch chan<- prometheus.Metric) {
	pools := map[string][]*process.Pool{}
	m.h.mu.Lock()
	for c := range m.h.mu.clients {
		if p, ok := c.version().form.(*process.Pool); ok {
			pools[c.id] = append(pools[c.id], p)
		}
	}
	m.h.mu.Unlock()
	for id, of := range pools {
		n, bytes := 0, int64(0)
		for _, p := range of {
			s := p.Status()
			n += len(s.PIDs)
			bytes += s.Resident
		}
		ch <- prometheus.MustNewConstMetric(m.processes, prometheus.GaugeValue, float64(n), id)
		ch <- prometheus.MustNewConstMetric(m.resident, prometheus.GaugeValue, float64(bytes), id)
	}
}
