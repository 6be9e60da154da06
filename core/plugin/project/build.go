package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hearth-project/hearth/core/plugin/local"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// Built is a package that Build has made.
type Built struct {
	Dir   string // DIST/NAMESPACE/NAME
	ID    string
	Files []File
}

// File is an artifact of a package.
type File struct {
	Name string
	Size int64 // bytes
}

// Build builds the project in dir into a package in the folder dist, or dir/dist if that is empty: the module that the
// manifest names, with native also the program for this machine, and the manifest with their digests. What the
// compiler says is in the error.
func Build(ctx context.Context, dir, dist string, native bool) (*Built, error) {
	m, err := manifest.Load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no %s: go to the folder of a plugin, or begin one with `hearth plugin new`", dir, manifest.FileName)
	}
	if err != nil {
		return nil, err
	}
	if dist == "" {
		dist = filepath.Join(dir, local.Dist)
	}
	b := &Built{Dir: filepath.Join(dist, filepath.FromSlash(m.ID)), ID: m.ID}
	text, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if err != nil {
		return nil, err
	}
	if native {
		if text, m, err = withProgram(text, m); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, err
	}
	compile, err := compiler(dir)
	if err != nil {
		return nil, err
	}
	for _, a := range m.Artifacts {
		out, err := filepath.Abs(filepath.Join(b.Dir, a.File))
		if err != nil {
			return nil, err
		}
		if a.Runtime == manifest.RuntimeNative && (a.OS != runtime.GOOS || a.Arch != runtime.GOARCH) && !compile.cross {
			return nil, fmt.Errorf("%s is for %s/%s and can't be built here", a.File, a.OS, a.Arch)
		}
		if err := compile.run(ctx, dir, a, out); err != nil {
			return nil, fmt.Errorf("%s: %w", a.File, err)
		}
		fi, err := os.Stat(out)
		if err != nil {
			return nil, err
		}
		b.Files = append(b.Files, File{a.File, fi.Size()})
	}
	if s := m.Config.Schema; s != "" {
		schema, err := os.ReadFile(filepath.Join(dir, s))
		if err == nil {
			err = os.WriteFile(filepath.Join(b.Dir, s), schema, 0o644)
		}
		if err != nil {
			return nil, fmt.Errorf("config.schema: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.Dir, manifest.FileName), text, 0o644); err != nil {
		return nil, err
	}
	return b, manifest.Seal(b.Dir)
}

// withProgram adds an artifact for this machine's program to a manifest that has none.
func withProgram(text []byte, m *manifest.Manifest) ([]byte, *manifest.Manifest, error) {
	for _, a := range m.Artifacts {
		if a.Runtime == manifest.RuntimeNative && a.OS == runtime.GOOS && a.Arch == runtime.GOARCH {
			return text, m, nil
		}
	}
	_, name, _ := strings.Cut(m.ID, "/")
	text = fmt.Appendf(bytes.TrimRight(text, "\n"), "\n\n[[artifact]]\nruntime = %q\nos = %q\narch = %q\nfile = %q\n",
		manifest.RuntimeNative, runtime.GOOS, runtime.GOARCH, name)
	m, err := manifest.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("adding the program to the manifest: %w", err)
	}
	return text, m, nil
}

// toolchain makes an artifact of a project.
type toolchain struct {
	cross bool // it makes programs for other machines
	run   func(ctx context.Context, dir string, a manifest.Artifact, out string) error
}

// compiler tells how a project is built by what is in it.
func compiler(dir string) (toolchain, error) {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case has("Makefile"):
		return toolchain{run: runMake}, errors.Join(tool("make", "make"), tools(dir))
	case has("go.mod"):
		return toolchain{cross: true, run: runGo}, tool("go", "Go 1.26 or later from https://go.dev/dl")
	}
	return toolchain{}, fmt.Errorf("%s has neither a go.mod nor a Makefile: how is it built?", dir)
}

// tools looks for what the sources in a project with a Makefile are compiled with. Rust's is sought by the Makefile of its
// SDK, since there may be two of which one can make modules.
func tools(dir string) error {
	for _, x := range []struct{ sources, tool, from string }{
		{"*.c", "clang", "clang, lld, wasi-libc and libclang-rt-dev-wasm32, by their names in Debian"},
		{"*.c", "wasm-ld", "lld, by its name in Debian"},
		{"*.rs", "wasm-ld", "rustc, libstd-rust-dev-wasm32 and lld, by their names in Debian"},
		{"*.ts", "npm", "Node 20 or later"},
	} {
		if found, err := filepath.Glob(filepath.Join(dir, x.sources)); err == nil && len(found) > 0 {
			if err := tool(x.tool, x.from); err != nil {
				return err
			}
		}
	}
	return nil
}

// tool says what is missing.
func tool(name, from string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("there is no %s on PATH: install %s", name, from)
	}
	return nil
}

func runGo(ctx context.Context, dir string, a manifest.Artifact, out string) error {
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", out}
	env := []string{"CGO_ENABLED=0", "GOOS=" + a.OS, "GOARCH=" + a.Arch}
	if a.Runtime == manifest.RuntimeWasm {
		env = []string{"CGO_ENABLED=0", "GOOS=wasip1", "GOARCH=wasm"}
		if a.Mode != manifest.ModeCommand {
			args = append(args, "-buildmode=c-shared")
		}
	}
	return command(ctx, dir, env, "go", append(args, ".")...)
}

func runMake(ctx context.Context, dir string, a manifest.Artifact, out string) error {
	if a.Runtime == manifest.RuntimeNative {
		return errors.New("a Makefile builds the module alone: leave --native out, or build the program yourself")
	}
	// In the project, and by a short name: make can't have spaces in names.
	const made = "plugin.wasm"
	if err := command(ctx, dir, nil, "make", "-s", "OUT="+made); err != nil {
		return err
	}
	code, err := os.ReadFile(filepath.Join(dir, made))
	if err != nil {
		return fmt.Errorf("make OUT=%s: it must leave that file: %w", made, err)
	}
	return errors.Join(os.WriteFile(out, code, 0o644), os.Remove(filepath.Join(dir, made)))
}

// command runs a program in the project and returns what it said if it fails.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args[0], err, bytes.TrimSpace(out))
	}
	return nil
}
