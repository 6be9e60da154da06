package plugin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// TestAPluginInAnotherLanguage runs a script that speaks the protocol of programs and knows no SDK.
func TestAPluginInAnotherLanguage(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no Node.js here: ", err)
	}
	plugins := t.TempDir()
	dir := filepath.Join(plugins, "test", "node")
	if err := os.CopyFS(dir, os.DirFS("testdata/node")); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`schema = 1
id = "test/node"
version = "1.0.0"
abi = "1"
kinds = ["exporter"]
license = "Apache-2.0"
description = "Says hello."
[[artifact]]
runtime = "native"
os = %q
arch = %q
file = "plugin.js"
`, runtime.GOOS, runtime.GOARCH)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, manifest.FileName), []byte(text), 0o644), manifest.Seal(dir)); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, plugins)
	c := w.open(Use{ID: "test/node", Trust: "native", Config: map[string]any{"greeting": strings.Repeat("long ", 100)}})
	answers(t, c, "", strings.Repeat("long ", 100))
	if !strings.Contains(w.log.String(), `msg="collecting address=\"\"" plugin=test/node`) {
		t.Errorf("the log is\n%s", w.log)
	}
	failsWith(t, c, "fail", abi.CodeUnavailable, "told to fail")
	failsWith(t, c, "exit", abi.CodePanic, "it has ended itself with exit code 3")
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := say(t, c, ""); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if _, err := w.Open(t.Context(), Use{ID: "test/node", Trust: "native", Config: map[string]any{"greting": "x"}}); err == nil || !strings.Contains(err.Error(), "configure: settings: unknown greting") {
		t.Errorf("got %v", err)
	}
}
