package wasm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearth-project/hearth/core/plugin/wasm/internal/asm"
	"github.com/hearth-project/hearth/sdk/abi"
)

func TestModulesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name string
		s    Source
		text string
	}{
		{"what is no module", Source{Code: []byte("#!/bin/sh")}, "not a module"},
		{"a module that is too large", Source{Code: make([]byte, MaxModule+1)}, "at most 32"},
		{"an invalid module", Source{Code: reactor{collect: asm.Const(1)}.module()}, "not valid"},
		{"an import from elsewhere", Source{Code: reactor{imports: [][]byte{asm.ImportFunction("env", "system", typeAlloc)}}.module()}, "imports env.system; only imports from"},
		{"a WASI function that is none", Source{Code: reactor{imports: [][]byte{asm.ImportFunction("wasi_snapshot_preview1", "sock_connect", typeCall)}}.module()}, "sock_connect"},
		{"a function of ours by another type", Source{Code: reactor{imports: [][]byte{asm.ImportFunction("hearth_v1", "log", typeCall)}}.module()}, "hearth_v1.log with the type [i32 i32] -> [i64]"},
		{"no marker", Source{Code: reactor{without: abi.ExportVersion}.module()}, "-buildmode=c-shared"},
		{"no alloc", Source{Code: reactor{without: abi.ExportAlloc}.module()}, "does not export hearth_alloc"},
		{"no memory", Source{Code: reactor{without: "memory"}.module()}, "memory"},
		{"more memory than there may be", Source{Code: reactor{pages: 100}.module(), Memory: 1 << 20}, "needs 6.2 MiB of memory, it may have 1.0"},
		{"a reactor that is said to be a command", Source{Code: reactor{}.module(), Command: true}, "it is a reactor"},
		{"a table of two million", Source{Code: reactor{tables: [][]byte{{0x70, 0, 0x80, 0x89, 0x7a}}}.module()}, "at least 2000000 elements, 1000000 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.s.ID = "test/made"
			m, err := w.Load(t.Context(), tt.s)
			if err == nil {
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
		})
	}
}

func TestAnswersThatBreakTheRules(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name string
		r    reactor
		text string
	}{
		{"beyond the memory", reactor{collect: answer(65000, 1000)}, "does not lie in its memory"},
		{"longer than there is memory", reactor{collect: asm.Const64(0xffffffff)}, "does not lie in its memory"},
		{"longer than is allowed", reactor{pages: 300, collect: answer(0, abi.MaxResult+1)}, "at most 16777216"},
		{"no buffer for the request", reactor{alloc: asm.Const(0)}, "no memory for a request"},
		{"a buffer beyond the memory", reactor{alloc: asm.Const(65530)}, "outside of its memory"},
		{"a negative buffer", reactor{alloc: asm.Const(-8)}, "outside of its memory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := collect(w.reactor(tt.r), time.Minute)
			wantFault(t, err, Malformed, tt.text)
		})
	}
	if n := w.Instances(); n != 0 {
		t.Errorf("%d instances were kept", n)
	}
}

func TestErrorsOfGuests(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ name, body, code, message string }{
		{"as the ABI has it", `{"code":"unavailable","message":"no","retryable":true}`, abi.CodeUnavailable, "no"},
		{"a code nobody knows", `{"code":"sulking","message":"no"}`, abi.CodeInternal, "no"},
		{"no JSON", "plain \x1b text", abi.CodeInternal, `plain \x1b text`},
		{"nothing", "", abi.CodeInternal, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := w.reactor(reactor{data: tt.body, collect: asm.Const64(int64(-1<<63 | 1024<<32 | int64(len(tt.body))))})
			_, err := collect(p, time.Minute)
			var g *GuestError
			if !errors.As(err, &g) || g.Code != tt.code || g.Message != tt.message {
				t.Errorf("got %#v", err)
			}
			if n := w.Instances(); n != 1 {
				t.Errorf("%d instances: the guest was in order", n)
			}
			p.Close()
		})
	}
}

