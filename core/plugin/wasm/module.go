package wasm

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm/fuel"
	"github.com/hearth-project/hearth/sdk/abi"
)

// Limits of the ABI.
const (
	MaxModule        = 32 << 20 // bytes
	defaultMemory    = 64 << 20 // bytes of an instance
	maxMemory        = 1 << 30
	defaultInstances = 8
	pageSize         = 64 << 10
)

// Source is a module that is to be loaded.
type Source struct {
	ID        string // of the plugin, namespace/name
	Code      []byte
	Digest    string // of Code, if it is known already
	Command   bool   // it is to be of level 0
	Memory    int64  // bytes of linear memory of an instance; 0 means 64 MiB, at most 1 GiB
	Instances int    // at the same time; 0 means 8
}

// Module is a compiled plugin. Close releases it, after its pools.
type Module struct {
	e         *Engine
	id        string
	command   bool
	memory    int64 // limit of an instance
	least     uint64
	instances int
	exports   map[string]api.FunctionDefinition

	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule
	cacheErr error // why it could not be kept; it runs all the same

	live    int           // instances; guarded by Engine.mu
	changed chan struct{} // closed and made anew when one comes free and somebody waits; guarded by Engine.mu
	waited  bool          // somebody waits for changed; guarded by Engine.mu
}

const (
	compileWorkers = 2               // goroutines of wazero's that compile a module; with one it does not heed the context
	compileTime    = 2 * time.Minute // for all of a module
)

// Load validates, rewrites and compiles a module, or takes it from the cache. It may take seconds and can't be
// interrupted. A module is refused if its imports are not the ABI's, if it lacks an export, or asks for more than its
// limits; the error says what.
func (e *Engine) Load(ctx context.Context, s Source) (_ *Module, err error) {
	if len(s.Code) > MaxModule {
		return nil, fmt.Errorf("the module has %d MiB, at most %d are allowed", len(s.Code)>>20, MaxModule>>20)
	}
	m := &Module{e: e, id: s.ID, command: s.Command, memory: s.Memory, instances: s.Instances, changed: make(chan struct{})}
	if m.memory <= 0 {
		m.memory = defaultMemory
	}
	m.memory = min(m.memory, maxMemory, e.o.Memory)
	if m.instances <= 0 {
		m.instances = defaultInstances
	}
	if s.Digest == "" {
		s.Digest = Digest(s.Code)
	}
	dir, err := openCache(e.o.Cache, s.ID, s.Digest)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.Close()
			dir.drop()
		}
	}()
	rewritten := dir.read()
	kept := rewritten != nil
	if !kept {
		e.compile.Lock()
		defer e.compile.Unlock()
		dir.drop()
		// The rewriter's limits come first: they keep wazero from what would take it too long or too much memory.
		if rewritten, err = fuel.Rewrite(s.Code, fuel.Options{FunctionsOnly: true}); err != nil {
			return nil, err
		}
		if err := validate(ctx, s.Code); err != nil {
			return nil, err
		}
		m.cacheErr = dir.keep(rewritten)
	}
	if err := m.compile(ctx, rewritten, dir); err != nil {
		return nil, err
	}
	if err := m.link(ctx); err != nil {
		return nil, err
	}
	if err := m.checkExports(); err != nil {
		return nil, err
	}
	if !kept && m.cacheErr == nil { // what is not sealed does not count
		m.cacheErr = dir.seal()
	}
	return m, nil
}

// compile makes the runtime and has the module compiled, or takes that from the cache. If that can't be kept, it is
// compiled all the same.
func (m *Module) compile(ctx context.Context, rewritten []byte, dir cacheDir) error {
	var err error
	if m.cache, err = newCompilationCache(dir); err != nil {
		m.cacheErr = err
		m.cache, dir = wazero.NewCompilationCache(), cacheDir{}
	}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, runtimeConfig(wazero.NewRuntimeConfig()).
		WithCompilationCache(m.cache).WithMemoryLimitPages(maxMemory/pageSize)) // each instance's own limit is its linear's
	timed, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	m.compiled, err = m.runtime.CompileModule(experimental.WithCompilationWorkers(timed, compileWorkers), rewritten)
	switch {
	case err == nil:
		return nil
	case timed.Err() != nil:
		return fmt.Errorf("compiling the module: %w", err)
	case dir.path == "":
		return fmt.Errorf("compiling the module: %s", printable(err.Error()))
	}
	if m.cacheErr == nil {
		m.cacheErr = err
	}
	if err := m.Close(); err != nil {
		return err
	}
	return m.compile(ctx, rewritten, cacheDir{})
}

