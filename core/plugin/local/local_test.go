package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

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
[[artifact]]
runtime = "native"
os = "linux"
arch = "amd64"
file = "room"
[capabilities]
net = ["${target}"]
[limits]
timeout = "1500ms"
`

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// describes answers for a module of a kind.
func describes(kind string) Describe {
	return func([]byte) (abi.Description, bool, error) { return abi.Description{Kinds: []string{kind}}, false, nil }
}

func TestAPluginIsFound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files []string
		open  string
		want  string // of the id, a space, and the artifacts; or of the error
		bare  bool
	}{
		{"a package, with what there is of its artifacts", []string{manifest.FileName, "room.wasm"}, ".", "acme/room room.wasm", false},
		{"a package with all of them", []string{manifest.FileName, "room.wasm", "room"}, ".", "acme/room room.wasm room", false},
		{"a module beside its manifest", []string{manifest.FileName, "room.wasm", "room"}, "room.wasm", "acme/room room.wasm", false},
		{"a project that was built", []string{manifest.FileName, "dist/acme/room/" + manifest.FileName, "dist/acme/room/room.wasm"}, ".", "acme/room room.wasm", false},
		{"a project that was not built", []string{manifest.FileName}, ".", "room.wasm is not in", false},
		{"a module without a manifest", []string{"The Room.wasm"}, "The Room.wasm", "local/the-room The Room.wasm", true},
		{"a module that another's manifest lies beside", []string{manifest.FileName, "hall.wasm"}, "hall.wasm", "local/hall hall.wasm", true},
		{"a folder without a manifest", []string{"room.wasm"}, ".", "has no hearth-plugin.toml", false},
		{"nothing", nil, "room.wasm", "there is no", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.files {
				content := "code of " + f
				if filepath.Base(f) == manifest.FileName {
					content = text
				}
				write(t, filepath.Join(dir, f), content)
			}
			p, err := Open(filepath.Join(dir, tt.open), manifest.Capabilities{Files: []string{"/x"}}, describes("notifier"))
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				return
			}
			got := p.Manifest.ID
			for _, a := range p.Manifest.Artifacts {
				got += " " + a.File
			}
			if got != tt.want || p.Bare != tt.bare {
				t.Errorf("got %s, bare %v", got, p.Bare)
			}
			if p.Bare {
				if p.Manifest.Kinds[0] != "notifier" || p.Manifest.Capabilities.Files[0] != "/x" {
					t.Errorf("%+v", p.Manifest)
				}
			} else {
				m, err := manifest.Load(filepath.Join(p.Dir, filepath.FromSlash(p.Manifest.ID)))
				if err != nil || m.Limits.Timeout.Std().Milliseconds() != 1500 || m.Capabilities.Net[0] != manifest.Target {
					t.Errorf("laid out: %+v, %v", m, err)
				}
				if err := m.Verify(filepath.Join(p.Dir, "acme", "room")); err != nil {
					t.Error(err)
				}
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(p.Dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is left: %v", err)
			}
		})
	}
}

func TestAChangedArtifactIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, manifest.FileName), strings.Replace(text, "file = \"room.wasm\"", "file = \"room.wasm\"\nsha256 = \""+strings.Repeat("a", 64)+`"`, 1))
	write(t, filepath.Join(dir, "room.wasm"), "changed")
	if _, err := Open(dir, manifest.Capabilities{}, nil); !errors.Is(err, manifest.ErrDigest) || !strings.Contains(err.Error(), "room.wasm is not the file") {
		t.Errorf("got %v", err)
	}
}

func TestFunctionsNeedAManifest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.wasm")
	write(t, file, "")
	if _, err := Open(file, manifest.Capabilities{}, describes("function")); err == nil || !strings.Contains(err.Error(), "only a manifest tells") {
		t.Error(err)
	}
}

func TestPathsAndIDsAreToldApart(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "acme/room/"+manifest.FileName, text)
	write(t, "acme/room/room", "")
	for arg, want := range map[string]bool{"acme/room/room": true, "hearth/node": false, "acme/room": true, "./x": true, ".": true, "/x": true, "room.wasm": true, "acme/hall": false} {
		if IsPath(arg) != want {
			t.Errorf("%s: %v", arg, !want)
		}
	}
}
