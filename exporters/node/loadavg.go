package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectLoadavg reports the load averages.
func collectLoadavg(h *host, w *metric.Writer) error {
	text, err := h.procFile("loadavg")
	if err != nil {
		return err
	}
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return fmt.Errorf("loadavg: %q has fewer than 3 fields", text)
	}
	for i, minutes := range []string{"1", "5", "15"} {
		v, err := number(fields[i])
		if err != nil {
			return fmt.Errorf("loadavg: %w", err)
		}
		w.Gauge("node_load"+minutes, minutes+"m load average.").Sample(v)
	}
	return nil
}
