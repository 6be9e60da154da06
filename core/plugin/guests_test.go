package plugin

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/internal/testlog"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// built holds what the tests share: the guests, each built once, and their compiled form.
var built struct {
	dir   string // holds plugins/NAMESPACE/NAME and cache
	guest sync.Once
	node  sync.Once
	hook  sync.Once

	anomaly sync.Once
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hearth-plugin-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// install builds the guest in a folder of this repository and installs it in the folder of plugins.
func install(t testing.TB, once *sync.Once, source, id, file string) string {
	t.Helper()
	plugins := filepath.Join(built.dir, "plugins")
	once.Do(func() {
		dir := filepath.Join(plugins, filepath.FromSlash(id))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-buildmode=c-shared", "-o", filepath.Join(dir, file), source)
		cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", source, err, out)
		}
		text, err := os.ReadFile(filepath.Join(source, manifest.FileName))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, manifest.FileName), text, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := manifest.Seal(dir); err != nil {
			t.Fatal(err)
		}
	})
	return plugins
}

func installGuest(t testing.TB) string {
	return install(t, &built.guest, "./testdata/guest", "test/guest", "guest.wasm")
}

// world is a host with a log and metrics.
type world struct {
	*Host
	t        testing.TB
	log      *testlog.Buffer
	registry *prometheus.Registry
}

func newWorld(t testing.TB, dir string, change ...func(*Options)) world {
	t.Helper()
	w := world{t: t, log: &testlog.Buffer{}, registry: prometheus.NewPedanticRegistry()}
	o := Options{
		Dir: dir, Cache: filepath.Join(built.dir, "cache"), Registerer: w.registry,
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&o)
	}
	h, err := NewHost(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Host = h
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w world) open(u Use) *Client {
	w.t.Helper()
	if u.ID == "" {
		u.ID = "test/guest"
	}
	c, err := w.Open(w.t.Context(), u)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// openGuest opens the test's guest with a grant.
func openGuest(t testing.TB, g Grant) (world, *Client) {
	t.Helper()
	w := newWorld(t, installGuest(t))
	return w, w.open(Use{Grant: g})
}

// say makes a call and returns what the guest has said.
func say(t testing.TB, c *Client, target string) ([]string, error) {
	t.Helper()
	return sayWithin(t, c, target, 20*time.Second)
}

func sayWithin(t testing.TB, c *Client, target string, d time.Duration) ([]string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	body, contentType, err := c.Collect(ctx, target)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", contentType)
	}
	var out []string
	for line := range strings.Lines(string(body)) {
		if text, ok := strings.CutPrefix(line, `said{text="`); ok {
			text = text[:strings.LastIndex(text, `"`)]
			out = append(out, strings.NewReplacer(`\n`, "\n", `\"`, `"`, `\\`, `\`).Replace(text))
		}
	}
	return out, nil
}
