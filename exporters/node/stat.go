package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectStat reports the counters of /proc/stat that are not of one CPU.
func collectStat(h *host, w *metric.Writer) error {
	text, err := h.procFile("stat")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		key, rest, _ := strings.Cut(line, " ")
		var f *metric.Family
		switch key {
		case "intr":
			f = w.Counter("node_intr_total", "Total number of interrupts serviced.")
		case "ctxt":
			f = w.Counter("node_context_switches_total", "Total number of context switches.")
		case "processes":
			f = w.Counter("node_forks_total", "Total number of forks.")
		case "btime":
			f = w.Gauge("node_boot_time_seconds", "When the host booted, in Unix time.")
		case "procs_running":
			f = w.Gauge("node_procs_running", "Number of processes in runnable state.")
		case "procs_blocked":
			f = w.Gauge("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.")
		default:
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		v, err := number(first)
		if err != nil {
			return fmt.Errorf("stat: %s: %w", key, err)
		}
		f.Sample(v)
	}
	return nil
}
