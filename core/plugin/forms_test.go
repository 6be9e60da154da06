package plugin

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// withProgram adds the build of a plugin as a program to the plugin that install has put into the folder plugins, in
// another folder of plugins, which it returns.
func withProgram(t testing.TB, plugins, source, id string) string {
	t.Helper()
	both := filepath.Join(built.dir, "both", strings.ReplaceAll(id, "/", "-"))
	dir := filepath.Join(both, filepath.FromSlash(id))
	if _, err := os.Stat(dir); err == nil {
		return both
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(plugins, filepath.FromSlash(id)))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "program"), source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", source, err, out)
	}
	f, err := os.OpenFile(filepath.Join(dir, manifest.FileName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "\n[[artifact]]\nruntime = \"native\"\nos = %q\narch = %q\nfile = \"program\"\n", runtime.GOOS, runtime.GOARCH); err != nil {
		t.Fatal(err)
	}
	if err := manifest.Seal(dir); err != nil {
		t.Fatal(err)
	}
	return both
}

// runner is a test or a benchmark.
type runner[T any] interface {
	testing.TB
	Run(string, func(T)) bool
}

// inBothForms runs a test with a plugin as a module and as a program. of makes a use of the plugin one of its form.
func inBothForms[T runner[T]](t T, plugins, source, id string, test func(t T, w world, of func(Use) Use)) {
	t.Run("module", func(t T) {
		test(t, newWorld(t, plugins), func(u Use) Use { u.ID = id; return u })
	})
	t.Run("program", func(t T) {
		test(t, newWorld(t, withProgram(t, plugins, source, id)), func(u Use) Use {
			u.ID, u.Runtime, u.Trust = id, manifest.RuntimeNative, manifest.RuntimeNative
			return u
		})
	})
}

