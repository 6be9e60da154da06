package main

import (
	"encoding/json"
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/hardware.prom anew")

// hardware are the collectors that testdata/hardware.txt has something for.
var hardware = []string{"bonding", "btrfs", "dmi", "edac", "fibrechannel", "hwmon", "infiniband", "ipvs", "mdadm", "nfs", "nfsd", "nvme",
	"powersupplyclass", "rapl", "tapestats", "thermal_zone", "xfs", "zfs"}

// hardwareDir lays out testdata/hardware.txt.
func hardwareDir(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/hardware.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name string, write func(path string) error) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := write(path); err != nil {
			t.Fatal(err)
		}
	}
	file := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o644) }
	}
	short, long, _ := strings.Cut(string(text), "\n-- ")
	for line := range strings.Lines(short) {
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasPrefix(line, "sys/") {
			continue
		}
		if name, text, ok := strings.Cut(line, " = "); ok {
			put(name, file(text+"\n"))
		} else if name, target, ok := strings.Cut(line, " -> "); ok {
			put(name, func(path string) error { return os.Symlink(target, path) })
		} else {
			put(line, func(path string) error { return os.MkdirAll(path, 0o755) })
		}
	}
	for f := range strings.SplitSeq(long, "\n-- ") {
		name, text, _ := strings.Cut(f, " --\n")
		put(name, file(text+"\n"))
	}
	return dir
}

// collectHardware runs the collectors of hardware on dir.
func collectHardware(t *testing.T, dir string) []byte {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"procfs": dir + "/proc", "sysfs": dir + "/sys", "collectors": hardware})
	if err != nil {
		t.Fatal(err)
	}
	i := sdk.NewInstance(sdk.Plugin{Exporter: &exporter{}})
	if _, err := i.Call(t.Context(), abi.OpConfigure, settings); err != nil {
		t.Fatal(err)
	}
	body, err := i.Call(t.Context(), abi.OpCollect, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// What collectors of hardware make of a host that has it all.
func TestHardware(t *testing.T) {
	dir := hardwareDir(t)
	var kept strings.Builder
	for line := range strings.Lines(string(collectHardware(t, dir))) {
		if !strings.Contains(line, "node_scrape_collector_duration") && !strings.Contains(line, "hearth_node_build_info") {
			kept.WriteString(strings.ReplaceAll(line, dir, ""))
		}
	}
	const golden = "testdata/hardware.prom"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(kept.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := sortedLines(kept.String()), sortedLines(string(want))
	for _, l := range got {
		if _, ok := slices.BinarySearch(wanted, l); !ok {
			t.Errorf("not in %s: %s", golden, l)
		}
	}
	for _, l := range wanted {
		if _, ok := slices.BinarySearch(got, l); !ok {
			t.Errorf("missing: %s", l)
		}
	}
}

// sortedLines makes texts comparable: collectors go through maps in any order.
func sortedLines(text string) []string {
	return slices.Sorted(strings.Lines(text))
}

// nfsdMistaken are the operations node_exporter 1.5 has wrong: it knows none of those between SetAttr and Verify, so that
// it counts 35 and 36 (SetClientID and its confirmation) as Verify and Write.
var nfsdMistaken = regexp.MustCompile(`node_nfsd_requests_total.*method="(PutPubFH|PutRootFH|SetClientID|SetClientIDConfirm|Verify|Write)", proto="4"`)

// The same beside the real thing: names, labels, types and values.
func TestHardwareBesideNodeExporter(t *testing.T) {
	if _, err := os.Stat(nodeExporter); err != nil {
		t.Skip("prometheus-node-exporter is not installed")
	}
	dir := hardwareDir(t)
	args := []string{"--path.procfs=" + dir + "/proc", "--path.sysfs=" + dir + "/sys", "--collector.disable-defaults"}
	for _, c := range hardware {
		args = append(args, "--collector."+c)
	}
	theirs := scrapeNodeExporter(t, args...)
	ours, err := sdktest.ParseExposition(collectHardware(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, series := range slices.Sorted(maps.Keys(theirs.Series)) {
		name, want := theirs.Names[series], theirs.Series[series]
		if !strings.HasPrefix(name, "node_") || name == "node_exporter_build_info" || name == "node_scrape_collector_duration_seconds" ||
			nfsdMistaken.MatchString(series) {
			continue
		}
		got, ok := ours.Series[series]
		compared++
		switch {
		case !ok:
			t.Errorf("node_exporter only: %s %v", series, want)
		case ours.Types[name] != theirs.Types[name]:
			t.Errorf("%s is a %s, node_exporter has a %s", name, ours.Types[name], theirs.Types[name])
		case math.Abs(got-want) > 1e-12*math.Abs(want):
			t.Errorf("%s is %v, node_exporter says %v", series, got, want)
		}
	}
	for _, series := range slices.Sorted(maps.Keys(ours.Series)) {
		if _, ok := theirs.Series[series]; !ok && ours.Names[series] != "hearth_node_build_info" && !nfsdMistaken.MatchString(series) {
			t.Errorf("ours only: %s", series)
		}
	}
	if compared < 300 {
		t.Errorf("only %d series were compared", compared)
	}
}
