package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/internal/testlog"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// The guests of testdata/hostile try to get out, to take what is not theirs, or to stay. Beside each attempt another
// plugin is called all the time, which must not notice. Nothing is said about times: whatever the machine is busy with,
// the neighbour's calls go on, and only then is the attempt ended.

// hostile is an engine with a neighbour, and the module of guest.c.
type hostile struct {
	world
	guest *Module
	*neighbour
}

func newHostile(t *testing.T, change ...func(*Options)) *hostile {
	t.Helper()
	h := &hostile{world: newWorld(t, change...)}
	h.neighbour = startNeighbour(t, h.world)
	h.guest = h.load(hostileGuest(t))
	return h
}

func (h *hostile) load(code []byte) *Module {
	h.t.Helper()
	m, err := h.Load(h.t.Context(), Source{ID: "hostile/guest", Code: code, Memory: 16 << 20})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := m.Close(); err != nil {
			h.t.Error(err)
		}
	})
	return m
}

// made holds what the tools have made of the sources in testdata/hostile, by file name.
var made sync.Map

// assemble runs a tool of the packages in .ci/packages on a file of testdata/hostile.
func assemble(t *testing.T, file string, tool func(in, out string) *exec.Cmd) []byte {
	t.Helper()
	if code, ok := made.Load(file); ok {
		return code.([]byte)
	}
	out := filepath.Join(t.TempDir(), "module.wasm")
	if text, err := tool(filepath.Join("testdata/hostile", file), out).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v; what it needs are the packages of .ci/packages, which make deps installs\n%s", file, err, text)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	made.Store(file, code)
	return code
}

func hostileGuest(t *testing.T) []byte {
	return assemble(t, "guest.c", func(in, out string) *exec.Cmd {
		return exec.Command("clang", "--target=wasm32", "-O1", "-nostdlib", "-fno-builtin", "-Wno-infinite-recursion", "-Wl,--no-entry", "-Wl,-z,stack-size=65536", "-o", out, in)
	})
}

func hostileText(t *testing.T, name string) []byte {
	return assemble(t, name+".wat", func(in, out string) *exec.Cmd {
		return exec.Command("wat2wasm", "--enable-all", "--debug-names", "--no-check", "-o", out, in)
	})
}

// neighbour is a plugin that does nothing bad and is called all the time.
type neighbour struct {
	calls atomic.Int64
	err   atomic.Pointer[error]
}

func startNeighbour(t *testing.T, w world) *neighbour {
	p := w.reactor(reactor{data: "up 1\n"})
	n := &neighbour{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			out, err := collect(p, time.Hour)
			if err == nil && string(out) != "up 1\n" {
				err = fmt.Errorf("the neighbour answers %q", out)
			}
			if err != nil {
				n.err.Store(&err)
				return
			}
			n.calls.Add(1)
			time.Sleep(10 * time.Microsecond)
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	return n
}

// goesOn waits until the neighbour was called some times more.
func (n *neighbour) goesOn(t *testing.T) {
	t.Helper()
	for want := n.calls.Load() + 10; n.calls.Load() < want; time.Sleep(100 * time.Microsecond) {
		if err := n.err.Load(); err != nil {
			t.Fatalf("the neighbour: %v", *err)
		}
	}
}

// attempt is one call of a hostile guest, with a log of its own.
type attempt struct {
	pool *Pool
	log  *testlog.Buffer
}

func (h *hostile) attempt(t *testing.T, m *Module, r Rights) attempt {
	a := attempt{log: &testlog.Buffer{}}
	a.pool = m.NewPool(r, []byte("{}"), slog.New(slog.NewTextHandler(a.log, nil)))
	t.Cleanup(a.pool.Close)
	return a
}

func (a attempt) call(ctx context.Context, op, request string) (string, error) {
	out, _, err := a.pool.Call(ctx, Request{Operation: op, Body: func() ([]byte, error) { return []byte(request), nil }})
	return string(out), err
}

// ends makes a call that ends by itself.
func (a attempt) ends(t *testing.T, request string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return a.call(ctx, abi.OpCollect, request)
}

// logs asserts that the log has a text.
func (a attempt) logs(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(a.log.String(), text) {
		t.Errorf("the log does not say %q:\n%.2000s", text, a.log.String())
	}
}

func TestHostileModulesAreRefused(t *testing.T) {
	h := newHostile(t)
	for _, tt := range []struct{ file, text string }{
		{"memory64", "64 bits: plugins have 32"},
		{"shared-memory", "shared by threads"},
		{"atomics", "proposal for threads"},
		{"tail-call", "proposal for tail calls"},
		{"exceptions", "exceptions, which plugins may not use"},
		{"multi-memory", "2 memories, one is allowed"},
		{"function-references", "wasm module refused: types: "},
		{"relaxed-simd", "proposal for relaxed SIMD"},
		{"extended-const", "in a constant"},
		{"set-fuel", "global 0 of 0"},
		{"set-depth", "global 2 of 1"},
		{"export-fuel", "export of global 0 of 0"},
		{"call-tick", "an import from hearth_meter, which is the host's"},
		{"call-beyond", "function 1 of 1"},
		{"type-confusion", "the module is not valid"},
		{"stack-underflow", "the module is not valid"},
		{"import-env", "imports env.system; only imports from wasi_snapshot_preview1 and hearth_v1 are allowed"},
		{"import-old-wasi", "imports wasi_unstable.path_open; only imports from"},
		{"import-wasi-that-is-none", "sock_connect, which is not of WASI's preview 1"},
		{"import-another-plugin", "the module is not valid"},
		{"import-memory", "it imports a memory, plugins have their own"},
		{"import-table", "it imports a table, plugins have their own"},
		{"import-global", "an import from hearth_meter, which is the host's"},
		{"huge-memory", "min 65536 pages (4 Gi) over limit"},
		{"huge-table", "at least 4294967295 elements, 1000000 are allowed"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			m, err := h.Load(t.Context(), Source{ID: "hostile/made", Code: hostileText(t, tt.file)})
			if err == nil {
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			h.goesOn(t)
		})
	}
	t.Run("no file is left out", func(t *testing.T) {
		files, err := filepath.Glob("testdata/hostile/*.wat")
		if err != nil || len(files) != 25+4+1 {
			t.Errorf("%d files, %v: name the new ones in a table", len(files), err)
		}
	})
}

func TestHostileModulesThatBreakOff(t *testing.T) {
	h := newHostile(t)
	for _, tt := range []struct{ file, op, text string }{
		{"data-beyond", abi.OpCollect, "out of bounds memory access"},
		{"start-trap", abi.OpCollect, "unreachable"},
		{"table-bomb", abi.OpCollect, "unreachable"},
		{"eval-trap", abi.OpEval, "unreachable in cells"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			a := h.attempt(t, h.load(hostileText(t, tt.file)), Rights{})
			out, err := a.call(t.Context(), tt.op, "a batch")
			wantFault(t, err, Trap, tt.text)
			if out != "" {
				t.Errorf("an answer of %d bytes comes all the same", len(out))
			}
			h.goesOn(t)
		})
	}
}