func TestImportsOfALaterVersionDoNothing(t *testing.T) {
	w := newWorld(t)
	p := w.reactor(reactor{
		imports: [][]byte{asm.ImportFunction("hearth_v1", "teleport", typeThree), asm.ImportFunction("hearth_v1", "dream", typeWide), asm.ImportFunction("hearth_v1", "log2", typeNone)},
		// Traps unless both say -52.
		collect: slices.Concat([]byte{0x10, 2}, asm.Const(1), asm.Const(2), asm.Const(3), []byte{0x10, 0}, asm.Const(-52), []byte{0x47, 0x04, 0x40, 0x00, 0x0b},
			asm.Const64(1), []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1}, asm.Const64(-52), []byte{0x52, 0x04, 0x40, 0x00, 0x0b}, answer(0, 0)),
	})
	if out, err := collect(p, time.Minute); err != nil || len(out) != 0 {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestTableBomb(t *testing.T) {
	w := newWorld(t)
	table := []byte{0x70, 0, 1}
	grow := func(i byte) []byte { return slices.Concat([]byte{0xd0, 0x70}, asm.Const(400_000), []byte{0xfc, 15, i}) }
	// Each of two tables grows twice by 400,000; the second time it is refused.
	var collectBody []byte
	for i := range byte(2) {
		collectBody = slices.Concat(collectBody, grow(i), []byte{0x1a}, grow(i), asm.Const(-1), []byte{0x47, 0x04, 0x40, 0x00, 0x0b})
	}
	p := w.reactor(reactor{tables: [][]byte{table, table}, collect: append(collectBody, answer(0, 0)...)})
	if _, err := collect(p, time.Minute); err != nil {
		t.Error(err)
	}
}

func TestAStartFunctionThatDoesNotEnd(t *testing.T) {
	p := newWorld(t).reactor(reactor{start: []byte{0x03, 0x40, 0x0c, 0, 0x0b}})
	_, err := collect(p, 30*time.Millisecond)
	wantFault(t, err, Deadline, "deadline")
}

func TestFuelIsLimited(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Fuel = 100_000 })
	p := w.reactor(reactor{collect: slices.Concat([]byte{0x03, 0x40, 0x0c, 0, 0x0b}, answer(0, 0))})
	_, err := collect(p, time.Hour)
	wantFault(t, err, Exhausted, "100000 units of fuel")
}

func TestTheStackIsLimited(t *testing.T) {
	self := slices.Concat([]byte{0x20, 0, 0x20, 1, 0x10, 3, 0x1a}, answer(0, 0)) // hearth_collect calls itself
	_, err := collect(newWorld(t).reactor(reactor{collect: self}), time.Minute)
	wantFault(t, err, Exhausted, "too deeply")
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, settings string
		config         bool
		text           string
	}{
		{"none for a plugin that takes none", "{}", false, ""},
		{"some for a plugin that takes none", `{"a":1}`, false, "takes none"},
		{"none for a plugin that takes some", "{}", true, ""},
		{"some that are wrong", `{"a":1}`, true, "no settings, please"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := w.pool(Source{Code: reactor{config: tt.config}.module()}, tt.settings)
			_, err := collect(p, time.Minute)
			var g *GuestError
			if tt.text == "" && err != nil || tt.text != "" && (!errors.As(err, &g) || g.Operation != abi.OpConfigure || !strings.Contains(g.Message, tt.text)) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			p.Close()
		})
	}
}

// growBy is a guest that grows its memory by so many pages at each call and fails with a trap if it may not.
func growBy(pages int32) reactor {
	return reactor{collect: slices.Concat(asm.Const(pages), []byte{0x40, 0}, asm.Const(-1), []byte{0x46, 0x04, 0x40, 0x00, 0x0b}, answer(0, 0))}
}

func TestMemoryIsLimited(t *testing.T) {
	w := newWorld(t)
	// It says it may grow to 4 GiB; it may grow to its limit of 1 MiB.
	p := w.pool(Source{Code: reactor{most: 65536, collect: growBy(15).collect}.module(), Memory: 16 * pageSize}, "{}")
	if _, err := collect(p, time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := w.Memory(); n != 0 { // given up: more than four fifths of its limit is worn
		t.Errorf("%d bytes in use", n)
	}
	p = w.pool(Source{Code: growBy(16).module(), Memory: 16 * pageSize}, "{}")
	_, err := collect(p, time.Minute)
	wantFault(t, err, Trap, "after it was refused more than 0 MiB of memory; 1 is its limit")
}

func TestTheMemoryBudget(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Memory = 64 * pageSize })
	a, b := w.reactor(growBy(30)), w.reactor(growBy(31))
	if _, err := collect(a, time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := w.Memory(); n != 31*pageSize {
		t.Errorf("%d bytes in use", n)
	}
	if _, err := collect(b, time.Minute); err != nil { // both fit
		t.Fatal(err)
	}
	if n := w.Instances(); n != 2 {
		t.Errorf("%d instances", n)
	}
	// b wants more than there is beside a, which is idle and gives way.
	if _, err := collect(b, time.Minute); err != nil {
		t.Error(err)
	}
	if n := w.Instances(); n > 1 {
		t.Errorf("%d instances: the idle one is still there", n)
	}
	// More than there is at all.
	c := w.reactor(growBy(70))
	_, err := collect(c, time.Minute)
	wantFault(t, err, Trap, "unreachable")
}

