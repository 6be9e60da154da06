package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/api"
	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/core/tsdb"
)

// TestQueriesAreAnswered runs the commands of testdata/query against a real server: the first line of each is split at
// spaces, what follows is one argument more. HEARTH_SERVER names the server, SERVER stands for its URL.
func TestQueriesAreAnswered(t *testing.T) {
	server := httptest.NewServer(served(t))
	defer server.Close()
	t.Setenv("HEARTH_SERVER", server.URL)
	datadriven.Walk(t, "testdata/query", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			line, rest, more := strings.Cut(d.Input, "\n")
			args := strings.Fields(line)
			if more {
				args = append(args, rest)
			}
			return strings.ReplaceAll(ran(args...), server.URL, "SERVER")
		})
	})
}

// ran returns what a command prints, and how it ends if that is not well.
func ran(args ...string) string {
	var out, remarks bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&remarks)
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if remarks.Len() > 0 {
		fmt.Fprintf(&out, "stderr: %s", &remarks)
	}
	if err != nil {
		fmt.Fprintf(&out, "exit %d: %v\n", exitCode(err), err)
	}
	return out.String()
}

// served is the API over a database of an hour of samples, from 2026-01-01 00:00 on, 15 s apart.
func served(t *testing.T) http.Handler {
	db, err := tsdb.Open(tsdb.Options{Dir: t.TempDir(), FS: vfs.OS{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 241 {
		at := start.Add(time.Duration(i) * 15 * time.Second).UnixMilli()
		turn := 2 * math.Pi * float64(i) / 120
		batch := []model.Series{
			of(at, math.Round(100*(20+5*math.Sin(turn)))/100, "__name__", "temperature", "room", "attic"),
			of(at, math.Round(100*(18+2*math.Cos(turn)))/100, "__name__", "temperature", "room", "über"),
			of(at, float64(i*i), "__name__", "requests_total", "job", "web", "instance", "a:80"),
			of(at, 1, "__name__", "up", "job", "web", "instance", "a:80"),
			of(at, math.Inf(1), "__name__", "odd", "kind", "line\nbreak \x1b[31m"),
		}
		if i < 80 || i >= 160 {
			batch = append(batch, of(at, 1, "__name__", "up", "job", "web", "instance", "b:80"))
		}
		if err := db.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	h, err := api.New(api.Options{
		Engine: promql.New(promql.Options{}), Storage: db, Logger: slog.New(slog.DiscardHandler),
		Targets: scrape.NewManager(scrape.Options{}), Rules: rules.NewManager(rules.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func of(at int64, v float64, names ...string) model.Series {
	return model.Series{Labels: labels.FromStrings(names...), Samples: []model.Sample{{T: at, V: v}}}
}

func TestServersThatDoNotAnswerAreExplained(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer slow.Close()
	answering := func(code int, text string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			fmt.Fprint(w, text)
		}))
		t.Cleanup(s.Close)
		return s
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tt := range []struct {
		name, url string
		code      int
		want      string
	}{
		{"nothing listens", gone.URL, 1, "no server listens at " + gone.URL + ": start one with `hearth serve`"},
		{"it takes too long", slow.URL, 1, "within 50ms: ask for less, or wait longer with --timeout"},
		{"it starts", answering(503, "Service Unavailable").URL, 1, "is not ready"},
		{"it has another path", answering(404, "404 page not found").URL, 1, "does the URL lack a path"},
		{"it is something else", answering(200, "<html>").URL, 1, "is no server with the Prometheus HTTP API"},
		{"a proxy fails", answering(502, "no upstream").URL, 1, "server error: 502: no upstream"},
		{"a password is not printed", strings.Replace(gone.URL, "://", "://me:secret@", 1), 1, "me:xxxxx@"},
		{"the URL is none", "localhost:9090", 2, `--server "localhost:9090": want a URL such as http://127.0.0.1:9090`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ran("query", "instant", "--timeout", "50ms", "--server", tt.url, "up")
			if !strings.HasPrefix(got, fmt.Sprintf("exit %d: ", tt.code)) || !strings.Contains(got, tt.want) || strings.Contains(got, "secret") {
				t.Errorf("got %s, want exit %d and %q", got, tt.code, tt.want)
			}
		})
	}
}

func TestStepsAreRound(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		0: time.Second, time.Minute: time.Second, time.Hour: 15 * time.Second, 6 * time.Hour: 2 * time.Minute, 24 * time.Hour: 10 * time.Minute,
		7 * 24 * time.Hour: time.Hour, 365 * 24 * time.Hour: 48 * time.Hour,
	} {
		if got := defaultStep(span); got != want {
			t.Errorf("%s has steps of %s, want %s", span, got, want)
		}
	}
}

func TestTimesAndStepsOfTheCommandLineAreRead(t *testing.T) {
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"": now, "1h": now.Add(-time.Hour), "2d": now.Add(-48 * time.Hour), "0": now, "1767312000.5": now.Add(500 * time.Millisecond), "2026-01-01T12:00:00+02:00": now.Add(-14 * time.Hour),
	} {
		if got, err := parseTime(in, now); err != nil || !got.Equal(want) {
			t.Errorf("time %q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"noon", "-", "NaN", "1e300"} {
		if got, err := parseTime(in, now); err == nil {
			t.Errorf("time %q: %v", in, got)
		}
	}
	for in, want := range map[string]time.Duration{"15s": 15 * time.Second, "1d": 24 * time.Hour, "0.5": 500 * time.Millisecond, "60": time.Minute} {
		if got, err := parseStep(in); err != nil || got != want {
			t.Errorf("step %q: %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "-1", "soon", "NaN", "1e300"} {
		if got, err := parseStep(in); err == nil {
			t.Errorf("step %q: %v", in, got)
		}
	}
}

func FuzzTheCaretPointsIntoTheExpression(f *testing.F) {
	f.Add("1:4: parse error: x", "sum(up")
	f.Add("invalid parameter \"query\": 2:1: parse error: x", "a\n\té")
	f.Fuzz(func(t *testing.T, msg, expr string) {
		lines := strings.Split(badQuery(msg, expr).Error(), "\n")
		n := len(lines)
		if n < 3 || strings.Trim(lines[n-1], " ") != "^" {
			return // the place is not in this text
		}
		if utf8.RuneCountInString(lines[n-1]) > utf8.RuneCountInString(lines[n-2])+1 {
			t.Errorf("%q of %q: the caret is beyond the end", msg, expr)
		}
	})
}
