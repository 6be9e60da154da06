package main

import (
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectTime reports the clock, its zone and its source.
func collectTime(h *host, w *metric.Writer) error {
	now := time.Now()
	w.Gauge("node_time_seconds", "System time in seconds since epoch (1970).").Sample(float64(now.UnixNano()) / 1e9)
	if runtime.GOOS != "wasip1" || os.Getenv("TZ") != "" { // the sandbox does not know the host's zone by itself
		zone, offset := now.Zone()
		w.Gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.", "time_zone").Sample(float64(offset), zone)
	}
	const dir = "devices/system/clocksource"
	names, err := list(h.Sysfs + "/" + dir)
	if err != nil {
		return nil // the time is told; without /sys there is no more
	}
	available := w.Gauge("node_time_clocksource_available_info", "Clock sources the kernel could use; always 1.", "device", "clocksource")
	current := w.Gauge("node_time_clocksource_current_info", "The clock source the kernel uses; always 1.", "device", "clocksource")
	for _, name := range names {
		device, ok := strings.CutPrefix(name, "clocksource")
		if !ok {
			continue
		}
		if s, err := h.sysFile(dir + "/" + name + "/available_clocksource"); err == nil {
			for source := range strings.FieldsSeq(s) {
				available.Sample(1, device, source)
			}
		}
		if s, err := h.sysFile(dir + "/" + name + "/current_clocksource"); err == nil {
			current.Sample(1, device, s)
		}
	}
	return nil
}