// printable is text of a module's, or with names of a module's, as it may stand in an error.
func printable(s string) string { return guest.Printable([]byte(s)) }

// Digest is the sha256 of a module, in lower case hexadecimal.
func Digest(code []byte) string {
	sum := sha256.Sum256(code)
	return hex.EncodeToString(sum[:])
}

// runtimeConfig is what both runtimes have: the features of the ABI. WithCloseOnContextDone stays off: the meter stops
// guests at a tenth of its cost.
func runtimeConfig(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCoreFeatures(api.CoreFeaturesV2).WithCloseOnContextDone(false).WithDebugInfoEnabled(false)
}

func newCompilationCache(dir cacheDir) (wazero.CompilationCache, error) {
	if dir.path == "" {
		return wazero.NewCompilationCache(), nil
	}
	return wazero.NewCompilationCacheWithDir(dir.path)
}

// validate has the original checked by wazero, so that the rewriter changes nothing but what is valid. wazero checks a
// module, then asks who wants to listen to its functions, then compiles it, which would take many times the code's size in
// memory: the listener ends it there.
func validate(ctx context.Context, code []byte) (err error) {
	rt := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(wazero.NewRuntimeConfigInterpreter()))
	defer rt.Close(ctx)
	defer func() {
		if r := recover(); r != nil && r != any(validated{}) {
			panic(r)
		}
	}()
	if _, err := rt.CompileModule(experimental.WithFunctionListenerFactory(ctx, validated{}), code); err != nil {
		return fmt.Errorf("the module is not valid: %s", printable(err.Error()))
	}
	return nil
}

// validated is the listener that ends a compilation before it begins.
type validated struct{}

func (validated) NewFunctionListener(api.FunctionDefinition) experimental.FunctionListener {
	panic(validated{})
}

