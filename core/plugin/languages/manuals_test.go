package languages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// What the manuals of the SDKs for other languages say is done here word by word, in an empty folder outside of the
// repository.

var manuals = map[string]struct {
	fence, source string
	sdk           []string // what it says to copy
	include       string   // missing from the first program, said in a sentence after it
	optimize      string   // for make: little, since it is enough that they compile and load
}{
	"c":              {"c", "acme.c", []string{"hearth.h", "hearth.c", "plugin.mk"}, "#include <stdlib.h>\n", "OPTIMIZE=0"},
	"rust":           {"rust", "acme.rs", []string{"src", "Cargo.toml", "plugin.mk"}, "", "OPTIMIZE=0"},
	"assemblyscript": {"ts", "acme.ts", []string{"assembly", "package.json", "package-lock.json", "plugin.mk"}, "", "OPTIMIZE="},
}

// fenced returns the blocks of code of a language in a text, in order.
func fenced(text, language string) (blocks []string) {
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

func TestTheProgramsOfTheManualsAreBuiltAndLoaded(t *testing.T) {
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			m := manuals[language]
			sdk := filepath.Join("../../../sdk", language)
			text, err := os.ReadFile(filepath.Join(sdk, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			programs, makefiles, manifests := fenced(string(text), m.fence), fenced(string(text), "make"), fenced(string(text), "toml")
			if len(programs) == 0 || len(makefiles) != 1 || len(manifests) < 2 {
				t.Fatalf("%d programs, %d makefiles, %d manifests", len(programs), len(makefiles), len(manifests))
			}
			work := t.TempDir()
			copySDK(t, sdk, filepath.Join(work, language), m.sdk)
			built := manifests[0]
			for i, program := range programs {
				include := m.include
				if i > 0 { // the function, with the lines of the manifest that it needs
					include = strings.Join(regexp.MustCompile(`(?m)^#include .*\n`).FindAllString(programs[0], 1), "")
					more := manifests[len(manifests)-1]
					built = strings.Replace(built, "kinds = [\"exporter\"]\n", more[:strings.Index(more, "\n\n")+1], 1) + more[strings.Index(more, "\n\n"):]
				}
				openManual(t, work, m.optimize, map[string]string{m.source: include + program, "Makefile": makefiles[0], manifest.FileName: built})
			}
		})
	}
}

// copySDK copies what the manual says, and the compiler that npm has installed already.
func copySDK(t *testing.T, from, to string, names []string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("sh", append([]string{"-c", `to=$1; shift; cp -rp "$@" "$to"`, "sh", to}, join(from, names)...)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	modules, err := filepath.Abs(filepath.Join(from, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err == nil {
		if err := os.Symlink(modules, filepath.Join(to, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
}

func join(dir string, names []string) (paths []string) {
	for _, n := range names {
		paths = append(paths, filepath.Join(dir, n))
	}
	return paths
}

// openManual builds a program in a folder, installs it as its manifest says and opens it.
func openManual(t *testing.T, work, optimize string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("make", "-s", "-B", "-C", work, optimize).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("make: %v\n%s", err, out)
	}
	plugins := t.TempDir()
	dir := filepath.Join(plugins, "acme", "level")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(filepath.Join(work, "plugin.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := strings.Replace(files[manifest.FileName], `"..."`, `"`+wasm.Digest(code)+`"`, 1)
	for name, content := range map[string][]byte{"plugin.wasm": code, manifest.FileName: []byte(sealed)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	newWorld(t, plugins).open(plugin.Use{ID: "acme/level", Grant: plugin.Grant{Net: []string{"${target}"}}})
}
