package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectARP counts the entries of the ARP table.
func collectARP(h *host, w *metric.Writer) error {
	text, err := h.procFile("net/arp")
	if err != nil {
		return err
	}
	entries := map[string]int{}
	for i, line := range strings.Split(text, "\n") {
		if f := strings.Fields(line); i > 0 && len(f) >= 6 {
			entries[f[5]]++
		}
	}
	f := w.Gauge("node_arp_entries", "ARP entries by device.", "device")
	for device, n := range entries {
		f.Sample(float64(n), device)
	}
	return nil
}
