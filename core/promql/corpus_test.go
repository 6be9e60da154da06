package promql

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// skipped names what of upstream's scripts does not run here, and why: a whole script, or the sections of one that
// contain a text.
var skipped = map[string]struct{ reason, containing string }{}

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
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".test")
		t.Run(name, func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := New(Options{Syntax: promqltest.TestParserOpts, DelayedNames: true, Timeout: 100 * time.Second, MaxSamples: 1e6})
			promqltest.RunTest(t, string(script), asUpstream{e})
		})
	}
}
