package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

const nodeExporter = "/usr/bin/prometheus-node-exporter" // Debian's, 1.5

// allowed are the differences from node_exporter 1.5 that are meant.
var allowed = []struct {
	metric *regexp.Regexp
	only   string // who has it: ours, theirs, type
	why    string
}{
	{regexp.MustCompile(`^hearth_node_build_info$`), "ours", "it stands for node_exporter_build_info"},
	{regexp.MustCompile(`^node_exporter_build_info$`), "theirs", "hearth_node_build_info stands for it"},
	{regexp.MustCompile(`^node_textfile_`), "theirs", "this exporter reads no files of metrics"},
	{regexp.MustCompile(`^node_timex_`), "theirs", "needs the system call adjtimex"},
	{regexp.MustCompile(`^node_processes_threads_state$`), "theirs", "only with thread_states: it reads a file of every thread"},
	{regexp.MustCompile(`^node_pressure_irq_stalled_seconds_total$`), "ours", "came with a later node_exporter"},
	{regexp.MustCompile(`^node_schedstat_`), "ours", "1.5 does not know version 17 of /proc/schedstat"},
	{regexp.MustCompile(`^node_cpu_scaling_governor$`), "ours", "came with node_exporter 1.6"},
	{regexp.MustCompile(`^node_netstat_TcpExt_(TCPOFOQueue|TCPRcvQDrop)$`), "ours", "came with a later node_exporter"},
}

// steady are values that must be equal; slow are those that must be within a hundredth, or one thousand of their unit.
var (
	steady = regexp.MustCompile(`^node_(boot_time_seconds|memory_(MemTotal|SwapTotal|HugePages_Total|VmallocTotal)(_bytes)?|filefd_maximum|filesystem_(size_bytes|files|readonly|device_error)|` +
		`network_(up|mtu_bytes|speed_bytes|info|flags|carrier|iface_id|protocol_type|transmit_queue_length)|entropy_pool_size_bits|uname_info|os_(info|version)|disk_info|` +
		`nf_conntrack_entries_limit|processes_max_(threads|processes)|time_(zone_offset_seconds|clocksource_.*_info)|cpu_guest_seconds_total|network_(receive|transmit)_(errs|drop|fifo|colls)_total|network_receive_nohandler_total)$`)
	slow = regexp.MustCompile(`^node_(cpu_seconds_total|intr_total|context_switches_total|forks_total|time_seconds|filesystem_(free|avail)_bytes|filesystem_files_free|disk_(reads_completed|read_bytes|writes_completed|written_bytes|io_time_seconds|discarded_sectors)_total|` +
		`network_(receive|transmit)_(bytes|packets)_total|pressure_.*_seconds_total|vmstat_pg(fault|pgin|pgout)|netstat_IpExt_(In|Out)Octets|sockstat_sockets_used|processes_(pids|threads))$`)
)

// Names, labels, types and values beside the real thing on this host.
func TestBesideNodeExporter(t *testing.T) {
	if _, err := os.Stat(nodeExporter); err != nil {
		t.Skip("prometheus-node-exporter is not installed")
	}
	theirs := scrapeNodeExporter(t, "--collector.processes",
		// Debian's defaults differ from upstream's here.
		"--collector.netdev.device-exclude=^$",
		"--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)")
	i := sdk.NewInstance(sdk.Plugin{Exporter: &exporter{}})
	body, err := i.Call(t.Context(), abi.OpCollect, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := sdktest.ParseExposition(body)
	if err != nil {
		t.Fatal(err)
	}

	for _, d := range differences(ours, theirs) {
		if why := reason(d); why != "" {
			t.Logf("%s (%s)", d, why)
		} else {
			t.Error(d)
		}
	}

	compared := 0
	for series, want := range theirs.Series {
		got, ok := ours.Series[series]
		name := theirs.Names[series]
		switch {
		case !ok:
		case name == "node_scrape_collector_success" && got != want:
			t.Errorf("%s is %v, node_exporter says %v", series, got, want)
		case steady.MatchString(name):
			compared++
			if got != want {
				t.Errorf("%s is %v, node_exporter says %v", series, got, want)
			}
		case slow.MatchString(name):
			compared++
			slack := 1000.
			if strings.Contains(name, "bytes") || strings.Contains(name, "Octets") {
				slack = 64 << 20
			} else if strings.Contains(name, "seconds") || strings.Contains(name, "sockets") {
				slack = 20
			}
			if math.Abs(got-want) > max(slack, math.Abs(want)/100) {
				t.Errorf("%s is %v, node_exporter says %v", series, got, want)
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d values were compared", compared)
	}
	t.Logf("%d series of ours, %d of theirs, %d values compared", len(ours.Series), len(theirs.Series), compared)
}

// difference is one thing that only one of both has.
type difference struct {
	what, metric, only string
}

func (d difference) String() string { return d.only + " only: " + d.what }

func reason(d difference) string {
	for _, a := range allowed {
		if a.only == d.only && a.metric.MatchString(d.metric) {
			return a.why
		}
	}
	return ""
}

// differences compares names with types, and label sets where both know the name.
func differences(ours, theirs *sdktest.Exposition) []difference {
	var ds []difference
	names := func(e *sdktest.Exposition) []string { return slices.Compact(slices.Sorted(maps.Values(e.Names))) }
	our, their := names(ours), names(theirs)
	for _, n := range our {
		if !slices.Contains(their, n) {
			ds = append(ds, difference{n, n, "ours"})
		} else if a, b := ours.Types[n], theirs.Types[n]; a != b {
			ds = append(ds, difference{fmt.Sprintf("type %s of %s, theirs is %s", a, n, b), n, "type"})
		}
	}
	for _, n := range their {
		if strings.HasPrefix(n, "node_") && !slices.Contains(our, n) {
			ds = append(ds, difference{n, n, "theirs"})
		}
	}
	series := func(from, other *sdktest.Exposition, otherNames []string, who string) {
		for _, s := range slices.Sorted(maps.Keys(from.Series)) {
			name := from.Names[s]
			_, there := other.Series[s]
			if there || !slices.Contains(otherNames, name) || name == "node_processes_state" || strings.HasPrefix(name, "node_scrape_") {
				continue // states of processes come and go, and the lists of collectors differ
			}
			ds = append(ds, difference{s, name, who})
		}
	}
	series(ours, theirs, their, "ours")
	series(theirs, ours, our, "theirs")
	return ds
}

// scrapeNodeExporter runs the real exporter on a free port and reads it once.
func scrapeNodeExporter(t *testing.T, args ...string) *sdktest.Exposition {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.CommandContext(t.Context(), nodeExporter, append(args, "--web.listen-address="+address)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	go io.Copy(io.Discard, bufio.NewReader(stderr))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/metrics")
		if err == nil {
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			e, err := sdktest.ParseExposition(body)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("node_exporter does not answer: %v", err)
		}
	}
}
