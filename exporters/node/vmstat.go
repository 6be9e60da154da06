package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectVmstat reports fields of /proc/vmstat.
func collectVmstat(h *host, w *metric.Writer) error {
	text, err := h.procFile("vmstat")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !h.VmstatFields.match(key) {
			continue
		}
		v, err := number(value)
		if err != nil {
			return fmt.Errorf("vmstat: %s: %w", key, err)
		}
		w.Untyped("node_vmstat_"+key, "/proc/vmstat information field "+key+".").Sample(v)
	}
	return nil
}
