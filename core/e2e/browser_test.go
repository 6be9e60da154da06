package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestPagesInChromium(t *testing.T) {
	h := serve(t, fmt.Sprintf(hostConfig, nodeExporter(t)))
	eventually(t, 30*time.Second, "a rate to draw", func() error {
		if n, err := h.value(`count(rate(node_cpu_seconds_total{job="plugin"}[1m]))`); err != nil || n == 0 {
			return fmt.Errorf("%v, %v", n, err)
		}
		return nil
	})
	time.Sleep(8 * time.Second) // some points for the curve
	shots := filepath.Join(root, "bin", "e2e")
	if out, err := exec.Command("mkdir", "-p", shots).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := exec.Command("node", "browser.mjs", h.url, shots).CombinedOutput(); err != nil {
		t.Errorf("%v (screenshots are in %s)\n%s", err, shots, out)
	}
}