// Close releases the module.
func (m *Module) Close() error {
	ctx := context.Background()
	var errs []error
	if m.runtime != nil {
		errs = append(errs, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		errs = append(errs, m.cache.Close(ctx))
	}
	return errors.Join(errs...)
}

// CacheError returns why the module could not be kept for the next start, or nil.
func (m *Module) CacheError() error { return m.cacheErr }

// MemoryLimit is the most bytes of linear memory an instance may have.
func (m *Module) MemoryLimit() int64 { return m.memory }

// Command tells whether the module is of level 0.
func (m *Module) Command() bool { return m.command }

// signature is the type of a function.
type signature struct{ params, results []api.ValueType }

func (s signature) of(d api.FunctionDefinition) bool {
	return slices.Equal(d.ParamTypes(), s.params) && slices.Equal(d.ResultTypes(), s.results)
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

var (
	noneNone   = signature{}
	noneI32    = signature{nil, []api.ValueType{i32}}
	i32I32     = signature{[]api.ValueType{i32}, []api.ValueType{i32}}
	noneI64    = signature{nil, []api.ValueType{i64}}
	requestI64 = signature{[]api.ValueType{i32, i32}, []api.ValueType{i64}}
)

// checkExports tells the levels apart and checks what each must have.
func (m *Module) checkExports() error {
	m.exports = m.compiled.ExportedFunctions()
	if major := otherMajor(m.exports); major > 0 && m.exports[abi.ExportVersion] == nil {
		return fmt.Errorf("the module is built for version %d of the plugin ABI, this hearth has %s: take a plugin that is built for version 1, or a hearth that has version %[1]d",
			major, abi.Version)
	}
	memory, ok := m.compiled.ExportedMemories()["memory"]
	if !ok {
		return errors.New(`the module does not export its memory as "memory"`)
	}
	m.least = uint64(memory.Min()) * pageSize
	if m.least > uint64(m.memory) {
		return fmt.Errorf("the module needs %.1f MiB of memory, it may have %.1f: raise limits.memory_mib of its manifest, or memory of [plugins]",
			float64(m.least)/(1<<20), float64(m.memory)/(1<<20))
	}
	_, reactor := m.exports[abi.ExportVersion]
	start, command := m.exports["_start"]
	switch {
	case reactor && m.command:
		return fmt.Errorf("the module exports %s, it is a reactor: its manifest must say so", abi.ExportVersion)
	case m.command && !command:
		return errors.New("the module does not export _start, as a command must")
	case m.command && !noneNone.of(start):
		return errors.New("the module's _start has another type than () -> ()")
	case m.command:
		return nil
	case !reactor:
		return fmt.Errorf("the module does not export %s: build it with the SDK and -buildmode=c-shared, or give mode = \"command\" in its manifest if it prints its result", abi.ExportVersion)
	}
	for _, x := range []struct {
		name     string
		sig      signature
		required bool
	}{
		{"_initialize", noneNone, false},
		{abi.ExportVersion, noneI32, true},
		{abi.ExportAlloc, i32I32, true},
		{abi.ExportDescribe, noneI64, true},
		{abi.ExportConfigure, requestI64, false},
		{abi.ExportCollect, requestI64, false},
		{abi.ExportNotify, requestI64, false},
		{abi.ExportEval, requestI64, false},
	} {
		d, ok := m.exports[x.name]
		if !ok && x.required {
			return fmt.Errorf("the module does not export %s", x.name)
		}
		if ok && !x.sig.of(d) {
			return fmt.Errorf("the module's %s has the type %v -> %v, not the ABI's", x.name, typeNames(d.ParamTypes()), typeNames(d.ResultTypes()))
		}
	}
	return nil
}

// otherMajor returns the latest major version of the ABI whose marker a module has, other than this host's; 0 if there is none.
func otherMajor(exports map[string]api.FunctionDefinition) (latest uint64) {
	for name := range exports {
		if v, ok := strings.CutPrefix(name, abi.ExportMarker); ok && name != abi.ExportVersion {
			if n, err := strconv.ParseUint(v, 10, 16); err == nil {
				latest = max(latest, n)
			}
		}
	}
	return latest
}

func typeNames(ts []api.ValueType) []string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = api.ValueTypeName(t)
	}
	return names
}

// link gives the runtime the modules that guests import from.
func (m *Module) link(ctx context.Context) error {
	if err := fuel.Instantiate(ctx, m.runtime); err != nil {
		return err
	}
	wasi := m.runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(wasi)
	if err := m.e.exportWASI(wasi); err != nil {
		return err
	}
	instance, err := wasi.Instantiate(ctx)
	if err != nil {
		return err
	}
	known := instance.ExportedFunctionDefinitions()
	own := m.runtime.NewHostModuleBuilder(abi.ImportModule)
	done := map[string]bool{}
	for _, d := range m.compiled.ImportedFunctions() {
		from, name, _ := d.Import()
		switch from {
		case fuel.ImportModule:
		case wasi_snapshot_preview1.ModuleName:
			if _, ok := known[name]; !ok {
				return fmt.Errorf("the module imports %s.%s, which is not of WASI's preview 1", from, printable(name))
			}
		case abi.ImportModule:
			if done[name] {
				continue
			}
			done[name] = true
			if err := exportOwn(own, name, signature{d.ParamTypes(), d.ResultTypes()}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the module imports %s.%s; only imports from %s and %s are allowed", printable(from), printable(name), wasi_snapshot_preview1.ModuleName, abi.ImportModule)
		}
	}
	_, err = own.Instantiate(ctx)
	return err
}

// moduleConfig is what every instance of every plugin has.
func moduleConfig() wazero.ModuleConfig {
	return wazero.NewModuleConfig().WithName("").WithStartFunctions().WithRandSource(rand.Reader).WithSysWalltime()
}
