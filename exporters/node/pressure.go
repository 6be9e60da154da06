package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectPressure reports for how long processes waited for CPU, memory, I/O and interrupts (PSI).
func collectPressure(h *host, w *metric.Writer) error {
	found := false
	for _, p := range []struct{ file, line, name, help string }{
		{"cpu", "some", "cpu_waiting", "Total time in seconds that processes have waited for CPU time."},
		{"io", "some", "io_waiting", "Total time in seconds that processes have waited due to IO congestion."},
		{"io", "full", "io_stalled", "Total time in seconds no process could make progress due to IO congestion."},
		{"memory", "some", "memory_waiting", "Total time in seconds that processes have waited for memory."},
		{"memory", "full", "memory_stalled", "Total time in seconds no process could make progress due to memory congestion."},
		{"irq", "full", "irq_stalled", "Total time in seconds no process could make progress due to IRQ congestion."},
	} {
		text, err := h.procFile("pressure/" + p.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // irq came with Linux 6.1
		}
		if err != nil {
			return err // EOPNOTSUPP where the kernel was started with psi=0
		}
		for line := range strings.Lines(text) {
			kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			_, total, ok := strings.Cut(rest, "total=")
			if kind != p.line || !ok {
				continue
			}
			us, err := number(total)
			if err != nil {
				return fmt.Errorf("pressure/%s: %w", p.file, err)
			}
			w.Counter("node_pressure_"+p.name+"_seconds_total", p.help).Sample(us / 1e6)
			found = true
		}
	}
	if !found {
		return errNoData
	}
	return nil
}
