package discovery

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is a running manager and what it delivered last for each job.
type sink struct {
	*Manager
	log bytes.Buffer // guarded by mu
	mu  sync.Mutex
	got map[string]string
	n   map[string]int
}

type lockedLog struct{ s *sink }

func (l lockedLog) Write(b []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.log.Write(b)
}

func run(t *testing.T, cfg *config.Config) *sink {
	s := &sink{got: map[string]string{}, n: map[string]int{}}
	s.Manager = NewManager(Options{
		Deliver: func(job string, groups []Group) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.got[job] = text(groups)
			s.n[job]++
		},
		Logger:     slog.New(slog.NewTextHandler(lockedLog{s}, nil)),
		Registerer: prometheus.NewRegistry(),
	})
	if err := s.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// text writes groups as one line: addresses and shared labels, without the folder of files.
func text(groups []Group) string {
	var out []string
	for _, g := range groups {
		var addrs []string
		for _, target := range g.Targets {
			addrs = append(addrs, target.Get("__address__"))
		}
		shared := g.Labels.Map()
		if p, ok := shared[filepathLabel]; ok {
			shared[filepathLabel] = filepath.Base(p)
		}
		out = append(out, fmt.Sprintf("%s %v", strings.Join(addrs, " "), shared))
	}
	return strings.Join(out, "; ")
}

func (s *sink) expect(t *testing.T, job, want string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.mu.Lock()
		got, log := s.got[job], s.log.String()
		s.mu.Unlock()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("job %s:\n got %s\nwant %s\nlog:\n%s", job, got, want, log)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func scrape(job string, statics []*config.TargetGroup, files ...string) *config.Scrape {
	sc := &config.Scrape{JobName: job, StaticConfigs: statics}
	if len(files) > 0 {
		sc.FileSDConfigs = []*config.FileSD{{Files: files, RefreshInterval: config.Duration(time.Hour)}}
	}
	return sc
}

func jobs(list ...*config.Scrape) *config.Config { return &config.Config{ScrapeConfigs: list} }

func group(env string, targets ...string) []*config.TargetGroup {
	return []*config.TargetGroup{{Targets: targets, Labels: map[string]string{"env": env}}}
}

func put(t *testing.T, name, content string) {
	t.Helper()
	tmp := name + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, name); err != nil {
		t.Fatal(err)
	}
}

func TestStaticTargetsFollowTheConfiguration(t *testing.T) {
	s := run(t, jobs(scrape("a", group("prod", "h1:1", "h2:1")), scrape("b", group("test", "h3:1"))))
	s.expect(t, "a", "h1:1 h2:1 map[env:prod]")
	s.expect(t, "b", "h3:1 map[env:test]")
	if err := s.ApplyConfig(jobs(scrape("a", group("prod", "h2:1")), scrape("b", group("test", "h3:1")))); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "a", "h2:1 map[env:prod]")
	if err := s.ApplyConfig(jobs(scrape("a", nil))); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "a", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n["b"] != 1 {
		t.Errorf("the job that did not change was delivered %d times", s.n["b"])
	}
}

func TestFilesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	j, y := filepath.Join(dir, "one.json"), filepath.Join(dir, "two.yml")
	put(t, j, `[{"targets": ["h1:1"], "labels": {"env": "prod"}}, {"targets": ["h2:1", "h3:1"]}]`)
	s := run(t, jobs(scrape("a", nil, filepath.Join(dir, "*.json"), filepath.Join(dir, "*.yml"))))
	s.expect(t, "a", "h1:1 map[__meta_filepath:one.json env:prod]; h2:1 h3:1 map[__meta_filepath:one.json]")

	put(t, y, "- targets: [h4:1]\n  labels: {port: 80}\n")
	s.expect(t, "a", "h1:1 map[__meta_filepath:one.json env:prod]; h2:1 h3:1 map[__meta_filepath:one.json]; h4:1 map[__meta_filepath:two.yml port:80]")

	put(t, j, `[{"targets": ["h1:2"]}]`)
	s.expect(t, "a", "h1:2 map[__meta_filepath:one.json]; h4:1 map[__meta_filepath:two.yml port:80]")

	if err := os.Remove(y); err != nil {
		t.Fatal(err)
	}
	s.expect(t, "a", "h1:2 map[__meta_filepath:one.json]")
}

