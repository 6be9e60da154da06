package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/metric"
)

// version is the manifest's; a test compares them.
const version = "0.1.0"

// collector is one source of metrics, as node_exporter divides them.
type collector struct {
	name    string
	collect func(h *host, w *metric.Writer) error
	off     bool // not without being asked for
}

// collectors lists all there are, in the order of their names.
func collectors() []collector {
	return []collector{
		{name: "arp", collect: collectARP},
		{name: "bonding", collect: collectBonding},
		{name: "btrfs", collect: collectBtrfs},
		{name: "conntrack", collect: collectConntrack},
		{name: "cpu", collect: collectCPU},
		{name: "cpufreq", collect: collectCPUFreq},
		{name: "cpuinfo", collect: collectCPUInfo, off: true},
		{name: "diskstats", collect: collectDiskstats},
		{name: "dmi", collect: collectDMI},
		{name: "edac", collect: collectEDAC},
		{name: "entropy", collect: collectEntropy},
		{name: "fibrechannel", collect: collectFibreChannel},
		{name: "filefd", collect: collectFilefd},
		{name: "filesystem", collect: collectFilesystem},
		{name: "hwmon", collect: collectHwmon},
		{name: "infiniband", collect: collectInfiniBand},
		{name: "ipvs", collect: collectIPVS},
		{name: "loadavg", collect: collectLoadavg},
		{name: "mdadm", collect: collectMDADM},
		{name: "meminfo", collect: collectMeminfo},
		{name: "netclass", collect: collectNetclass},
		{name: "netdev", collect: collectNetdev},
		{name: "netstat", collect: collectNetstat},
		{name: "nfs", collect: collectNFS},
		{name: "nfsd", collect: collectNFSd},
		{name: "nvme", collect: collectNVMe},
		{name: "os", collect: collectOS},
		{name: "powersupplyclass", collect: collectPowerSupply},
		{name: "pressure", collect: collectPressure},
		{name: "processes", collect: collectProcesses},
		{name: "rapl", collect: collectRAPL},
		{name: "schedstat", collect: collectSchedstat},
		{name: "selinux", collect: collectSELinux},
		{name: "sockstat", collect: collectSockstat},
		{name: "softnet", collect: collectSoftnet},
		{name: "stat", collect: collectStat},
		{name: "tapestats", collect: collectTapestats},
		{name: "thermal_zone", collect: collectThermal},
		{name: "time", collect: collectTime},
		{name: "udp_queues", collect: collectUDPQueues},
		{name: "uname", collect: collectUname},
		{name: "vmstat", collect: collectVmstat},
		{name: "xfs", collect: collectXFS},
		{name: "zfs", collect: collectZFS},
	}
}

// exporter is the plugin.
type exporter struct {
	host *host
	run  []collector
}

// Configure reads the settings.
func (e *exporter) Configure(_ context.Context, c sdk.Config) error {
	s := defaults()
	if err := c.Decode(&s); err != nil {
		return err
	}
	h, err := newHost(s)
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: %w", err)
	}
	run, err := s.choose(collectors())
	if err != nil {
		return sdk.Errorf(sdk.CodeInvalidRequest, "settings: %w", err)
	}
	e.host, e.run = h, run
	return nil
}

// Collect runs the collectors. One that fails costs itself only; if all do, the scrape fails.
func (e *exporter) Collect(ctx context.Context, _ sdk.Target, w *metric.Writer) error {
	success := w.Gauge("node_scrape_collector_success", "Whether a collector succeeded.", "collector")
	duration := w.Gauge("node_scrape_collector_duration_seconds", "Time a collector took.", "collector")
	w.Gauge("hearth_node_build_info", "Which build of the exporter this is; always 1.", "version", "goversion", "goos", "goarch").
		Sample(1, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	var first error
	working := 0
	for _, c := range e.run {
		if err := ctx.Err(); err != nil {
			return sdk.Retry(sdk.CodeTimeout, 0, "no time left for the collector %s: %w", c.name, err)
		}
		start := time.Now()
		err := runOne(c, e.host, w)
		duration.Sample(time.Since(start).Seconds(), c.name)
		success.Sample(metric.Bool(err == nil), c.name)
		if err == nil {
			working++
			continue
		}
		sdk.Log().Debug("collector failed", "collector", c.name, "err", err)
		if first == nil {
			first = fmt.Errorf("collector %s: %w", c.name, err)
		}
	}
	if working == 0 && first != nil {
		return sdk.Errorf(sdk.CodeDenied, "nothing can be read, is files = [%q, %q] granted? %w", e.host.Procfs, e.host.Sysfs, first)
	}
	return nil
}

// runOne keeps a panic inside its collector.
func runOne(c collector, h *host, w *metric.Writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			sdk.Log().Error("collector panics", "collector", c.name, "value", fmt.Sprint(r))
		}
	}()
	return c.collect(h, w)
}

// choose returns the collectors the settings ask for.
func (s *settings) choose(all []collector) ([]collector, error) {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	for _, n := range slices.Concat(s.Collectors, s.ExcludeCollectors) {
		if !slices.Contains(names, n) {
			return nil, fmt.Errorf("unknown collector %q; known are %s", n, strings.Join(names, ", "))
		}
	}
	var run []collector
	for _, c := range all {
		wanted := !c.off
		if len(s.Collectors) > 0 {
			wanted = slices.Contains(s.Collectors, c.name)
		}
		if wanted && !slices.Contains(s.ExcludeCollectors, c.name) {
			run = append(run, c)
		}
	}
	if len(run) == 0 {
		return nil, fmt.Errorf("no collector is left")
	}
	return run, nil
}
