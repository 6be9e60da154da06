package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectSELinux reports whether SELinux is on, and the mode it is in and was set to: 1 enforcing, 0 permissive.
func collectSELinux(h *host, w *metric.Writer) error {
	current, on := h.sysNumber("fs/selinux/enforce")
	w.Gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false.").Sample(metric.Bool(on))
	if !on {
		return nil
	}
	w.Gauge("node_selinux_current_mode", "Mode SELinux is in: 1 enforcing, 0 permissive.").Sample(current)
	text, err := h.read(strings.TrimSuffix(h.Rootfs, "/") + "/etc/selinux/config")
	if err != nil {
		return nil // it may not be granted; the rest is told
	}
	mode := -1. // disabled
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "SELINUX="); ok {
			switch strings.TrimSpace(v) {
			case "enforcing":
				mode = 1
			case "permissive":
				mode = 0
			}
		}
	}
	w.Gauge("node_selinux_config_mode", "Mode SELinux is configured for: 1 enforcing, 0 permissive, -1 disabled.").Sample(mode)
	return nil
}