func TestABrokenFileKeepsItsLastGoodTargets(t *testing.T) {
	dir := t.TempDir()
	j := filepath.Join(dir, "one.json")
	put(t, j, `[{"targets": ["h1:1"]}]`)
	s := run(t, jobs(scrape("a", nil, j)))
	s.expect(t, "a", "h1:1 map[__meta_filepath:one.json]")

	put(t, j, "[{\"targets\":\n [\"h1:1\",]}]")
	deadline := time.Now().Add(10 * time.Second)
	for testutil.ToFloat64(s.errors.WithLabelValues("a")) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the broken file was not noticed")
		}
		time.Sleep(5 * time.Millisecond)
	}
	put(t, filepath.Join(dir, "other"), "") // an event that is of no concern
	s.mu.Lock()
	log := s.log.String()
	s.mu.Unlock()
	if !strings.Contains(log, "line 2") || !strings.Contains(log, "one.json") {
		t.Errorf("log: %s", log)
	}
	s.expect(t, "a", "h1:1 map[__meta_filepath:one.json]")

	put(t, j, `[{"targets": ["h1:3"]}]`)
	s.expect(t, "a", "h1:3 map[__meta_filepath:one.json]")
}

func TestReplacedFilesKeepTheirTargetsUntilTheNewOnesAreRead(t *testing.T) {
	j := &job{runners: map[string]*runner{}}
	old, fresh := newStatic(group("old", "h1:1")), newStatic(group("new", "h2:1"))
	j.replace(map[string]Provider{"old": old})
	j.runners["old"].take(old)
	j.replace(map[string]Provider{"new": fresh})
	if got := text(j.all()); got != "h1:1 map[env:old]" {
		t.Errorf("before the new provider reports: %s", got)
	}
	j.runners["new"].take(fresh)
	if got := text(j.all()); got != "h2:1 map[env:new]" {
		t.Errorf("after it has: %s", got)
	}
}

func TestWhatTargetFilesMaySay(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, file, content, want string }{
		{"an unknown key", "a.json", `[{"target": ["h:1"]}]`, `line 1: json: unknown field "target"`},
		{"an unknown key in YAML", "a.yml", "- target: [h:1]\n", "line 1: field target not found"},
		{"a wrong type", "b.json", "[\n{\"targets\": \"h:1\"}]", "line 2: json: cannot unmarshal string"},
		{"null for a group", "c.json", `[null]`, "group 1 is null"},
		{"an empty target", "d.yaml", "- targets: ['']\n", "group 1: a target is empty"},
		{"a long target", "i.yml", "- targets: ['" + strings.Repeat("h", 65537) + "']\n", "group 1: a target has 65537 bytes: at most 65536"},
		{"a long label", "j.yml", "- targets: [h]\n  labels: {a: '" + strings.Repeat("b", 65537) + "'}\n", `group 1: name or value of label "a" has 65537 bytes`},
		{"an empty JSON file", "e.json", "", "the file is empty"},
		{"two documents", "f.json", "[] []", "more after the list"},
		{"an empty YAML file", "g.yml", "", ""},
		{"no labels", "h.JSON", `[{"targets": ["h:1"]}]`, ""},
	} {
		name := filepath.Join(dir, tt.file)
		put(t, name, tt.content)
		_, err := readTargets(name)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func FuzzReadTargets(f *testing.F) {
	f.Add([]byte(`[{"targets": ["h:1"], "labels": {"a": "b"}}]`), true)
	f.Add([]byte("- targets: [h:1]\n  labels: {a: b}\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, isJSON bool) {
		name := filepath.Join(t.TempDir(), "a.yml")
		if isJSON {
			name = filepath.Join(t.TempDir(), "a.json")
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		groups, err := readTargets(name)
		if err == nil {
			for _, g := range groups {
				if g.Labels.Get(filepathLabel) != name {
					t.Fatalf("%v has no path", g)
				}
			}
		}
	})
}
