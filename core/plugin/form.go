package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/process"
	"github.com/hearth-project/hearth/core/plugin/wasm"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// form is one use of a plugin that runs, in whichever form: a module in the sandbox or a program. Errors of Call are
// *guest.Error, *guest.Fault, or what the request's Body returned.
type form interface {
	Call(ctx context.Context, r guest.Request) ([]byte, guest.Usage, error)
	Close() error
}

// artifact chooses the build of a plugin that this host runs: of the runtime, or else the module if there is one.
func artifact(m *manifest.Manifest, of string) (*manifest.Artifact, error) {
	var module, program *manifest.Artifact
	var platforms []string
	for i := range m.Artifacts {
		switch a := &m.Artifacts[i]; {
		case a.Runtime == manifest.RuntimeWasm:
			module = a
		case a.OS == runtime.GOOS && a.Arch == runtime.GOARCH:
			program = a
			platforms = append(platforms, a.OS+"/"+a.Arch)
		default:
			platforms = append(platforms, a.OS+"/"+a.Arch)
		}
	}
	switch {
	case of != "" && of != manifest.RuntimeWasm && of != manifest.RuntimeNative:
		return nil, fmt.Errorf("runtime is %q, must be %s or %s", of, manifest.RuntimeWasm, manifest.RuntimeNative)
	case module != nil && of != manifest.RuntimeNative:
		return module, nil
	case of == manifest.RuntimeWasm:
		return nil, errors.New("it has no build as a WebAssembly module: leave runtime out, or set it to native, if you trust the program")
	case program != nil:
		return program, nil
	case len(platforms) == 0:
		return nil, errors.New("it has no build as a program, only a module: leave runtime out")
	}
	return nil, fmt.Errorf("it has no build for this machine, %s/%s: its programs are for %s", runtime.GOOS, runtime.GOARCH, strings.Join(platforms, ", "))
}

// pinned begins a trust in one program alone; its digest follows.
const pinned = "sha256:"

// trusted refuses a program that the operator has not said to trust.
func trusted(a *manifest.Artifact, u Use) error {
	sum, pin := strings.CutPrefix(u.Trust, pinned)
	switch {
	case u.Trust != "" && u.Trust != manifest.RuntimeNative && !pin:
		return fmt.Errorf("trust is %q, must be %s, %s with the digest of the program, or nothing", u.Trust, manifest.RuntimeNative, pinned)
	case a.Runtime != manifest.RuntimeNative || u.Trust == manifest.RuntimeNative || pin && sum == a.SHA256:
		return nil
	case pin:
		return fmt.Errorf("trust is in the program %s, the one that is installed is %s%s: it was upgraded, or changed by somebody; if you trust it, too, write that", u.Trust, pinned, a.SHA256)
	case u.Runtime == "":
		return errors.New(`it has no build as a WebAssembly module, which a sandbox would hold, but is a program, which may do all that hearth's user may: if you trust it, add trust = "native"`)
	}
	return errors.New(`a program may do all that hearth's user may, whatever is granted: if you trust it, add trust = "native"`)
}

// run makes an artifact ready for calls. No call is made yet.
func (h *Host) run(ctx context.Context, m *manifest.Manifest, a *manifest.Artifact, r wasm.Rights, settings []byte, logger *slog.Logger) (form, error) {
	if a.Runtime == manifest.RuntimeNative {
		if len(r.Net)+len(r.Files)+len(r.Statfs) > 0 {
			logger.Info("the plugin is a program: its grant of net, files and statfs is not enforced, it may do what hearth's user may")
		}
		return h.processes.Open(process.Plugin{
			ID: m.ID, File: filepath.Join(h.dir(m.ID), a.File), SHA256: a.SHA256,
			Memory: int64(m.Limits.MemoryMiB) << 20, Instances: m.Limits.Instances, Settings: settings,
			Secrets: r.Secrets, Env: r.Env, Logger: logger, Restarted: h.metrics.restarts.WithLabelValues(m.ID).Inc,
		})
	}
	mod, err := h.moduleOf(ctx, m, a)
	if err != nil {
		return nil, err
	}
	return &moduleForm{Pool: mod.NewPool(r, settings, logger), host: h, module: mod}, nil
}

// moduleOf returns the compiled module of an artifact. release gives it back.
func (h *Host) moduleOf(ctx context.Context, m *manifest.Manifest, a *manifest.Artifact) (*module, error) {
	// The limits are part of what is compiled, so that a manifest with others is another module.
	key := fmt.Sprintf("%s %s %d %d %s", m.ID, a.SHA256, m.Limits.MemoryMiB, m.Limits.Instances, a.Mode)
	return h.module(ctx, key, func() (wasm.Source, error) { return h.source(m, a) })
}

// Warm loads the modules of uses that are about to be opened, some at a time, so that it does not matter that they are
// opened one after the other. What can't be loaded is left to Open, which says why. release lets go of those that were
// not opened meanwhile.
func (h *Host) Warm(ctx context.Context, uses []Use) (release func()) {
	loaded := make([]*module, len(uses))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, u := range uses {
		g.Go(func() error {
			if p, err := h.plan(u); err == nil && p.runtime == manifest.RuntimeWasm {
				loaded[i], _ = h.moduleOf(ctx, p.Manifest, p.artifact)
			}
			return nil
		})
	}
	_ = g.Wait()
	return func() {
		for _, m := range loaded {
			if m != nil {
				_ = h.release(m) // which frees memory, and can't fail but by that
			}
		}
	}
}

// moduleForm is a use of a module that other uses may share.
type moduleForm struct {
	*wasm.Pool
	host   *Host
	module *module
}

// Close gives the use up, and the module with the last one.
func (f *moduleForm) Close() error {
	f.Pool.Close()
	return f.host.release(f.module)
}

// source reads an artifact and checks that it is the file the manifest speaks of.
func (h *Host) source(m *manifest.Manifest, a *manifest.Artifact) (wasm.Source, error) {
	file := filepath.Join(h.dir(m.ID), a.File)
	if a.SHA256 == "" {
		return wasm.Source{}, fmt.Errorf("%s has no sha256 in its manifest: seal the package", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return wasm.Source{}, err
	}
	defer f.Close()
	code, err := io.ReadAll(io.LimitReader(f, wasm.MaxModule+1))
	if err != nil {
		return wasm.Source{}, fmt.Errorf("%s: %w", file, err)
	}
	if sum := wasm.Digest(code); sum != a.SHA256 {
		return wasm.Source{}, fmt.Errorf("%s has sha256 %s, its manifest says %s: %w: install the plugin again", file, sum, a.SHA256, manifest.ErrDigest)
	}
	return wasm.Source{
		ID: m.ID, Code: code, Digest: a.SHA256, Command: a.Mode == manifest.ModeCommand,
		Memory: int64(m.Limits.MemoryMiB) << 20, Instances: m.Limits.Instances,
	}, nil
}
