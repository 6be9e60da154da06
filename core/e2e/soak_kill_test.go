package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const soakConfig = `
rule_files = ["rules.yml"]

[storage]
out_of_order_time_window = "48h"

[global]
scrape_interval = "%[1]dms"
scrape_timeout = "%[1]dms"
evaluation_interval = "%[1]dms"

[route]
receiver = "nobody"

[[receivers]]
name = "nobody"

[[scrape_configs]]
job_name = "hearth"
static_configs = [{ targets = ["{self}"] }]

[[scrape_configs]]
job_name = "counting"
static_configs = [{ targets = ["{target}"] }]
`

// soakRules has an alert that fires and a series that is written by a rule.
const soakRules = `
groups:
- name: soak
  rules:
  - record: soak:series
    expr: count(soaked)
  - alert: Soaking
    expr: vector(1)
`

// reload replaces the configuration and has the running server read it.
func (h *hearth) reload(config string) error {
	next := h.config + ".next"
	if err := os.WriteFile(next, []byte(strings.ReplaceAll(config, "{self}", h.listen)), 0o600); err != nil {
		return err
	}
	if err := os.Rename(next, h.config); err != nil {
		return err
	}
	_ = h.cmd.Process.Signal(syscall.SIGHUP) // it may have ended
	return nil
}

// TestSoakKills kills the server at random moments of mixed load. After each start every acknowledged sample is
// there, none is that nobody sent, and the start told of no damage. The bounded form takes about 20 s.
func TestSoakKills(t *testing.T) {
	limit, kills := 20*time.Second, 25
	if soaking() {
		limit, kills = 0, 500
	}
	rnd := seeded(t)
	target := newCounting(t)
	var configs []string
	for _, ms := range []int{150, 250} {
		configs = append(configs, target.config(ms))
	}
	h := serveSoak(t, filepath.Join(t.TempDir(), "data"), configs[0])
	began := time.Now()
	var all, now []*writer
	for round := range kills {
		if limit > 0 && time.Since(began) > limit {
			t.Logf("%d kills in %v", round, limit)
			break
		}
		if round%12 == 0 { // new series, and times that were over begin again
			now = newWriters(h, fmt.Sprint("r", round), rnd)
			all = append(all, now...)
		}
		l := startLoad(h, now, configs)
		time.Sleep(time.Duration(30+rnd.IntN(900)) * time.Millisecond)
		h.kill()
		if err := l.end(); err != nil {
			t.Fatalf("kill %d: before it: %v", round, err)
		}
		h.told(t, round)
		if err := h.verified(); err != nil {
			t.Fatalf("kill %d: after it: %v", round, err)
		}
		for rnd.IntN(4) == 0 { // and during the start
			h.begin(t)
			time.Sleep(time.Duration(rnd.IntN(150)) * time.Millisecond)
			h.kill()
			h.told(t, round)
		}
		h.again(t)
		check := now
		if round%50 == 49 {
			check = all
			t.Logf("kill %d after %v", round+1, time.Since(began).Round(time.Second))
		}
		verifyAll(t, round, check, target)
	}
	verifyAll(t, kills, all, target)
	samples := 0
	for _, w := range all {
		samples += w.acknowledged() * w.series
	}
	t.Logf("%d acknowledged samples, %d scrapes", samples, target.served.Load())
}

// config returns a configuration with this target, in which scrapes and rules run every so many milliseconds.
func (c *counting) config(ms int) string {
	return strings.ReplaceAll(fmt.Sprintf(soakConfig, ms), "{target}", strings.TrimPrefix(c.URL, "http://"))
}

// serveSoak starts a server with the data in a directory of the caller, and the rules beside its configuration.
func serveSoak(t *testing.T, data, config string) *hearth {
	t.Helper()
	h := prepare(t, data, config)
	if err := os.WriteFile(filepath.Join(filepath.Dir(h.config), "rules.yml"), []byte(soakRules), 0o600); err != nil {
		t.Fatal(err)
	}
	h.again(t)
	return h
}

// newWriters returns senders of different steps: one within the head, one that makes parts as it goes.
func newWriters(h *hearth, run string, rnd *rand.Rand) []*writer {
	now := time.Now()
	return []*writer{
		newWriter(h, run, "dense", 40, 10*time.Millisecond, now.Add(-50*time.Minute), rnd.Uint64()),
		newWriter(h, run, "steady", 25, time.Second, now.Add(-3*time.Hour), rnd.Uint64()),
		newWriter(h, run, "wide", 10, 20*time.Second, now.Add(-40*time.Hour), rnd.Uint64()),
		newWriter(h, run, "single", 1, 5*time.Second, now.Add(-20*time.Hour), rnd.Uint64()),
	}
}

func verifyAll(t *testing.T, round int, ws []*writer, target *counting) {
	t.Helper()
	for _, w := range ws {
		if err := w.verify(); err != nil {
			t.Fatalf("kill %d: writer %s of %s: %v", round, w.name, w.run, err)
		}
		if err := target.verify(w.h); err != nil {
			t.Fatalf("kill %d: %v", round, err)
		}
	}
}

// told fails the test if the server that has ended logged an error: being killed must not look like damage.
func (h *hearth) told(t *testing.T, round int) {
	t.Helper()
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, "level=ERROR") {
			t.Fatalf("round %d: the server told of an error: %s", round, line)
		}
	}
	h.hushed = true
}
