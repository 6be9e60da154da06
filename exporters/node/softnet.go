package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectSoftnet reports how CPUs cope with received packets. The file has a line a CPU with hexadecimal numbers:
// processed, dropped, times squeezed, and later columns that vary with the kernel.
func collectSoftnet(h *host, w *metric.Writer) error {
	text, err := h.procFile("net/softnet_stat")
	if err != nil {
		return err
	}
	families := []*metric.Family{
		w.Counter("node_softnet_processed_total", "Number of processed packets.", "cpu"),
		w.Counter("node_softnet_dropped_total", "Number of dropped packets.", "cpu"),
		w.Counter("node_softnet_times_squeezed_total", "Number of times processing packets ran out of quota.", "cpu"),
	}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		if len(f) < len(families) {
			return fmt.Errorf("net/softnet_stat: line %d has %d columns", i+1, len(f))
		}
		cpu := strconv.Itoa(i)
		if len(f) >= 13 { // the CPU's own number: CPUs that are off have no line
			v, err := hexNumber(f[12])
			if err != nil {
				return fmt.Errorf("net/softnet_stat: %w", err)
			}
			cpu = strconv.Itoa(int(v))
		}
		for j, family := range families {
			v, err := hexNumber(f[j])
			if err != nil {
				return fmt.Errorf("net/softnet_stat: %w", err)
			}
			family.Sample(v, cpu)
		}
	}
	return nil
}
