package check

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hearth-project/hearth/sdk/manifest"
)

// Bounds of what measuring takes, and of what a plugin may keep between calls.
const (
	measureTime = 5 * time.Second
	growthBytes = 4 << 20
)

// measure makes the same call many times: how long does one take, and does memory grow?
func (r *run) measure(ctx context.Context, op string, request []byte) {
	const name = "its memory does not grow with calls"
	end := time.Now().Add(measureTime)
	var times []time.Duration
	var early int64
	answer := 0
	for len(times) < r.o.Calls && (len(times) < 3 || time.Now().Before(end)) {
		begin := time.Now()
		out, err := r.call(ctx, op, request)
		if err != nil {
			r.say(name, Failed, "call %d fails: %v", len(times)+1, err)
			return
		}
		times, answer = append(times, time.Since(begin)), len(out)
		if len(times) <= max(1, r.o.Calls/4) {
			early = r.memory()
		}
	}
	late := r.memory()
	slices.Sort(times)
	r.report.Measured, r.report.Calls, r.report.Answer, r.report.Memory = op, len(times), answer, late
	r.report.Call = times[len(times)/2].Seconds()
	if late > early+growthBytes && late > early+early/4 {
		r.say(name, Failed, "it has grown from %.1f to %.1f MiB in %d calls", float64(early)/(1<<20), float64(late)/(1<<20), len(times))
		return
	}
	r.say(name, OK, "%.1f MiB after %d calls", float64(late)/(1<<20), len(times))
}

// memory is what the plugin has now, in bytes, by the host's own metrics.
func (r *run) memory() int64 {
	metric := "hearth_plugin_memory_bytes"
	if r.report.Runtime == manifest.RuntimeNative {
		metric = "hearth_plugin_resident_memory_bytes"
	}
	families, err := r.registry.Gather()
	if err != nil {
		panic(fmt.Sprint("gathering the host's own metrics: ", err)) // they are ours alone
	}
	var sum float64
	for _, f := range families {
		if f.GetName() == metric {
			for _, m := range f.Metric {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return int64(sum)
}
