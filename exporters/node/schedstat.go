package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectSchedstat reports how long tasks ran and waited on each CPU. Times are nanoseconds in the file.
func collectSchedstat(h *host, w *metric.Writer) error {
	text, err := h.procFile("schedstat")
	if errors.Is(err, fs.ErrNotExist) {
		return errNoData // the kernel was built without
	}
	if err != nil {
		return err
	}
	families := []*metric.Family{
		w.Counter("node_schedstat_running_seconds_total", "Number of seconds CPU spent running a process.", "cpu"),
		w.Counter("node_schedstat_waiting_seconds_total", "Number of seconds spent by processing waiting for this CPU.", "cpu"),
		w.Counter("node_schedstat_timeslices_total", "Number of timeslices executed by CPU.", "cpu"),
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		for i, family := range families {
			v, err := number(f[7+i])
			if err != nil {
				return fmt.Errorf("schedstat: %s: %w", f[0], err)
			}
			if i < 2 {
				v /= 1e9
			}
			family.Sample(v, f[0][len("cpu"):])
		}
	}
	return nil
}