// blocked is a guest that waits in poll_oneoff for a clock of an hour.
func blocked() reactor {
	return reactor{
		imports: [][]byte{asm.ImportFunction("wasi_snapshot_preview1", "poll_oneoff", typeFour)},
		// One subscription of zeros but for the span of the clock, at offset 512.
		collect: slices.Concat(asm.Const(512+24), asm.Const64(3600e9), []byte{0x37, 3, 0}, // i64.store
			asm.Const(512), asm.Const(8192), asm.Const(1), asm.Const(12288), []byte{0x10, 0, 0x1a}, answer(0, 0)),
	}
}

func TestInstancesAreLimited(t *testing.T) {
	w := newWorld(t)
	m, err := w.Load(t.Context(), Source{ID: "test/made", Code: blocked().module(), Instances: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p := m.NewPool(Rights{}, []byte("{}"), nil)
	defer p.Close()
	q := m.NewPool(Rights{}, []byte("{}"), nil)
	defer q.Close()
	if _, err := q.Describe(t.Context()); err != nil { // leaves one idle instance in q
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 { // the second takes the place of q's
		go func() {
			_, _, err := p.Call(ctx, Request{Operation: abi.OpCollect})
			done <- err
		}()
	}
	for busy := 0; busy < 2; { // both are in the guest when the idle one is gone and none is free
		w.mu.Lock()
		busy = p.live
		w.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
	_, err = collect(q, 100*time.Millisecond)
	wantFault(t, err, Deadline, "all 2 instances were busy")
	waiting := make(chan error, 1)
	go func() {
		_, err := q.Describe(t.Context())
		waiting <- err
	}()
	cancel()
	for range 2 {
		wantFault(t, <-done, Cancelled, "given up")
	}
	if err := <-waiting; err != nil {
		t.Errorf("the one who waited: %v", err)
	}
}

func TestIdleInstancesAreGivenUp(t *testing.T) {
	w := newWorld(t)
	p := w.reactor(reactor{})
	if _, err := collect(p, time.Minute); err != nil {
		t.Fatal(err)
	}
	w.evict(time.Now().Add(-time.Hour))
	if n := w.Instances(); n != 1 {
		t.Errorf("%d instances before the time", n)
	}
	w.evict(time.Now().Add(time.Hour))
	if n := w.Instances(); n != 0 {
		t.Errorf("%d instances after it", n)
	}
	if _, err := collect(p, time.Minute); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestIdleInstancesAreGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.Idle = time.Minute })
		p := w.reactor(reactor{})
		for range 3 { // each call keeps it for another minute
			if _, err := collect(p, time.Hour); err != nil {
				t.Fatal(err)
			}
			time.Sleep(59 * time.Second)
			if n := w.Instances(); n != 1 {
				t.Errorf("%d instances after 59 s", n)
			}
		}
		time.Sleep(17 * time.Second) // it looks four times a minute
		synctest.Wait()
		if n, bytes := w.Instances(), w.Memory(); n != 0 || bytes != 0 {
			t.Errorf("%d instances with %d bytes after a minute and a quarter", n, bytes)
		}
	})
}

