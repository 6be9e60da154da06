package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func TestAQueryIsExplained(t *testing.T) {
	server := httptest.NewServer(served(t))
	defer server.Close()
	got := ran("query", "instant", "--server", server.URL, "--time", "1767229200", "-o", "text", "--explain", "sum by (job) (\n  rate(up[5m])\n) + 1")
	before, stderr, _ := strings.Cut(got, "stderr: ")
	if before != `{job="web"} => 1 @[1767229200]`+"\n" {
		t.Errorf("the answer is %q", before)
	}
	stderr = regexp.MustCompile(`\S+s +(\d+ +\d+) +\S+ [KM]?i?B`).ReplaceAllString(stderr, "T $1 M")
	lines := strings.Split(stderr, "\n")
	for i, want := range []string{
		`TIME`, `T 40 +1 M  \+  sum by \(job\) \( rate\(up\[5m\]\) \) \+ 1`, `T 40 +1 M    sum  sum by`, `T 40 +2 M      rate  rate\(up\[5m\]\)`,
	} {
		at := i + len(lines) - 5 // after the remarks
		if at < 0 || !regexp.MustCompile(want).MatchString(lines[at]) {
			t.Errorf("line %d of %q: want %s", i, lines, want)
		}
	}
}

func TestAServerThatExplainsNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("explain") != "true" || r.FormValue("query") != "up" {
			t.Errorf("asked for %v", r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[]}}`))
	}))
	defer server.Close()
	if got := ran("query", "instant", "--server", server.URL, "--explain", "up"); !strings.Contains(got, "--explain needs hearth") {
		t.Error(got)
	}
}
