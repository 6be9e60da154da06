package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectCPUInfo reports what kind of CPUs these are, from /proc/cpuinfo.
func collectCPUInfo(h *host, w *metric.Writer) error {
	text, err := h.procFile("cpuinfo")
	if err != nil {
		return err
	}
	info := w.Gauge("node_cpu_info", "What /proc/cpuinfo says of each CPU; always 1.",
		"package", "core", "cpu", "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize")
	for cpu := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		kv := map[string]string{}
		for line := range strings.Lines(cpu) {
			k, v, _ := strings.Cut(line, ":")
			kv[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
		if kv["processor"] == "" {
			continue // some architectures end with a block about the board
		}
		info.Sample(1, kv["physical id"], kv["core id"], kv["processor"], kv["vendor_id"], kv["cpu family"], kv["model"],
			kv["model name"], kv["microcode"], kv["stepping"], kv["cache size"])
	}
	return nil
}
