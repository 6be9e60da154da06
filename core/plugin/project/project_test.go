package project

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// here is this repository, which stands for the published module.
var here = FindCheckout(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}())

// sdks are those of this repository.
var sdks = SDK{Checkout: here, Guests: sdk.Languages()}

// TestProjectsAreBuiltAndTested begins a plugin of each kind outside of the repository and does what its README says.
func TestProjectsAreBuiltAndTested(t *testing.T) {
	for _, language := range Languages() {
		for _, kind := range []string{"exporter", "notifier", "function"} {
			if !has(language, kind) {
				continue
			}
			t.Run(language+" "+kind, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "a thing")
				id := "acme/first-" + kind
				if _, err := New(Spec{Kind: kind, ID: id, Language: language, Dir: dir, SDK: sdks}); err != nil {
					t.Fatal(err)
				}
				if language == "go" {
					out := run(t, dir, "gofmt", "-l", ".")
					if out != "" {
						t.Errorf("not gofmt'ed: %s", out)
					}
					run(t, dir, "go", "test", "./...")
				}
				native := language == "go" && kind == "exporter"
				b, err := Build(t.Context(), dir, "", native)
				if err != nil {
					t.Fatal(err)
				}
				m, err := manifest.Load(b.Dir)
				if err != nil {
					t.Fatal(err)
				}
				if err := m.Verify(b.Dir); err != nil {
					t.Error(err)
				}
				if m.ID != id || b.Files[0].Name != "first-"+kind+".wasm" || b.Files[0].Size == 0 {
					t.Errorf("got %+v of %s", b, m.ID)
				}
				if native && (len(m.Artifacts) != 2 || m.Artifacts[1].OS != runtime.GOOS) {
					t.Errorf("the program is not in the manifest: %+v", m.Artifacts)
				}
			})
		}
	}
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestWhatCannotBeBegunIsExplained(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec Spec
		want string
	}{
		{"a discoverer", Spec{Kind: "discoverer", ID: "a/b", Language: "go"}, "a plugin cannot be a discoverer yet"},
		{"another kind", Spec{Kind: "theme", ID: "a/b", Language: "go"}, `kind is "theme", must be exporter, notifier or function`},
		{"another language", Spec{Kind: "exporter", ID: "a/b", Language: "cobol"}, `language is "cobol", must be one of go, rust, c, assemblyscript`},
		{"a kind that a language can't make", Spec{Kind: "notifier", ID: "a/b", Language: "c"}, "the SDK for c cannot make a notifier: choose another language"},
		{"no namespace", Spec{Kind: "exporter", ID: "room", Language: "go"}, "must be namespace/name"},
		{"capitals", Spec{Kind: "exporter", ID: "Acme/room", Language: "go"}, "must be namespace/name"},
		{"a name that begins with a digit", Spec{Kind: "exporter", ID: "acme/1st", Language: "go"}, "must begin with a letter"},
		{"a checkout that is none", Spec{Kind: "exporter", ID: "a/b", Language: "go", SDK: SDK{Checkout: "/"}}, "--sdk: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Dir = t.TempDir()
			if _, err := New(tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if es, err := os.ReadDir(tt.spec.Dir); err != nil || len(es) > 0 {
				t.Errorf("it has left %v, %v", es, err)
			}
		})
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "README.md")
	if err := os.WriteFile(file, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := New(Spec{Kind: "exporter", ID: "a/b", Language: "go", Dir: dir, SDK: SDK{Checkout: here}})
	if err == nil || !strings.Contains(err.Error(), "README.md is there already") {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "mine" {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "main.go")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("half a project is left")
	}
}

func TestThePublishedModuleIsRequired(t *testing.T) {
	dir := t.TempDir()
	if _, err := New(Spec{Kind: "exporter", ID: "a/b", Language: "go", Dir: dir, SDK: SDK{Version: "1.2.3"}}); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.Contains(string(mod), "require "+Module+" v1.2.3\n") || strings.Contains(string(mod), "replace") {
		t.Errorf("%s, %v", mod, err)
	}
}

const text = `schema = 1
id = "acme/room"
version = "1.0.0"
abi = "1"
kinds = ["exporter"]
license = "MIT"
description = "A room."
[[artifact]]
runtime = "wasm"
file = "room.wasm"
`

func TestABuildThatFailsSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		path  string // in place of PATH
		want  string
	}{
		{"there is no plugin", nil, "", "begin one with `hearth plugin new`"},
		{"there is no source", map[string]string{manifest.FileName: text}, "", "neither a go.mod nor a Makefile"},
		{"the manifest is wrong", map[string]string{manifest.FileName: strings.Replace(text, "MIT", "", 1)}, "", "license is missing"},
		{"the source is wrong", map[string]string{manifest.FileName: text, "go.mod": "module room\n", "main.go": "package main\nfunc main() { x }\n"}, "", "undefined: x"},
		{"there is no Go", map[string]string{manifest.FileName: text, "go.mod": "module room\n"}, "/nowhere", "there is no go on PATH: install Go 1.26 or later"},
		{"there is no make", map[string]string{manifest.FileName: text, "Makefile": ""}, "/nowhere", "there is no make on PATH"},
		{"the Makefile fails", map[string]string{manifest.FileName: text, "Makefile": "all:\n\t@echo no compiler >&2; false\n"}, "", "no compiler"},
		{"the Makefile leaves nothing", map[string]string{manifest.FileName: text, "Makefile": "all:\n"}, "", "it must leave that file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if tt.path != "" {
				t.Setenv("PATH", tt.path)
			}
			if _, err := Build(context.Background(), dir, "", false); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
