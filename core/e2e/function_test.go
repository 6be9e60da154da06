package e2e

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFunctionsOfPluginsInQueriesAndRules has one plugin whose function gives what its documentation says, and one that
// does not end: its query and its rule say so, and nothing else suffers.
func TestFunctionsOfPluginsInQueriesAndRules(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yml")
	err := os.WriteFile(rules, []byte(`
groups:
- name: functions
  interval: 1s
  rules:
  - record: score
    expr: anomaly_zscore((vector(time()) != 0)[60s:10s])
  - alert: NeverKnown
    expr: bad_loop(vector(1)) > 0
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("rule_files = [%q]\n[plugins]\ndir = %q\n", rules, withBadPlugin(t)) + quietConfig
	with := base + "\n[[functions]]\nplugin = \"hearth/anomaly\"\n[[functions]]\nplugin = \"test/bad\"\n"
	h := serve(t, with)

	// Six samples, 10 apart: the newest is 30 above the mean of the five before it, whose deviations are 20, 10, 0, 10, 20.
	want := 30 / math.Sqrt(200)
	for _, expr := range []string{`anomaly_zscore((vector(time()) != 0)[60s:10s])`, `score`} {
		eventually(t, 15*time.Second, expr, func() error {
			if got, err := h.value(expr); err != nil || math.Abs(got-want) > 1e-9 {
				return fmt.Errorf("%v, %v; want %v", got, err, want)
			}
			return nil
		})
	}
	start := time.Now()
	code, body := h.get(t, "/api/v1/query?query="+url.QueryEscape(`bad_loop(vector(1))`))
	if code != http.StatusUnprocessableEntity || !strings.Contains(body, "function bad_loop of test/bad: stopped at its deadline, after ") {
		t.Errorf("a function that does not end: %d %s", code, body)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	eventually(t, 15*time.Second, "the rule to say why", func() error {
		_, body := h.get(t, "/api/v1/rules")
		if !strings.Contains(body, `"health":"err"`) || !strings.Contains(body, "function bad_loop of test/bad: stopped at its deadline") {
			return fmt.Errorf("%s", body)
		}
		return nil
	})

	h.configure(t, with[:strings.LastIndex(with, "[[functions]]")])
	if code, body := h.post(t, "/-/reload"); code == http.StatusOK || !strings.Contains(body, "bad_loop") {
		t.Errorf("a reload takes a function away that a rule calls: %d %s", code, body)
	}
	if got, err := h.value(`anomaly_mad((vector(time()) != 0)[60s:10s])`); err != nil || got == 0 {
		t.Errorf("after a reload that was refused: %v, %v", got, err)
	}
}
