package main

import (
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// collectCPUFreq reports frequencies of the CPUs from /sys, where they are in kHz.
func collectCPUFreq(h *host, w *metric.Writer) error {
	cpus, err := h.cpuFolders()
	if err != nil {
		return err
	}
	families := []struct {
		file string
		f    *metric.Family
	}{
		{"cpuinfo_cur_freq", w.Gauge("node_cpu_frequency_hertz", "Current CPU thread frequency in hertz.", "cpu")},
		{"cpuinfo_min_freq", w.Gauge("node_cpu_frequency_min_hertz", "Minimum CPU thread frequency in hertz.", "cpu")},
		{"cpuinfo_max_freq", w.Gauge("node_cpu_frequency_max_hertz", "Maximum CPU thread frequency in hertz.", "cpu")},
		{"scaling_cur_freq", w.Gauge("node_cpu_scaling_frequency_hertz", "Current scaled CPU thread frequency in hertz.", "cpu")},
		{"scaling_min_freq", w.Gauge("node_cpu_scaling_frequency_min_hertz", "Minimum scaled CPU thread frequency in hertz.", "cpu")},
		{"scaling_max_freq", w.Gauge("node_cpu_scaling_frequency_max_hertz", "Maximum scaled CPU thread frequency in hertz.", "cpu")},
	}
	governors := w.Gauge("node_cpu_scaling_governor", "Whether a CPU frequency governor is the current one.", "cpu", "governor")
	for _, cpu := range cpus {
		dir := cpuFolder + cpu + "/cpufreq/"
		for _, family := range families {
			if khz, ok := h.sysNumber(dir + family.file); ok {
				family.f.Sample(khz*1000, cpu)
			}
		}
		current, err := h.sysFile(dir + "scaling_governor")
		if err != nil {
			continue
		}
		available, err := h.sysFile(dir + "scaling_available_governors")
		if err != nil {
			continue
		}
		for governor := range strings.FieldsSeq(available) {
			governors.Sample(metric.Bool(governor == current), cpu, governor)
		}
	}
	return nil
}
