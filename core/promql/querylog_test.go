package promql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// lines reads a query log without what differs from run to run.
func lines(t *testing.T, name string) (out []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		if m["time"] == nil || m["msg"] != "promql query logged" {
			t.Errorf("line %s", line)
		}
		delete(m, "time")
		delete(m, "msg")
		delete(m, "level")
		if s, ok := m["stats"].(map[string]any); ok {
			if s["timings"] == nil || s["explain"] != nil {
				t.Errorf("line %s", line)
			}
			m["stats"] = s["samples"].(map[string]any)["totalQueryableSamples"]
		}
		out = append(out, m)
	}
	return out
}

func TestQueriesAreLogged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "queries.log")
	e := New(Options{MaxSamples: 10_000})
	ask := func(expr string, o QueryOptions) { e.Instant(t.Context(), steadyData(3), expr, now, o) }
	ask("before", QueryOptions{})
	if err := e.SetQueryLog(name); err != nil {
		t.Fatal(err)
	}
	ask("up", QueryOptions{Explain: true, Caller: Caller{RemoteAddr: "10.0.0.1:99", Method: "GET", Path: "/api/v1/query"}})
	ask("sum(", QueryOptions{})
	ask("up[30d:1s]", QueryOptions{Caller: Caller{RuleFile: "a.yml", RuleGroup: "g"}})
	if _, err := e.Range(t.Context(), steadyData(3), "up", now, now.Add(time.Minute), 1500*time.Millisecond, QueryOptions{}); err != nil {
		t.Fatal(err)
	}
	at := now.UTC().Format("2006-01-02T15:04:05.000Z")
	params := func(query, end string, step float64) map[string]any {
		return map[string]any{"query": query, "start": at, "end": end, "step": step}
	}
	got := lines(t, name)
	if len(got) != 3 {
		t.Fatalf("%d lines: %v", len(got), got)
	}
	failure, _ := got[1]["error"].(string)
	delete(got[1], "error")
	for i, want := range []map[string]any{
		{"params": params("up", at, 0), "stats": 3.0, "httpRequest": map[string]any{"clientIP": "10.0.0.1", "method": "GET", "path": "/api/v1/query"}},
		{"params": params("up[30d:1s]", at, 0), "ruleGroup": map[string]any{"file": "a.yml", "name": "g"}},
		{"params": params("up", now.Add(time.Minute).UTC().Format("2006-01-02T15:04:05.000Z"), 1), "stats": 123.0},
	} {
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("line %d\n got %v\nwant %v", i, got[i], want)
		}
	}
	if !strings.HasPrefix(failure, ErrTooManySamples.Error()) {
		t.Errorf("the failure is said to be %q", failure)
	}

	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := e.SetQueryLog(name); err != nil {
		t.Fatal(err)
	}
	ask("up", QueryOptions{})
	if a, b := len(lines(t, name+".1")), len(lines(t, name)); a != 3 || b != 1 {
		t.Errorf("after the file was moved away it has %d lines and the new one %d", a, b)
	}
	if err := e.SetQueryLog(filepath.Join(name, "no", "folder")); err == nil || !strings.HasPrefix(err.Error(), "query log: open ") {
		t.Errorf("error %v", err)
	}
	ask("up", QueryOptions{}) // the file that was there goes on
	if n := len(lines(t, name)); n != 2 {
		t.Errorf("%d lines", n)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
