package e2e

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostConfig scrapes hearth itself, this host through the plugin, and node_exporter at %s, each second.
const hostConfig = `
[global]
scrape_interval = "1s"
scrape_timeout = "1s"
evaluation_interval = "1s"

[[scrape_configs]]
job_name = "hearth"
static_configs = [{ targets = ["{self}"] }]

[[scrape_configs]]
job_name = "plugin"
plugin = "hearth/node"
grant = { files = ["/proc", "/sys"], statfs = ["*"] }
static_configs = [{ targets = ["this-host"] }]

[[scrape_configs]]
job_name = "node_exporter"
static_configs = [{ targets = ["%s"] }]
`

func TestThisHostIsMeasuredRight(t *testing.T) {
	h := serve(t, fmt.Sprintf(hostConfig, nodeExporter(t)))
	eventually(t, 30*time.Second, "three targets up", func() error {
		if n, err := h.value(`count(up == 1)`); err != nil || n != 3 {
			return fmt.Errorf("%v up: %v", n, err)
		}
		return nil
	})

	t.Run("memory total is what free says", func(t *testing.T) {
		want := freeTotal(t)
		for _, job := range []string{"plugin", "node_exporter"} {
			if got, err := h.value(fmt.Sprintf(`node_memory_MemTotal_bytes{job=%q}`, job)); err != nil || got != want {
				t.Errorf("%s: %v, %v; free -b says %v", job, got, err, want)
			}
		}
	})
	t.Run("disk space is what df says", func(t *testing.T) {
		device, size, avail := df(t, "/")
		for _, job := range []string{"plugin", "node_exporter"} {
			sel := fmt.Sprintf(`{job=%q,mountpoint="/"}`, job)
			got, err := h.value("node_filesystem_size_bytes" + sel)
			if err != nil || got != size {
				t.Errorf("size of %s by %s: %v, %v; df says %v", device, job, got, err, size)
			}
			got, err = h.value("node_filesystem_avail_bytes" + sel)
			if err != nil || math.Abs(got-avail) > 0.02*size {
				t.Errorf("free space of %s by %s: %v, %v; df says %v", device, job, got, err, avail)
			}
		}
	})
	t.Run("CPU seconds are what /proc/stat says", func(t *testing.T) {
		for _, mode := range []string{"user", "system", "idle"} {
			want := procStat(t, mode)
			for _, job := range []string{"plugin", "node_exporter"} {
				got, err := h.value(fmt.Sprintf(`sum(node_cpu_seconds_total{job=%q,mode=%q})`, job, mode))
				if err != nil || math.Abs(got-want) > 15 { // two cores, some seconds between the readings
					t.Errorf("%s by %s: %v, %v; /proc/stat says %v", mode, job, got, err, want)
				}
			}
		}
	})
	t.Run("processes are what /proc lists", func(t *testing.T) {
		entries, err := os.ReadDir("/proc")
		if err != nil {
			t.Fatal(err)
		}
		want := 0.
		for _, e := range entries {
			if _, err := strconv.Atoi(e.Name()); err == nil {
				want++
			}
		}
		got, err := h.value(`sum(node_processes_state{job="plugin"})`)
		if err != nil || math.Abs(got-want) > 0.2*want+10 {
			t.Errorf("%v, %v; /proc has %v", got, err, want)
		}
	})
	t.Run("the plugin knows the names node_exporter knows", func(t *testing.T) {
		names := func(job string) string { return fmt.Sprintf(`count by (__name__) ({job=%q,__name__=~"node_.*"})`, job) }
		missing, err := h.vector(names("node_exporter") + " unless " + names("plugin"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range missing {
			// The basics that the plugin must have; the rest of node_exporter's collectors come with later work.
			for _, prefix := range []string{"node_cpu_seconds", "node_memory_", "node_load", "node_network_receive_", "node_network_transmit_", "node_disk_read", "node_disk_writ", "node_disk_io", "node_filesystem_", "node_procs_"} {
				if name := string(s.Metric["__name__"]); strings.HasPrefix(name, prefix) {
					t.Errorf("%s is missing", name)
				}
			}
		}
	})
	t.Run("both see the same CPU load", func(t *testing.T) {
		eventually(t, 30*time.Second, "rates that agree", func() error {
			a, err := h.value(`sum(rate(node_cpu_seconds_total{job="plugin",mode!="idle"}[10s]))`)
			if err != nil {
				return err
			}
			b, err := h.value(`sum(rate(node_cpu_seconds_total{job="node_exporter",mode!="idle"}[10s]))`)
			if err != nil {
				return err
			}
			if math.Abs(a-b) > 0.25 {
				return fmt.Errorf("plugin %v, node_exporter %v", a, b)
			}
			return nil
		})
	})
}

// freeTotal returns the memory of the machine in bytes as free(1) prints it.
func freeTotal(t *testing.T) float64 {
	t.Helper()
	f := fields(t, "Mem:", "free", "-b")
	return number(t, f[1])
}

// df returns the device, size and space left of a mount in bytes as df(1) prints them.
func df(t *testing.T, mount string) (device string, size, avail float64) {
	t.Helper()
	f := fields(t, "", "df", "-B1", "--output=source,size,avail", mount)
	return f[0], number(t, f[1]), number(t, f[2])
}

// procStat returns the seconds all CPUs spent in a mode since boot.
func procStat(t *testing.T, mode string) float64 {
	t.Helper()
	f := fields(t, "cpu ", "cat", "/proc/stat")
	column := map[string]int{"user": 1, "nice": 2, "system": 3, "idle": 4}[mode]
	return number(t, f[column]) / 100
}

// fields runs a command and returns the fields of its line with the prefix, or of the last one.
func fields(t *testing.T, prefix, command string, args ...string) []string {
	t.Helper()
	out, err := exec.Command(command, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, l := range lines {
		if (prefix != "" && strings.HasPrefix(l, prefix)) || (prefix == "" && i == len(lines)-1) {
			return strings.Fields(l)
		}
	}
	t.Fatalf("%s printed no line with %q", command, prefix)
	return nil
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
