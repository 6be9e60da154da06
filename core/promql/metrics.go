package promql

import (
	"encoding/json"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/promql/exec"
	"github.com/hearth-project/hearth/core/promql/plan"
)

// metrics is what the engine tells about itself.
type metrics struct {
	queries prometheus.Gauge
	samples prometheus.Counter
	errors  prometheus.Counter
	seconds *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer, concurrency int, memory *ledger) *metrics {
	m := &metrics{
		queries: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hearth_promql_queries", Help: "Queries that run or wait.",
		}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hearth_promql_samples_total", Help: "Samples looked at by queries, counted for each step that does.",
		}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hearth_promql_query_errors_total", Help: "Queries that failed, those that do not parse included.",
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hearth_promql_query_duration_seconds", Help: "Time spent on queries, by part of the work.",
			Buckets: []float64{.0001, .001, .01, .1, 1, 10},
		}, []string{"slice"}),
	}
	limit := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "hearth_promql_queries_concurrent_max", Help: "Queries that may run at the same time.",
	})
	limit.Set(float64(concurrency))
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "hearth_promql_memory_bytes", Help: "Memory that queries hold, of max_memory.",
	}, func() float64 { used, _ := memory.now(); return float64(used) })
	refused := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "hearth_promql_memory_refusals_total", Help: "Queries that were ended because all of them held max_memory.",
	}, func() float64 { _, refused := memory.now(); return float64(refused) })
	if reg != nil {
		reg.MustRegister(m.queries, m.samples, m.errors, m.seconds, limit, held, refused)
	}
	return m
}

// observe counts a finished query.
func (m *metrics) observe(s *Stats) {
	m.samples.Add(float64(s.Samples.TotalQueryableSamples))
	for slice, v := range map[string]float64{
		"queue_time": s.Timings.ExecQueueTime, "prepare_time": s.Timings.QueryPreparationTime,
		"inner_eval": s.Timings.InnerEvalTime, "result_sort": s.Timings.ResultSortTime,
	} {
		m.seconds.WithLabelValues(slice).Observe(v)
	}
}

// Stats is what a query cost, in the shape the HTTP API gives it. Times are in seconds.
type Stats struct {
	Timings struct {
		EvalTotalTime        float64 `json:"evalTotalTime"`
		ResultSortTime       float64 `json:"resultSortTime"`
		QueryPreparationTime float64 `json:"queryPreparationTime"`
		InnerEvalTime        float64 `json:"innerEvalTime"`
		ExecQueueTime        float64 `json:"execQueueTime"`
		ExecTotalTime        float64 `json:"execTotalTime"`
	} `json:"timings"`
	Samples struct {
		TotalQueryableSamplesPerStep []StepCount `json:"totalQueryableSamplesPerStep,omitempty"` // if QueryOptions.PerStep
		TotalQueryableSamples        int64       `json:"totalQueryableSamples"`                  // looked at, counted for each step that does
		SamplesReadPerStep           []StepCount `json:"samplesReadPerStep,omitempty"`           // if QueryOptions.PerStep
		SamplesRead                  int64       `json:"samplesRead"`                            // of those looked at, what no step before has looked at
		PeakSamples                  int         `json:"peakSamples"`                            // held at a time, 16 bytes each
	} `json:"samples"`
	Explain *exec.Trace `json:"explain,omitempty"` // if QueryOptions.Explain
}

// StepCount is a number of samples at the time of a step, Unix milliseconds. In JSON it is a pair, the time in seconds.
type StepCount struct {
	T, N int64
}

// MarshalJSON implements json.Marshaler.
func (c StepCount) MarshalJSON() ([]byte, error) {
	return json.Marshal([...]any{float64(c.T) / 1000, c.N})
}

// stepCounts gives the counts at the steps of a grid their times.
func stepCounts(g plan.Grid, counts []int64) (out []StepCount) {
	for k, n := range counts {
		out = append(out, StepCount{g.At(k), n})
	}
	return out
}
