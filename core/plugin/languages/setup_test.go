package languages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/internal/testlog"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// vectors is where what the ABI was is kept.
const vectors = "../../../sdk/abi/testdata/"

// built is the folder that the tests share, with plugins/NAMESPACE/NAME and cache.
var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hearth-languages-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = dir
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

// made holds a sync.Once for each folder that installMade has built.
var made sync.Map

// installMade builds a plugin of another language, which `make OUT=FILE` does in its folder, and installs it under the id
// that its manifest has.
func installMade(t testing.TB, source string) (plugins, id string) {
	t.Helper()
	m, err := manifest.Load(filepath.Join(source, manifest.FileName))
	if err != nil {
		t.Fatal(err)
	}
	plugins = filepath.Join(built, "plugins")
	once, _ := made.LoadOrStore(source, &sync.Once{})
	once.(*sync.Once).Do(func() {
		dir := filepath.Join(plugins, filepath.FromSlash(m.ID))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("make", "-s", "-C", source, "OUT="+filepath.Join(dir, m.Artifacts[0].File)).CombinedOutput()
		if err != nil {
			t.Fatalf("make in %s: %v; what it needs are the packages of .ci/packages, which make deps installs\n%s", source, err, out)
		}
		installManifest(t, source, dir)
	})
	return plugins, m.ID
}

// installAnomaly builds the functions in Go beside the others.
func installAnomaly(t testing.TB) {
	t.Helper()
	const source = "../../../plugins/functions/anomaly"
	dir := filepath.Join(built, "plugins/hearth/anomaly")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-buildmode=c-shared", "-o", filepath.Join(dir, "anomaly.wasm"), source)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", source, err, out)
	}
	installManifest(t, source, dir)
}

// installManifest copies a manifest and writes the digest of the module beside it into the copy.
func installManifest(t testing.TB, source, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(source, manifest.FileName))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, manifest.FileName), text, 0o644)
	}
	if err == nil {
		err = manifest.Seal(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// world is a host with a log.
type world struct {
	*plugin.Host
	t   testing.TB
	dir string
	log *testlog.Buffer
}

func newWorld(t testing.TB, dir string) world {
	t.Helper()
	w := world{t: t, dir: dir, log: &testlog.Buffer{}}
	var err error
	w.Host, err = plugin.NewHost(plugin.Options{
		Dir: dir, Cache: filepath.Join(built, "cache"), Registerer: prometheus.NewRegistry(), Logger: slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w world) open(u plugin.Use) *plugin.Client {
	w.t.Helper()
	c, err := w.Open(w.t.Context(), u)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func collectFrom(t *testing.T, c *plugin.Client, target string) *sdktest.Exposition {
	t.Helper()
	body, _, err := c.Collect(t.Context(), target)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	e, err := sdktest.ParseExposition(body)
	if err != nil {
		t.Fatalf("%s: %v in\n%s", target, err, body)
	}
	return e
}

func wantSeries(t *testing.T, e *sdktest.Exposition, series string, v float64) {
	t.Helper()
	if got, ok := e.Series[series]; !ok || got != v {
		t.Errorf("no %s %v in %v", series, v, e.Series)
	}
}

// trial is a module as the contract suite calls it. Its rights are all that its manifest asks for.
type trial struct {
	module   *wasm.Module
	rights   wasm.Rights
	target   string
	settings []byte
	pool     *wasm.Pool
	closing  func(func())
}

// Call implements sdktest.Instance. The host configures a module by itself: settings are kept for the pool.
func (r *trial) Call(ctx context.Context, op string, in []byte) ([]byte, error) {
	body := func() ([]byte, error) { return in, nil }
	if op == abi.OpConfigure {
		r.settings, op, body = in, abi.OpDescribe, nil
		if len(in) == 0 {
			r.settings = []byte("{}")
		}
	}
	if r.pool == nil {
		r.pool = r.module.NewPool(r.rights, r.settings, nil)
		r.closing(r.pool.Close)
	}
	out, _, err := r.pool.Call(ctx, wasm.Request{Operation: op, Target: r.target, Body: body})
	if err != nil {
		return nil, asSDK(err)
	}
	return out, nil
}

// trials loads a module that was installed and returns what makes instances of it, whose target is the same for all.
func trials(t *testing.T, plugins, id, target string) (start func() sdktest.Instance, manifestFile string) {
	t.Helper()
	manifestFile = filepath.Join(plugins, filepath.FromSlash(id), manifest.FileName)
	m, err := manifest.Load(manifestFile)
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(filepath.Join(filepath.Dir(manifestFile), m.Artifacts[0].File))
	if err != nil {
		t.Fatal(err)
	}
	e := wasm.NewEngine(wasm.Options{})
	t.Cleanup(e.Close)
	module, err := e.Load(t.Context(), wasm.Source{ID: id, Code: code, Instances: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { module.Close() })
	rights := wasm.Rights{Asked: m.Capabilities, Net: []string{"127.0.0.1:*"}}
	return func() sdktest.Instance {
		return &trial{module: module, rights: rights, target: target, settings: []byte("{}"), closing: func(f func()) { t.Cleanup(f) }}
	}, manifestFile
}

func newTrial(t *testing.T, plugins, id, target string) sdktest.Instance {
	start, _ := trials(t, plugins, id, target)
	return start()
}

// contract runs the suite with a module that was installed.
func contract(t *testing.T, plugins, id string, s sdktest.Suite) {
	t.Helper()
	s.Start, s.Manifest = trials(t, plugins, id, s.Target)
	s.Run(t)
}

// asSDK makes an error of the SDK of what a pool returns.
func asSDK(err error) error {
	var (
		answer *guest.Error
		fault  *guest.Fault
	)
	switch {
	case errors.As(err, &answer):
		return &sdk.Error{Code: answer.Code, Message: answer.Message, Retryable: answer.Retryable}
	case errors.As(err, &fault) && (fault.Kind == guest.Deadline || fault.Kind == guest.Cancelled):
		return &sdk.Error{Code: abi.CodeTimeout, Message: fault.Message, Retryable: true}
	}
	return &sdk.Error{Code: abi.CodePanic, Message: err.Error(), Retryable: true}
}