func TestTheFormIsChosen(t *testing.T) {
	dir := withProgram(t, installGuest(t), "./testdata/guest", "test/guest")
	w := newWorld(t, dir)
	m, err := manifest.Load(filepath.Join(dir, "test", "guest"))
	if err != nil {
		t.Fatal(err)
	}
	sum := m.Artifacts[1].SHA256
	for _, tt := range []struct {
		name           string
		use            Use
		runtime, error string
	}{
		{"the module, if nothing is said", Use{}, "wasm", ""},
		{"the module, although the program is trusted", Use{Trust: "native"}, "wasm", ""},
		{"the module by name", Use{Runtime: "wasm"}, "wasm", ""},
		{"the program", Use{Runtime: "native", Trust: "native"}, "native", ""},
		{"a program that is not trusted", Use{Runtime: "native"}, "", `if you trust it, add trust = "native"`},
		{"another runtime", Use{Runtime: "java"}, "", `runtime is "java", must be wasm or native`},
		{"another trust", Use{Trust: "yes"}, "", `trust is "yes", must be native, sha256: with the digest of the program, or nothing`},
		{"this very program", Use{Runtime: "native", Trust: "sha256:" + sum}, "native", ""},
		{"a program that is another by now", Use{Runtime: "native", Trust: "sha256:" + strings.Repeat("0", 64)}, "", "the one that is installed is sha256:" + sum},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.use.ID = "test/guest"
			c, err := w.Open(t.Context(), tt.use)
			if tt.error != "" {
				if err == nil || !strings.Contains(err.Error(), tt.error) {
					t.Errorf("got %v, want %q", err, tt.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := w.List(); s[0].Runtime != tt.runtime || (len(s[0].Processes) == 1) != (tt.runtime == "native") {
				t.Errorf("list: %+v", s[0])
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	for name, tt := range map[string]struct {
		artifacts []manifest.Artifact
		runtime   string
		error     string
	}{
		"only for other machines": {[]manifest.Artifact{{Runtime: "native", OS: "plan9", Arch: "mips"}}, "", "its programs are for plan9/mips"},
		"only a module":           {[]manifest.Artifact{{Runtime: "wasm"}}, "native", "it has no build as a program"},
		"only a program":          {[]manifest.Artifact{{Runtime: "native", OS: "plan9", Arch: "mips"}}, "wasm", "it has no build as a WebAssembly module"},
	} {
		if _, err := artifact(&manifest.Manifest{Artifacts: tt.artifacts}, tt.runtime); err == nil || !strings.Contains(err.Error(), tt.error) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFunctionIsComputedInBothForms(t *testing.T) {
	inBothForms(t, installAnomaly(t), "../../plugins/functions/anomaly", "hearth/anomaly", func(t *testing.T, w world, of func(Use) Use) {
		c := w.open(of(Use{}))
		const n = 100
		b := &abi.Batch{Function: "anomaly_zscore", Start: n * 1000, Steps: 1, Range: n * 1000, Series: 1, Offsets: []uint32{0, n}}
		for i := range n {
			b.Times = append(b.Times, int64(i+1)*1000)
			b.Samples = append(b.Samples, float64(i%2))
		}
		b.Samples[n-1] = 10
		out := make([]float64, 1)
		for range 2 {
			if err := c.Eval(t.Context(), b, out); err != nil || !(out[0] > 5) || math.IsInf(out[0], 0) {
				t.Errorf("z-score %v, %v", out, err)
			}
		}
	})
}

// TestAProgramThatIsKilled looks at it from outside: calls, the list, metrics.
func TestAProgramThatIsKilled(t *testing.T) {
	w := newWorld(t, withProgram(t, installGuest(t), "./testdata/guest", "test/guest"))
	c := w.open(Use{Runtime: "native", Trust: "native"})
	answers(t, c, "calls", "1")
	status := func() Status { return w.List()[0] }
	s := status().Processes[0]
	if len(s.PIDs) != 1 || s.Resident == 0 {
		t.Fatalf("list: %+v", s)
	}
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader("# HELP hearth_plugin_processes Processes of a native plugin that run.\n"+
		"# TYPE hearth_plugin_processes gauge\nhearth_plugin_processes{plugin=\"test/guest\"} 1\n"), "hearth_plugin_processes"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(w.registry); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
	if err := syscall.Kill(s.PIDs[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var call *CallError
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		_, err := say(t, c, "calls")
		if e, ok := err.(*CallError); ok {
			call = e
		}
		if err == nil && call != nil || time.Now().After(deadline) {
			break
		}
	}
	if call == nil || !call.Retryable() || !strings.HasPrefix(call.Error(), "plugin test/guest: collect: ") || !strings.Contains(call.Error(), "signal 9") {
		t.Errorf("while it was down: %v", call)
	}
	if s := status().Processes[0]; s.Restarts != 1 || len(s.PIDs) != 1 || !strings.Contains(s.LastExit, "signal 9") {
		t.Errorf("list: %+v", s)
	}
	if n := testutil.ToFloat64(w.metrics.restarts.WithLabelValues("test/guest")); n != 1 {
		t.Errorf("%v restarts", n)
	}
	if !strings.Contains(w.log.String(), `plugin=test/guest`) || !strings.Contains(w.log.String(), "it is started again") {
		t.Errorf("the log is\n%s", w.log)
	}
}

func TestAProgramThatWasChangedIsRefused(t *testing.T) {
	plugins := t.TempDir()
	dir := filepath.Join(plugins, "test", "guest")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(withProgram(t, installGuest(t), "./testdata/guest", "test/guest"), "test", "guest"))); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "program"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	w := newWorld(t, plugins)
	_, err = w.Open(t.Context(), Use{ID: "test/guest", Runtime: "native", Trust: "native"})
	if err == nil || !strings.Contains(err.Error(), "plugin test/guest: ") || !strings.Contains(err.Error(), "its manifest says") {
		t.Errorf("got %v", err)
	}
	if s := w.List()[0]; s.State != StateFailed {
		t.Errorf("list: %+v", s)
	}
}