func TestAnInstanceIsReplacedAfterManyCalls(t *testing.T) {
	w := newWorld(t)
	p := w.reactor(reactor{})
	for i := range maxCalls {
		if _, err := collect(p, time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := w.Instances(); (n == 1) != (i < maxCalls-1) {
			t.Fatalf("%d instances after %d calls", n, i+1)
		}
	}
	if _, err := collect(p, time.Hour); err != nil || w.Instances() != 1 {
		t.Errorf("the call after: %v, %d instances", err, w.Instances())
	}
}

// TestTheBudgetHoldsUnderChurn has more pools than there is memory for. Each call needs an instance that grows; idle ones of
// other pools have to go, those that run may not.
func TestTheBudgetHoldsUnderChurn(t *testing.T) {
	const budget = 100 * pageSize
	w := newWorld(t, func(o *Options) { o.Memory = budget })
	var pools []*Pool
	for range 6 {
		pools = append(pools, w.reactor(growBy(20))) // 21 pages at first, 41 next
	}
	var wg sync.WaitGroup
	var done, refused atomic.Int64
	for i := range 4 {
		wg.Go(func() {
			for n := range 300 {
				_, err := collect(pools[(i+n*5)%len(pools)], time.Hour)
				var f *Fault
				switch {
				case err == nil:
					done.Add(1)
				case errors.As(err, &f) && (f.Kind == Trap && strings.Contains(f.Message, "refused more than") || errors.Is(err, errNoMemory)):
					refused.Add(1) // the others run, and take all there is
				default:
					t.Errorf("call %d: %v", n, err)
				}
				if used := w.Memory(); used > budget {
					t.Errorf("%d bytes are used", used)
				}
			}
		})
	}
	wg.Wait()
	if done.Load() < 100 {
		t.Errorf("%d calls succeeded, %d were refused memory", done.Load(), refused.Load())
	}
}

func TestAClosedPoolIsNotCalled(t *testing.T) {
	p := newWorld(t).reactor(reactor{})
	p.Close()
	p.Close()
	if _, err := collect(p, time.Minute); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// command is a guest of level 0 that copies standard input to standard output, says something and exits.
func command(exit int32) []byte {
	iov := slices.Concat(asm.Const(0), asm.Const(64), []byte{0x36, 2, 0}, asm.Const(4), asm.Const(1024), []byte{0x36, 2, 0}) // where and how much
	read := slices.Concat(iov, asm.Const(0), asm.Const(0), asm.Const(1), asm.Const(32), []byte{0x10, 0, 0x1a})
	write := func(fd int32) []byte {
		return slices.Concat(asm.Const(fd), asm.Const(0), asm.Const(1), asm.Const(32), []byte{0x10, 1, 0x1a})
	}
	setLength := slices.Concat(asm.Const(4), asm.Const(32), []byte{0x28, 2, 0, 0x36, 2, 0}) // to what was read
	complain := slices.Concat(asm.Const(0), asm.Const(2048), []byte{0x36, 2, 0}, asm.Const(4), asm.Const(13), []byte{0x36, 2, 0}, write(2))
	body := slices.Concat(read, setLength, write(1), complain, asm.Const(exit), []byte{0x10, 2})
	return asm.Module(
		asm.Section(asm.Type, asm.FuncType(nil, nil), asm.FuncType([]byte{asm.I32, asm.I32, asm.I32, asm.I32}, []byte{asm.I32}), asm.FuncType([]byte{asm.I32}, nil)),
		asm.Section(asm.Import, asm.ImportFunction("wasi_snapshot_preview1", "fd_read", 1), asm.ImportFunction("wasi_snapshot_preview1", "fd_write", 1),
			asm.ImportFunction("wasi_snapshot_preview1", "proc_exit", 2)),
		asm.Section(asm.Function, []byte{0}), asm.Section(asm.Memory, []byte{0, 1}),
		asm.Section(asm.Exports, asm.Export("memory", asm.KindMemory, 0), asm.Export("_start", asm.KindFunction, 3)),
		asm.Section(asm.Codes, asm.Code(body...)), asm.Section(asm.Datas, asm.Data(2048, "first\nno way\n")))
}

func TestCommands(t *testing.T) {
	w := newWorld(t)
	ok := w.pool(Source{Code: command(0), Command: true}, `{"user":"monitor"}`)
	for range 2 {
		out, err := collect(ok, time.Minute)
		var got struct {
			Address *string
			Config  struct{ User string }
		}
		if err != nil || json.Unmarshal(out, &got) != nil || got.Address == nil || got.Config.User != "monitor" {
			t.Errorf("got %s, %v", out, err)
		}
	}
	if n := w.Instances(); n != 0 {
		t.Errorf("%d instances of a command were kept", n)
	}
	if !strings.Contains(w.log.String(), `level=WARN msg="no way"`) {
		t.Errorf("the log is %s", w.log)
	}
	for exit, code := range map[int32]string{1: abi.CodeInternal, 75: abi.CodeUnavailable} {
		_, err := collect(w.pool(Source{Code: command(exit), Command: true}, ""), time.Minute)
		var g *GuestError
		if !errors.As(err, &g) || g.Code != code || g.Failure.Retryable != (exit == 75) || g.Message != "no way" {
			t.Errorf("exit %d: %#v", exit, err)
		}
	}
}

func TestTheCache(t *testing.T) {
	base := filepath.Join(t.TempDir(), "cache")
	w := newWorld(t, func(o *Options) { o.Cache = base })
	load := func(data string) error {
		t.Helper()
		m, err := w.Load(t.Context(), Source{ID: "test/made", Code: reactor{data: data}.module()})
		if err != nil {
			return err
		}
		p := m.NewPool(Rights{}, []byte("{}"), nil)
		out, err := collect(p, time.Minute)
		if err == nil && string(out) != data {
			t.Errorf("got %q, want %q", out, data)
		}
		p.Close()
		return errors.Join(err, m.CacheError(), m.Close())
	}
	kept := func() []string {
		found, err := filepath.Glob(filepath.Join(base, "test", "made", "*", rewrittenName))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for range 2 {
		if err := load("one"); err != nil {
			t.Fatal(err)
		}
	}
	first := kept()
	if err := load("two"); err != nil {
		t.Fatal(err)
	}
	second := kept()
	if len(first) != 1 || len(second) != 1 || first[0] == second[0] {
		t.Errorf("kept %q, then %q", first, second)
	}
	// Whatever is damaged is made anew, and whole again afterwards.
	compiled, err := filepath.Glob(filepath.Join(filepath.Dir(second[0]), wazeroPrefix+"*", "*"))
	if err != nil || len(compiled) != 1 {
		t.Fatalf("compiled: %q, %v", compiled, err)
	}
	sums := filepath.Join(filepath.Dir(second[0]), sumsName)
	for _, file := range []string{second[0], compiled[0], sums} {
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, damaged := range map[string][]byte{
			"a bit at the beginning": append([]byte{whole[0] ^ 1}, whole[1:]...), "a bit in the middle": slices.Concat(whole[:len(whole)/2], []byte{whole[len(whole)/2] ^ 4}, whole[len(whole)/2+1:]),
			"half of it": whole[:len(whole)/2], "nothing": nil, "more": append(slices.Clone(whole), 0), "a number of functions": bytes.Repeat([]byte{0xff}, len(whole)),
		} {
			if err := os.WriteFile(file, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := load("two"); err != nil {
				t.Errorf("%s, of which %s is there: %v", filepath.Base(file), name, err)
			}
			if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, whole) {
				t.Errorf("%s, of which %s was there, has %d bytes now, not the %d it had, or others: %v", filepath.Base(file), name, len(now), len(whole), err)
			}
		}
	}
	if os.Geteuid() == 0 { // only root can give a file away
		if err := os.Chown(second[0], 12345, -1); err != nil {
			t.Fatal(err)
		}
		if err := load("two"); err != nil {
			t.Error(err)
		}
		if fi, err := os.Stat(second[0]); err != nil || int(fi.Sys().(*syscall.Stat_t).Uid) != 0 {
			t.Errorf("a file of another user's is used: %v, %v", fi, err)
		}
		if err := os.Chown(filepath.Dir(second[0]), 12345, -1); err != nil {
			t.Fatal(err)
		}
		if err := load("two"); err == nil || !strings.Contains(err.Error(), "belongs to user 12345, hearth runs as 0") {
			t.Errorf("a folder of another user's: %v", err)
		}
		if err := os.Chown(filepath.Dir(second[0]), 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(second[0]), 0o770); err != nil {
		t.Fatal(err)
	}
	if err := load("two"); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("a folder that others may write to: %v", err)
	}
	for _, base := range []string{base + "/", filepath.Dir(base) + "/./cache"} { // by another spelling
		if err := errors.Join(os.Chmod(filepath.Dir(second[0]), 0o700), os.Chmod(base, 0o707)); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, func(o *Options) { o.Cache = base })
		_, err := w.Load(t.Context(), Source{ID: "test/made", Code: reactor{data: "two"}.module()})
		if err == nil || !strings.Contains(err.Error(), "cache has mode 0707") {
			t.Errorf("%s is open to all: %v", base, err)
		}
	}
}
