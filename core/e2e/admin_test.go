package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDeleteAndSnapshotOfARunningServer goes through the API that Prometheus's clients know, and serves the copy.
func TestDeleteAndSnapshotOfARunningServer(t *testing.T) {
	h := serve(t, strings.Replace(quietConfig, "[global]", "[server]\nenable_admin_api = true\n[storage]\nout_of_order_time_window = \"48h\"\n[global]", 1))
	from := time.Now().Add(-3 * time.Hour)
	keep, drop := newWriter(h, "admin", "keep", 3, 10*time.Second, from, 1), newWriter(h, "admin", "drop", 3, 10*time.Second, from, 2)
	for range 50 {
		for _, w := range []*writer{keep, drop} {
			if code, body := w.send(); code/100 != 2 {
				t.Fatalf("%d %s", code, body)
			}
		}
	}
	ctx := t.Context()
	before, err := h.api.Snapshot(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.api.DeleteSeries(ctx, []string{`soaked{writer="drop"}`}, time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	gone := func() error {
		if n, err := h.value(`count(max_over_time(soaked{writer="drop"}[4h])) or vector(0)`); err != nil || n != 0 {
			return fmt.Errorf("%v series are there, %v", n, err)
		}
		return keep.verify()
	}
	if err := gone(); err != nil {
		t.Fatal(err)
	}
	if err := h.api.CleanTombstones(ctx); err != nil {
		t.Fatal(err)
	}
	if err := h.verified(); err != nil {
		t.Fatal(err)
	}
	h.kill()
	h.again(t)
	if err := gone(); err != nil {
		t.Fatalf("after a restart: %v", err)
	}

	h.kill()
	whole := h.data
	h.data = filepath.Join(whole, "snapshots", before.Name)
	if err := h.verified(); err != nil {
		t.Fatal(err)
	}
	h.again(t)
	for _, w := range []*writer{keep, drop} {
		if err := w.verify(); err != nil {
			t.Fatalf("the copy from before the deletion: %s: %v", w.name, err)
		}
	}
	if err := h.stop(t); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "tsdb", "dump", "--data", whole, `soaked{writer="drop"}`).CombinedOutput()
	if err != nil || string(out) != "# EOF\n" {
		t.Errorf("a dump of what was deleted: %s, %v", tail(string(out), 500), err)
	}
}
