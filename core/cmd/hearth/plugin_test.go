package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/plugin/check"
)

// unsteadyPlugin are the figures that differ from run to run.
var unsteadyPlugin = []struct{ re, with string }{
	{`\d+(\.\d+)? ([KM]iB|B)\b`, "SIZE"},
	{`\d+(\.\d+)?(ns|µs|ms|s)\b`, "TIME"},
	{`(?m)^(\w+_seconds) [0-9.e-]+$`, "$1 N"},
	{`(ABI|version) 1\.\d+`, "$1 1.N"},
	{`  +`, "  "},
}

// TestPlugins runs the commands of testdata/plugin in a folder of their own: DIR. TARGET is the address of a web server.
// Projects are in C, whose modules are made and compiled in no time.
func TestPlugins(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	target := server.Listener.Addr().(*net.TCPAddr).String()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, filepath.Join(here, "testdata/plugin"), func(t *testing.T, path string) {
		dir := t.TempDir()
		t.Chdir(dir)
		words := strings.NewReplacer("DIR", dir, "TARGET", target)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "file" {
				name := filepath.Join(dir, d.CmdArgs[0].Key)
				if err := os.WriteFile(name, []byte(d.Input+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return ""
			}
			var args []string
			for _, a := range strings.Fields(d.Input) {
				args = append(args, words.Replace(a))
			}
			got := strings.NewReplacer(dir, "DIR", target, "TARGET").Replace(ran(args...))
			for _, u := range unsteadyPlugin {
				got = regexp.MustCompile(u.re).ReplaceAllString(got, u.with)
			}
			return got
		})
	})
}

func TestPluginsAsJSON(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, args := range [][]string{{"new", "function", "acme/share", "--lang", "c", "--dir", dir}, {"build", dir}} {
		if out := ran(append([]string{"plugin"}, args...)...); strings.Contains(out, "exit ") {
			t.Fatal(out)
		}
	}
	var list []plugin.Status
	if err := json.Unmarshal([]byte(ran("plugin", "list", "--json", "--dir", filepath.Join(dir, "dist"))), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].ID != "acme/share" || list[0].Runtime != "wasm" || list[0].State != plugin.StateInstalled {
		t.Errorf("got %+v", list)
	}
	var report check.Report
	if err := json.Unmarshal([]byte(ran("plugin", "check", "--json", dir)), &report); err != nil {
		t.Fatal(err)
	}
	if !report.Succeeded || report.ID != "acme/share" || report.Size == 0 || report.Calls == 0 || len(report.Results) < 10 {
		t.Errorf("got %+v", report)
	}
}
