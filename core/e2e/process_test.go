package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/plugin"
)

// withProgram builds the tests' plugin that is a program and returns the folder of plugins that holds it.
func withProgram(t *testing.T) string {
	t.Helper()
	plugins := t.TempDir()
	dir := filepath.Join(plugins, "test", "program")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`schema = 1
id = "test/program"
version = "1.0.0"
abi = "1"
kinds = ["exporter"]
license = "Apache-2.0"
description = "Does what its target's address says."
[[artifact]]
runtime = "native"
os = %q
arch = %q
file = "program"
[capabilities]
secrets = ["password"]
`, runtime.GOOS, runtime.GOARCH)
	if err := os.WriteFile(filepath.Join(dir, "hearth-plugin.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"build", "-o", filepath.Join(dir, "program"), "./core/plugin/process/testdata/guest"},
		{"run", "./sdk/manifest/cmd/seal", dir},
	} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return plugins
}

// processesIn returns the processes that were started by plugins whose runtime folder is in dir: the plugins themselves
// and what they have started, wherever that has gone.
func processesIn(t *testing.T, dir string) (pids []int) {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range environs {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), []byte("\x00HEARTH_RUNTIME="+dir+"/")) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// TestPluginsThatArePrograms runs one that starts processes at each scrape. It is killed, hearth is killed, hearth is
// stopped: what is left over is none.
func TestPluginsThatArePrograms(t *testing.T) {
	dir, err := os.MkdirTemp("", "he2e") // short, for the names of sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := fmt.Sprintf("[plugins]\ndir = %q\nruntime = %q\n", withProgram(t), dir) + quietConfig + `
[[scrape_configs]]
job_name = "program"
plugin = "test/program"
runtime = "native"
trust = "native"
scrape_interval = "1s"
static_configs = [{ targets = ["fork"] }]
grant = { secrets = { password = "p4ss" } }
`
	h := serve(t, config)
	up := func(want float64) {
		t.Helper()
		eventually(t, 30*time.Second, fmt.Sprintf("up to be %v", want), func() error {
			if got, err := h.value(`up{job="program"}`); err != nil || got != want {
				return fmt.Errorf("%v, %v", got, err)
			}
			return nil
		})
	}
	several := func() {
		t.Helper()
		eventually(t, 30*time.Second, "the plugin to start processes", func() error {
			if n := len(processesIn(t, dir)); n < 4 {
				return fmt.Errorf("%d processes", n)
			}
			return nil
		})
	}
	none := func(of []int, why string) {
		t.Helper()
		eventually(t, 30*time.Second, "nothing to be left after "+why, func() error {
			if left := slices.DeleteFunc(of, func(pid int) bool { return !slices.Contains(processesIn(t, dir), pid) }); len(left) > 0 {
				return fmt.Errorf("processes %v", left)
			}
			return nil
		})
	}
	status := func() plugin.Status {
		t.Helper()
		var list struct{ Data []plugin.Status }
		_, body := h.get(t, "/api/hearth/v1/plugins")
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		for _, s := range list.Data {
			if s.ID == "test/program" && len(s.Processes) == 1 {
				return s
			}
		}
		t.Fatalf("plugins: %+v", list)
		return plugin.Status{}
	}

	up(1)
	several()
	if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", status().Processes[0].PIDs[0])); err != nil || bytes.Contains(cmdline, []byte("p4ss")) {
		t.Errorf("a secret stands in the environment, or %v", err)
	}

	before := processesIn(t, dir)
	if err := syscall.Kill(status().Processes[0].PIDs[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	none(before, "the plugin was killed")
	up(1)
	several()
	if s := status(); s.Processes[0].Restarts < 1 || !strings.Contains(s.Processes[0].LastExit, "signal 9") {
		t.Errorf("status %+v", s)
	}
	if log := h.log.String(); !strings.Contains(log, "test/program") || !strings.Contains(log, "it is started again") {
		t.Errorf("the log does not tell of it")
	}

	before = processesIn(t, dir)
	h.kill()
	none(before, "hearth was killed")
	none(processesIn(t, dir), "hearth was killed")
	h.again(t)
	up(1)
	several()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder of the server that was killed is left: %v, %v", entries, err)
	}

	if err := h.stop(t); err != nil {
		t.Error(err)
	}
	none(processesIn(t, dir), "hearth was stopped")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
