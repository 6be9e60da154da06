package promql

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// skippedScripts names upstream's scripts that are not run, and why. Single evaluations are in testdata/skipped.txt.
var skippedScripts = map[string]string{
	"native_histograms": "all about native histograms, which are not read",
	"start_timestamps":  "samples with start times, which columns do not have",
}

// TestUpstreamScripts runs upstream's own acceptance scripts.
func TestUpstreamScripts(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "promql/promqltest/testdata/*.test"))
	if err != nil || len(files) < 15 {
		t.Fatalf("%d scripts found (%v)", len(files), err)
	}
	skipped := readSkipped(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".test")
		t.Run(name, func(t *testing.T) {
			if why := skippedScripts[name]; why != "" {
				t.Skip(why)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, left := withoutSkipped(name, string(text), skipped)
			if left != 0 {
				t.Errorf("testdata/skipped.txt names %d evaluations that %s does not have", left, name)
			}
			// The scripts are written for experimental functions and delayed removal of names.
			e := New(Options{Syntax: promqltest.TestParserOpts, DelayedNames: true, Timeout: 100 * time.Second, MaxSamples: 1e6})
			promqltest.RunTest(t, script, asUpstream{e})
		})
	}
}

// readSkipped returns the lines "script line command" of the list.
func readSkipped(t *testing.T) map[string]bool {
	text, err := os.ReadFile("testdata/skipped.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out[line] = true
		}
	}
	return out
}

// withoutSkipped blanks the evaluations of a script that are in the list, with what they expect, and returns how many
// entries for the script match none.
func withoutSkipped(name, script string, skipped map[string]bool) (_ string, left int) {
	for entry := range skipped {
		if strings.HasPrefix(entry, name+" ") {
			left++
		}
	}
	lines := strings.Split(script, "\n")
	for i := range lines {
		if !skipped[fmt.Sprintf("%s %d %s", name, i+1, strings.TrimSpace(lines[i]))] {
			continue
		}
		left--
		lines[i] = ""
		for j := i + 1; j < len(lines) && strings.TrimLeft(lines[j], " \t") != lines[j]; j++ { // indented: what is expected
			lines[j] = ""
		}
	}
	return strings.Join(lines, "\n"), left
}
