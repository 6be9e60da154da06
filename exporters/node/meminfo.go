package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

var meminfoNames = strings.NewReplacer("(", "_", ")", "")

// collectMeminfo reports every line of /proc/meminfo, in bytes where it has a unit.
func collectMeminfo(h *host, w *metric.Writer) error {
	text, err := h.procFile("meminfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		key, rest, ok := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if !ok || len(fields) == 0 {
			continue
		}
		v, err := number(fields[0])
		if err != nil {
			return fmt.Errorf("meminfo: %s: %w", key, err)
		}
		name := meminfoNames.Replace(key)
		if len(fields) > 1 {
			v *= 1024
			name += "_bytes"
		}
		w.Gauge("node_memory_"+name, "Memory information field "+name+".").Sample(v)
	}
	return nil
}