func TestAHostileCommand(t *testing.T) {
	h := newHostile(t)
	m, err := h.Load(t.Context(), Source{ID: "hostile/command", Code: hostileText(t, "print-bomb"), Command: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	a := h.attempt(t, m, Rights{})
	out, err := a.ends(t, "{}")
	wantFault(t, err, Malformed, "it printed more than 16777216 bytes")
	if out != "" {
		t.Errorf("%d bytes are handed on", len(out))
	}
	h.goesOn(t)
}

// everything is a manifest that asks for all there is.
var everything = manifest.Capabilities{Net: []string{"*"}, Files: []string{"/"}, Statfs: []string{"*"}, Secrets: []string{"password", "token"}, Env: []string{"TZ"}}

func TestHostileGuestsSeeNothingOfProcesses(t *testing.T) {
	h := newHostile(t)
	t.Setenv("HEARTH_TEST_SECRET", "visible")
	pid, parent := fmt.Sprint(os.Getpid()), fmt.Sprint(os.Getppid())
	processes := []string{"self", "thread-self", "1", pid, parent, "self/task/" + pid, pid + "/task/" + pid, parent + "/task/" + parent, "self/task/1/../..", "./self", "self/../" + pid}
	names := []string{
		"root", "root/etc/passwd", "cwd", "cwd/go.mod", "exe", "environ", "fd", "fd/0", "fd/1", "fdinfo/0", "mem", "maps", "smaps", "map_files", "cmdline", "auxv", "ns",
		"ns/net", "stack", "syscall", "pagemap", "attr/current", "root/proc/self/environ", "net/../environ",
	}
	var paths []string
	for _, process := range processes {
		for _, name := range names {
			paths = append(paths, "proc/"+process+"/"+name)
		}
	}
	for _, name := range []string{"kcore", "kallsyms", "kmsg", "keys", "sysrq-trigger", "iomem", "vmallocinfo", "self/../kcore", "../proc/kcore"} {
		paths = append(paths, "proc/"+name)
	}
	for _, path := range paths {
		for _, grant := range []string{"/proc", "/"} {
			a := h.attempt(t, h.guest, Rights{Asked: everything, Files: []string{grant}})
			for _, how := range []string{"open", "list", "readlink"} {
				if out, err := a.ends(t, "files "+how+" "+path); out != "2" || err != nil {
					t.Errorf("%s %s: %q, %v", how, path, out, err)
				}
			}
			a.logs(t, "can't be granted: it shows what processes or the kernel keep to themselves")
			a.pool.Close()
		}
	}
	h.goesOn(t)
}
