package plugin

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
	"github.com/hearth-project/hearth/sdk/sdktest"
)

// The modules and vectors of sdk/abi/testdata: what was built for a version of the ABI, as it was.

const vectorsOfABI = "../../sdk/abi/testdata/"

// goldenDigests are those of the modules when they were made. Who changes a module breaks a promise.
var goldenDigests = map[string]string{
	"command-1.0.wasm":  "e2ac9c1a1acc4aaa7470123064a8c3c7afe327db552383a77c27d9101248a1d0",
	"exporter-1.0.wasm": "fa67ba9e40f743f3b556d521a8fa6eae750c1135a05162c6a55a813e9d659825",
	"function-1.1.wasm": "c131b3170607d7a5c4d0c06cf64f2a78c8f39c290e4ed5a37ed7117184ef20c3",
	"later-2.wasm":      "4bc1a01da127f4df169e69bd511604700eaa1194292a24b74563197be0b8a83d",
}

func golden(t *testing.T, file string) []byte {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(vectorsOfABI, "golden", file))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestGoldenModulesAreThoseThatWereReleased(t *testing.T) {
	files, err := filepath.Glob(vectorsOfABI + "golden/*.wasm")
	if err != nil || len(files) != len(goldenDigests) {
		t.Errorf("%d modules, %d are known: %v", len(files), len(goldenDigests), err)
	}
	for file, digest := range goldenDigests {
		if got := wasm.Digest(golden(t, file)); got != digest {
			t.Errorf("%s has the digest %s, had %s", file, got, digest)
		}
	}
}

// openGolden installs a golden module with a manifest that says more and uses it.
func openGolden(t *testing.T, file, more string, config map[string]any) (world, *Client, error) {
	t.Helper()
	plugins := t.TempDir()
	dir := filepath.Join(plugins, "test", "golden")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "schema = 1\nid = \"test/golden\"\nversion = \"1.0.0\"\nabi = \"1\"\nlicense = \"Apache-2.0\"\ndescription = \"Golden.\"\n" + more +
		"\n[[artifact]]\nruntime = \"wasm\"\nfile = \"golden.wasm\"\n"
	if strings.HasPrefix(file, "command") {
		text += "mode = \"command\"\n"
	}
	for name, content := range map[string][]byte{manifest.FileName: []byte(text), "golden.wasm": golden(t, file)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := manifest.Seal(dir); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, plugins)
	c, err := w.Open(t.Context(), Use{ID: "test/golden", Config: config})
	return w, c, err
}

func TestAnExporterOfVersion10RunsForEver(t *testing.T) {
	const kind = "kinds = [\"exporter\"]\n"
	w, c, err := openGolden(t, "exporter-1.0.wasm", kind, map[string]any{"greeting": "hello"})
	if err != nil {
		t.Fatal(err)
	}
	for calls := range 3 {
		e := collectFrom(t, c, "anywhere")
		for of, v := range map[string]float64{
			"initialize": 1, "calls": float64(calls + 1), "alignment": 0, "hello": 1, "net_attach of nothing": 28, "net_status of nothing": -8,
			"statfs without the right": 2, "an import of tomorrow": -52,
		} {
			wantSeries(t, e, `{__name__="golden_result", of="`+of+`"}`, v)
		}
	}
	if !strings.Contains(w.log.String(), `level=WARN msg="golden address=here"`) {
		t.Errorf("the log is\n%s", w.log)
	}
	for target, want := range map[string]string{"nothing": textType, "openmetrics": openMetricsType} {
		if body, contentType, err := c.Collect(t.Context(), target); err != nil || contentType != want {
			t.Errorf("%s: %q as %s, %v", target, body, contentType, err)
		}
	}
	for _, tt := range []struct {
		target, code, text string
		retryable          bool
		after              time.Duration
	}{
		{"retry", abi.CodeUnavailable, "told to fail", true, 2500 * time.Millisecond},
		{"unknown code", abi.CodeInternal, "a code of tomorrow", true, 0},
		{"trap", abi.CodePanic, "", true, 0},
	} {
		_, _, err := c.Collect(t.Context(), tt.target)
		var call *CallError
		if !errors.As(err, &call) || call.Code != tt.code || call.Retryable() != tt.retryable || call.RetryAfter() != tt.after || !strings.Contains(call.Message, tt.text) {
			t.Errorf("%s: %v", tt.target, err)
		}
	}
	wantSeries(t, collectFrom(t, c, "after the trap"), `{__name__="golden_result", of="calls"}`, 1)
	if _, _, err := openGolden(t, "exporter-1.0.wasm", kind, map[string]any{"refuse": "yes"}); err == nil || !strings.Contains(err.Error(), "configure: told to refuse") {
		t.Errorf("settings it refuses: %v", err)
	}
}

func TestACommandOfVersion10RunsForEver(t *testing.T) {
	const kind = "kinds = [\"exporter\"]\n"
	for greeting, config := range map[string]map[string]any{"hello": {"greeting": "hello"}, "no settings": nil} {
		_, c, err := openGolden(t, "command-1.0.wasm", kind, config)
		if err != nil {
			t.Fatal(err)
		}
		wantSeries(t, collectFrom(t, c, "anywhere"), `{__name__="golden_result", of="`+greeting+`"}`, 1)
		for target, want := range map[string]CallError{
			"retry": {Code: abi.CodeUnavailable, Message: "the server is starting", retryable: true},
			"fail":  {Code: abi.CodeInternal, Message: "the server has another version"},
		} {
			_, _, err := c.Collect(t.Context(), target)
			var call *CallError
			if !errors.As(err, &call) || call.Code != want.Code || call.Message != want.Message || call.retryable != want.retryable {
				t.Errorf("%s: %v", target, err)
			}
		}
	}
}

// TestAFunctionOfVersion11RunsForEver gives it the vectors.
func TestAFunctionOfVersion11RunsForEver(t *testing.T) {
	missing := math.Float64frombits(abi.MissingBits)
	_, c, err := openGolden(t, "function-1.1.wasm", `kinds = ["function"]
min_abi_minor = 1
[[function]]
name = "golden_double"
args = ["vector"]
shape = "instant"
[[function]]
name = "golden_sum"
args = ["matrix", "scalar", "string"]
shape = "range"
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	for vector, want := range map[string][]float64{
		"values":    {2, missing, -1, math.Inf(1), 2e300, math.Copysign(0, -1)},
		"one-step":  {0.2},
		"no-series": {},
		"samples":   {3.625, 3.625, missing, missing, 0.5, 0.5},
		"arguments": {21, -42},
	} {
		text, err := os.ReadFile(filepath.Join(vectorsOfABI, "vectors", vector+".batch"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := abi.ParseBatch(text)
		if err != nil {
			t.Fatal(err)
		}
		b.DeadlineMS = 0
		got := make([]float64, len(want))
		if err := c.Eval(t.Context(), b, got); err != nil || !bytes.Equal(abi.AppendCells(nil, got), abi.AppendCells(nil, want)) {
			t.Errorf("%s: %v, %v, want %v", vector, got, err, want)
		}
	}
}

func TestAModuleOfALaterVersionIsRefusedWithBothVersions(t *testing.T) {
	_, _, err := openGolden(t, "later-2.wasm", "kinds = [\"exporter\"]\n", nil)
	if want := "built for version 2 of the plugin ABI, this hearth has " + abi.Version; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

func collectFrom(t *testing.T, c *Client, target string) *sdktest.Exposition {
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
