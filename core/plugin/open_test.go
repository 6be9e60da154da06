package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func TestAFolderThatIsNotThereHoldsNoPlugins(t *testing.T) {
	w := newWorld(t, filepath.Join(t.TempDir(), "none"))
	if got := w.List(); got == nil || len(got) != 0 {
		t.Errorf("list: %v", got)
	}
	_, err := w.Open(t.Context(), Use{ID: "hearth/node"})
	if err == nil || !strings.Contains(err.Error(), "plugin hearth/node: it is not installed") || !strings.Contains(err.Error(), "holds no plugins") {
		t.Errorf("open: %v", err)
	}
}

// copyGuest installs the guest a second time, with its manifest changed, and returns the folder of plugins.
func copyGuest(t *testing.T, id string, change func(string) string) string {
	t.Helper()
	from := filepath.Join(installGuest(t), "test", "guest")
	plugins := t.TempDir()
	dir := filepath.Join(plugins, filepath.FromSlash(id))
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(from, manifest.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, manifest.FileName), []byte(change(string(text))), 0o644); err != nil {
		t.Fatal(err)
	}
	return plugins
}

func TestPluginsThatCannotBeOpened(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for _, tt := range []struct {
		name   string
		id     string
		change func(string) string
		use    Use
		text   string
	}{
		{"an id that leads elsewhere", "test/guest", replace("", ""), Use{ID: "../guest"}, "not the id of a plugin"},
		{"a folder of another name", "test/other", replace("", ""), Use{ID: "test/other"}, "is of test/guest: move it to"},
		{"a manifest with a mistake", "test/guest", replace("license", "licence"), Use{}, `unknown key "licence"`},
		{"another module than the manifest's", "test/guest", replace(`sha256 = "`, `sha256 = "0000`), Use{}, "sha256"},
		{"a module of which the manifest says nothing", "test/guest", replace("sha256", "#"), Use{}, "seal the package"},
		{"a version of the ABI that is to come", "test/guest", replace("schema = 1", "schema = 1\nmin_abi_minor = 7"), Use{}, "upgrade hearth"},
		{"no module for the sandbox", "test/guest", replace("runtime = \"wasm\"\nmode = \"reactor\"", "runtime = \"native\"\nos = \"linux\"\narch = \"amd64\""), Use{}, `add trust = "native"`},
		{"a command that is a reactor", "test/guest", replace(`mode = "reactor"`, `mode = "command"`), Use{}, "it is a reactor"},
		{"settings nobody knows", "test/guest", replace("", ""), Use{Config: map[string]any{"valu": 1}}, `configure: settings: json: unknown field "valu"`},
		{"settings that are no JSON", "test/guest", replace("", ""), Use{Config: map[string]any{"value": func() {}}}, "settings: json"},
		{"settings the plugin refuses", "test/guest", replace("", ""), Use{Config: map[string]any{"fail": abi.CodeInvalidRequest}}, "told to fail"},
		{"a grant of what is not asked for", "test/guest", replace("", ""), Use{Grant: Grant{Env: map[string]string{"PATH": "x"}}}, `grant.env has "PATH"`},
		{"less memory than it needs", "test/guest", replace("memory_mib = 128", "memory_mib = 1"), Use{}, "raise limits.memory_mib"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, copyGuest(t, tt.id, tt.change))
			if tt.use.ID == "" {
				tt.use.ID = "test/guest"
			}
			_, err := w.Open(t.Context(), tt.use)
			if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.HasPrefix(err.Error(), "plugin "+tt.use.ID+": ") {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			if n := strings.Count(fmt.Sprint(err), "plugin "+tt.use.ID); n > 1 {
				t.Errorf("the plugin is named %d times: %v", n, err)
			}
			for _, s := range w.List() {
				if s.ID == tt.use.ID && (s.State != StateFailed || s.Error == "") {
					t.Errorf("list: %+v", s)
				}
			}
			if n := len(w.mu.modules); n > 0 {
				t.Errorf("%d modules stay loaded", n)
			}
		})
	}
}

func TestAPluginThatIsNotReadyYetIsOpened(t *testing.T) {
	w := newWorld(t, installGuest(t))
	c := w.open(Use{Config: map[string]any{"fail": abi.CodeUnavailable}})
	_, err := say(t, c, "calls")
	var call *CallError
	if !errors.As(err, &call) || !call.Retryable() || call.Operation != abi.OpConfigure || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(w.log.String(), "not ready yet") {
		t.Errorf("the log is\n%s", w.log)
	}
}

func TestListAndMetrics(t *testing.T) {
	w := newWorld(t, installGuest(t))
	a, b := w.open(Use{Config: map[string]any{"value": "x"}}), w.open(Use{Config: map[string]any{"value": "y"}})
	answers(t, a, "value", "x")
	answers(t, b, "value", "y")
	failsWith(t, a, "nonsense", abi.CodeInvalidRequest, "what is that?")
	var s Status
	for _, got := range w.List() {
		if got.ID == "test/guest" {
			s = got
		}
	}
	if s.State != StateRunning || s.Uses != 2 || s.Version != "1.0.0" || len(s.Kinds) != 3 || s.Runtime != "wasm" || s.Asks.Files[0] != "/proc" {
		t.Errorf("list: %+v", s)
	}
	text, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(text), `"asks":{"net":["*"]`) {
		t.Errorf("as JSON: %s, %v", text, err)
	}
	if n := len(w.mu.modules); n != 1 {
		t.Errorf("%d modules for one plugin", n)
	}
	m := w.metrics
	if calls, errs := testutil.ToFloat64(m.calls.WithLabelValues("test/guest", "collect")), testutil.ToFloat64(m.errors.WithLabelValues("test/guest", "collect", "invalid_request")); calls != 3 || errs != 1 {
		t.Errorf("%v calls, %v errors", calls, errs)
	}
	if fuel := testutil.ToFloat64(m.fuel.WithLabelValues("test/guest", "collect")); fuel < 100 {
		t.Errorf("%v units of fuel", fuel)
	}
	if problems, err := testutil.GatherAndLint(w.registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	for _, c := range []*Client{a, b, b} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(w.mu.modules); n != 0 {
		t.Errorf("%d modules stay loaded", n)
	}
	if _, err := say(t, a, "value"); err == nil || !strings.Contains(err.Error(), "not in use any more") {
		t.Errorf("a closed client: %v", err)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	w := newWorld(t, installGuest(t))
	clients := []*Client{w.open(Use{}), w.open(Use{})}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 10 {
				target := "calls"
				if (i+j)%7 == 0 {
					target = "panic"
				}
				if _, err := say(t, clients[i%2], target); (err != nil) != (target == "panic") {
					t.Errorf("%s: %v", target, err)
				}
			}
		})
	}
	wg.Wait()
	if n := w.engine.Instances(); n < 1 || n > 3 {
		t.Errorf("%d instances, the manifest allows 3", n)
	}
}

func TestOpenGivesUpInTime(t *testing.T) {
	w := newWorld(t, installGuest(t), func(o *Options) { o.Cache = "" })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := w.Open(ctx, Use{ID: "test/guest"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if c := w.open(Use{}); c == nil { // what was compiled meanwhile is not lost
		t.Error("no client")
	}
}

func TestAClosedHostOpensNothing(t *testing.T) {
	w := newWorld(t, installGuest(t))
	c := w.open(Use{})
	for range 2 {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := say(t, c, "calls"); err == nil {
		t.Error("a call of a closed host succeeded")
	}
	if _, err := w.Open(t.Context(), Use{ID: "test/guest"}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}
