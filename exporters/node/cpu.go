package main

import (
	"fmt"
	"strings"

	"github.com/hearth-project/hearth/sdk/metric"
)

// userHZ is the unit of times in /proc/stat: ticks a second. It is part of the kernel's interface.
const userHZ = 100

// cpuModes are the columns of /proc/stat after the CPU's name.
var cpuModes = [...]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"}

const modeIdle = 3

// cpuTimes is the seconds of one CPU by mode.
type cpuTimes [len(cpuModes)]float64

// maxIdleJump is how far idle may fall without the CPU having been off, in seconds. The kernel's idle and iowait
// counters waver a little; the series must not, or rate would take it for a restart.
const maxIdleJump = 3

// collectCPU reports the times of each CPU by mode from /proc/stat.
func collectCPU(h *host, w *metric.Writer) error {
	text, err := h.procFile("stat")
	if err != nil {
		return err
	}
	seconds := w.Counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", "cpu", "mode")
	guest := w.Counter("node_cpu_guest_seconds_total", "Seconds the CPUs spent in virtual machines, by mode; contained in the seconds of user and nice.", "cpu", "mode")
	n := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "cpu") || strings.HasPrefix(line, "cpu ") {
			continue // "cpu " is the sum of all
		}
		fields := strings.Fields(line)
		var now cpuTimes
		for i := range now {
			if i+1 >= len(fields) {
				break // kernels before 2.6.33 have fewer
			}
			v, err := number(fields[i+1])
			if err != nil {
				return fmt.Errorf("stat: %s: %w", fields[0], err)
			}
			now[i] = v / userHZ
		}
		cpu := fields[0][len("cpu"):]
		t := h.steady(cpu, now)
		for i, mode := range cpuModes[:8] {
			seconds.Sample(t[i], cpu, mode)
		}
		guest.Sample(t[8], cpu, "user")
		guest.Sample(t[9], cpu, "nice")
		n++
	}
	if n == 0 {
		return fmt.Errorf("stat: no line of a CPU")
	}
	return collectThrottles(h, w)
}

// steady returns the times of a CPU without small steps back.
func (h *host) steady(cpu string, now cpuTimes) *cpuTimes {
	last, ok := h.cpuSeconds[cpu]
	if !ok || last[modeIdle]-now[modeIdle] >= maxIdleJump { // new, or back after having been off
		h.cpuSeconds[cpu] = &now
		return &now
	}
	for i, v := range now {
		last[i] = max(last[i], v)
	}
	return last
}

// collectThrottles reports how often cores and packages were slowed down for heat.
func collectThrottles(h *host, w *metric.Writer) error {
	cpus, err := h.cpuFolders()
	if err != nil {
		return nil // without /sys there is just no more to tell
	}
	cores := w.Counter("node_cpu_core_throttles_total", "Times this core has been throttled.", "package", "core")
	packages := w.Counter("node_cpu_package_throttles_total", "Times this package has been throttled.", "package")
	seen := map[string]bool{}
	for _, cpu := range cpus {
		dir := cpuFolder + cpu
		pkg, err := h.sysFile(dir + "/topology/physical_package_id")
		if err != nil {
			continue
		}
		core, err := h.sysFile(dir + "/topology/core_id")
		if err != nil {
			continue
		}
		if key := pkg + " " + core; !seen[key] { // threads of one core share the counter
			seen[key] = true
			if v, ok := h.sysNumber(dir + "/thermal_throttle/core_throttle_count"); ok {
				cores.Sample(v, pkg, core)
			}
		}
		if !seen[pkg] {
			seen[pkg] = true
			if v, ok := h.sysNumber(dir + "/thermal_throttle/package_throttle_count"); ok {
				packages.Sample(v, pkg)
			}
		}
	}
	return nil
}

const cpuFolder = "devices/system/cpu/cpu"

// cpuFolders returns the numbers of the CPUs in /sys.
func (h *host) cpuFolders() ([]string, error) {
	names, err := list(h.Sysfs + "/devices/system/cpu")
	if err != nil {
		return nil, err
	}
	var cpus []string
	for _, n := range names {
		if id, ok := strings.CutPrefix(n, "cpu"); ok && id != "" && strings.Trim(id, "0123456789") == "" {
			cpus = append(cpus, id)
		}
	}
	return cpus, nil
}
