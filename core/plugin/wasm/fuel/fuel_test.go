package fuel

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/hearth-project/hearth/core/plugin/wasm/internal/asm"
)

// endless are modules whose f does not end by itself within a lifetime.
var endless = map[string][]byte{
	"a loop":                   one(0x03, 0x40, 0x0c, 0, opEnd),
	"a loop by br_table":       one(0x03, 0x40, 0x02, 0x40, 0x41, 0, 0x0e, 2, 1, 1, 0, opEnd, opEnd),
	"a loop in a loop":         one(0x03, 0x40, 0x03, 0x40, 0x41, 0, 0x0d, 0, opEnd, 0x0c, 0, opEnd),
	"a loop with a condition":  one(0x03, 0x40, 0x41, 1, 0x0d, 0, opEnd),
	"a loop of large copies":   one(0x03, 0x40, 0x41, 0, 0x41, 0, 0x41, 0x80, 0x80, 4, opBulk, 10, 0, 0, 0x0c, 0, opEnd),
	"a loop through a growing": one(0x03, 0x40, 0x41, 0, 0x40, 0, 0x1a, 0x0c, 0, opEnd),
	// f(n): if n == 0 return; f(n-1); f(n-1)
	"a recursion of many branches": asm.Module(asm.Section(secType, noneToNone, i32ToNone), asm.Section(secFunction, []byte{1}, []byte{0}),
		asm.Section(secExport, asm.Export("f", kindFunction, 1)),
		asm.Section(secCode, asm.Code(opLocalGet, 0, 0x45, opIf, 0x40, 0x0f, opEnd,
			opLocalGet, 0, 0x41, 1, opI32Sub, opCall, 0, opLocalGet, 0, 0x41, 1, opI32Sub, opCall, 0),
			asm.Code(0x41, 60, opCall, 0))),
	"two functions that call each other by a table, forty deep": asm.Module(asm.Section(secType, noneToNone, i32ToNone), asm.Section(secFunction, []byte{1}, []byte{0}),
		asm.Section(secTable, []byte{0x70, 0, 1}), asm.Section(secExport, asm.Export("f", kindFunction, 1)),
		asm.Section(secElement, []byte{0, 0x41, 0, opEnd, 1, 0}),
		asm.Section(secCode, asm.Code(opLocalGet, 0, 0x45, opIf, 0x40, 0x0f, opEnd,
			opLocalGet, 0, 0x41, 1, opI32Sub, 0x41, 0, opCallIndirect, 1, 0, opLocalGet, 0, 0x41, 1, opI32Sub, 0x41, 0, opCallIndirect, 1, 0),
			asm.Code(0x41, 40, opCall, 0))),
}

func TestEndlessCodeStopsAtTheDeadline(t *testing.T) {
	for name, module := range endless {
		t.Run(name, func(t *testing.T) {
			instance, m := newRuntime(t).start(module, Options{})
			err := call(t, instance, m, 1<<40, 20*time.Millisecond)
			if err == nil || !errors.Is(m.Stopped(), context.DeadlineExceeded) {
				t.Errorf("got %v, stopped by %v", err, m.Stopped())
			}
		})
	}
}

func TestEndlessCodeStopsWithoutFuel(t *testing.T) {
	for name, module := range endless {
		t.Run(name, func(t *testing.T) {
			var first uint64
			for range 2 {
				instance, m := newRuntime(t).start(module, Options{})
				err := call(t, instance, m, 54_321, time.Hour)
				if err == nil || !errors.Is(m.Stopped(), ErrExhausted) {
					t.Errorf("got %v, stopped by %v", err, m.Stopped())
				}
				if first == 0 {
					first = m.Used()
				}
				if m.Used() < 54_321 || m.Used() != first {
					t.Errorf("used %d and before %d, the limit was 54321", m.Used(), first)
				}
			}
		})
	}
}

func TestGarbageIsCollectedBesideALoop(t *testing.T) {
	instance, m := newRuntime(t).start(endless["a loop"], Options{})
	collected, done := make(chan struct{}), make(chan error)
	ctx, cancel := context.WithCancel(context.Background())
	m.Start(1 << 60)
	go func() {
		_, err := instance.ExportedFunction("f").Call(With(ctx, m))
		done <- err
	}()
	go func() {
		goruntime.GC()
		close(collected)
	}()
	select {
	case <-collected:
	case err := <-done:
		t.Fatalf("the loop ended by itself: %v", err)
	}
	cancel()
	if err := <-done; err == nil || !errors.Is(m.Stopped(), context.Canceled) {
		t.Errorf("got %v, stopped by %v", err, m.Stopped())
	}
}

func TestFuelFollowsTheWork(t *testing.T) {
	// f(n): do n-- while n
	module := asm.Module(asm.Section(secType, i32ToNone), asm.Section(secFunction, []byte{0}), asm.Section(secExport, asm.Export("f", kindFunction, 0)),
		asm.Section(secCode, asm.Code(0x03, 0x40, opLocalGet, 0, 0x41, 1, opI32Sub, opLocalTee, 0, 0x0d, 0, opEnd)))
	instance, m := newRuntime(t).start(module, Options{})
	for _, n := range []uint64{1, 10, 100_000} {
		if err := call(t, instance, m, 1<<40, time.Hour, n); err != nil {
			t.Fatal(err)
		}
		if m.Used() != n {
			t.Errorf("%d rounds used %d", n, m.Used())
		}
	}
}

func TestBulkOperationsArePaidBySize(t *testing.T) {
	fill := []byte{0x41, 0, 0x41, 1, 0x41, 0x80, 0x80, 4, opBulk, 11, 0} // 64 KiB
	instance, m := newRuntime(t).start(one(slices.Repeat(fill, 10)...), Options{})
	if err := call(t, instance, m, 1<<40, time.Hour); err != nil {
		t.Fatal(err)
	}
	if want := uint64(10 * 65536 / 64); m.Used() < want || m.Used() > want+10 {
		t.Errorf("ten fills of 64 KiB used %d, want %d and a little", m.Used(), want)
	}
	if err := call(t, instance, m, 5_000, time.Hour); err == nil || m.Used() > 7_000 {
		t.Errorf("got %v after %d with a limit of 5000", err, m.Used())
	}
}

func TestTheStackIsCapped(t *testing.T) {
	// f(n): if n f(n-1)
	module := asm.Module(asm.Section(secType, i32ToNone), asm.Section(secFunction, []byte{0}), asm.Section(secExport, asm.Export("f", kindFunction, 0)),
		asm.Section(secCode, asm.Code(opLocalGet, 0, 0x45, opIf, 0x40, opReturn, opEnd, opLocalGet, 0, opI32Const, 1, opI32Sub, opCall, 0)))
	instance, m := newRuntime(t).start(module, Options{})
	for range 3 { // what a call takes it gives back
		if err := call(t, instance, m, 1<<40, time.Hour, 500_000); err != nil {
			t.Fatal(err)
		}
	}
	if err := call(t, instance, m, 1<<40, time.Hour, 600_000); err == nil || !errors.Is(m.Stopped(), ErrTooDeep) {
		t.Errorf("got %v, stopped by %v", err, m.Stopped())
	}
}

func TestTablesAreCapped(t *testing.T) {
	// f() = table.grow(null, 2000)
	module := asm.Module(asm.Section(secType, asm.FuncType(nil, []byte{asm.I32})), asm.Section(secFunction, []byte{0}), asm.Section(secTable, []byte{0x70, 0, 1}),
		asm.Section(secExport, asm.Export("f", kindFunction, 0)), asm.Section(secCode, asm.Code(opRefNull, 0x70, 0x41, 0xd0, 0x0f, opBulk, 15, 0)))
	instance, m := newRuntime(t).start(module, Options{MaxTable: 3000})
	for _, want := range []int32{1, -1} {
		m.Start(1 << 30)
		got, err := instance.ExportedFunction("f").Call(With(context.Background(), m))
		if err != nil || int32(got[0]) != want {
			t.Errorf("got %v, %v, want %d", got, err, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		module []byte
		text   string
	}{
		{"what is no module", []byte("#!/bin/sh"), "not a module"},
		{"a module that is cut off", one(0x01)[:20], "ends in the middle"},
		{"a module that is too large", make([]byte, 32<<20+1), "at most 33554432"},
		{"code that sets the counter", one(0x41, 1, opGlobalSet, 0), "global 0 of 0"},
		{"code that reads the counter", one(opGlobalGet, 0, 0x1a), "global 0 of 0"},
		{"code that uses the added local", one(opLocalGet, 0, 0x1a), "local 0 of 0"},
		{"code that calls a function that is not there", one(opCall, 1), "function 1 of 1"},
		{"code that calls by tick's type", one(0x41, 0, 0x41, 0, opCallIndirect, 1, 0), "type 1 of 1"},
		{"a block of tick's type", one(0x41, 0, 0x02, 1, opEnd, 0x1a), "type 1 of 1"},
		{"a block of a negative type", one(0x02, 0x41, opEnd), "of 1"},
		{"an instruction of another version", one(0x06, 0x40, opEnd), "0x6 is not known"},
		{"an atomic instruction", one(0xfe, 0, 0, 0), "0xfe is not known"},
		{"an export of the counter", asm.Module(asm.Section(secExport, asm.Export("g", kindGlobal, 0))), "global 0 of 0"},
		{"an export by the counter's name", asm.Module(asm.Section(secExport, asm.Export(ExportName, kindGlobal, 0))), ExportName},
		{"an import of tick", asm.Module(asm.Section(secType, noneToNone), asm.Section(secImport, asm.ImportFunction(ImportModule, ImportName, 0))), ImportModule},
		{"a constant that reads the counter", asm.Module(asm.Section(secGlobal, []byte{typeI32, 0, opGlobalGet, 1, opEnd})), "global 1 of 1"},
		{"data at the counter", asm.Module(asm.Section(secMemory, []byte{0, 1}), asm.Section(secData, []byte{0, opGlobalGet, 0, opEnd, 0})), "global 0 of 0"},
		{"a table that is too large", asm.Module(asm.Section(secTable, []byte{0x70, 0, 0xc1, 0x84, 0x3d})), "at least 1000001"},
		{"tables that are too large together", asm.Module(asm.Section(secTable, []byte{0x70, 0, 0xa1, 0xc2, 0x1e}, []byte{0x70, 0, 0})), "500000 are allowed"},
		{"sections out of order", asm.Module(asm.Section(secFunction), asm.Section(secType)), "out of order"},
		{"a section that comes twice", asm.Module(asm.Section(secType), asm.Section(secType)), "out of order"},
		{"a section nobody knows", asm.Module([]byte{14, 0}), "section 14"},
		{"a section of exceptions", asm.Module([]byte{secTag, 0}), "exceptions"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), "build it for wasip1"},
		{"a type of the collector's", asm.Module(asm.Section(secType, []byte{0x5f, 0})), "collected"},
		{"a function of a thousand and one parameters", asm.Module(asm.Section(secType, slices.Concat([]byte{0x60, 0xe9, 0x07}, bytes.Repeat([]byte{typeI32}, 1001), []byte{0}))), "1001 parameters"},
		{"a function of a thousand and one results", asm.Module(asm.Section(secType, slices.Concat([]byte{0x60, 0, 0xe9, 0x07}, bytes.Repeat([]byte{typeI32}, 1001)))), "1001 results"},
		{"two memories", asm.Module(asm.Section(secMemory, []byte{0, 1}, []byte{0, 1})), "2 memories"},
		{"a memory that is shared", asm.Module(asm.Section(secMemory, []byte{3, 1, 1})), "shared by threads"},
		{"a memory of 64 bits", asm.Module(asm.Section(secMemory, []byte{4, 1})), "64 bits"},
		{"a tail call", one(0x12, 0), "tail calls"},
		{"a function without a body", asm.Module(asm.Section(secType, noneToNone), asm.Section(secFunction, []byte{0})), "0 bodies for 1"},
		{"more locals than anyone needs", asm.Module(asm.Section(secType, noneToNone), asm.Section(secFunction, []byte{0}),
			asm.Section(secCode, asm.CodeWith([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, typeI32}))), "locals"},
		{"a function of many blocks", one(bytes.Repeat([]byte{0x02, 0x40, opEnd}, 30_000)...), "30000 branches and 0 locals"},
		{"a branch with many targets", one(slices.Concat([]byte{0x41, 0, 0x0e}, appendU32(nil, 30_000), make([]byte, 30_001))...), "30000 branches"},
		{"a function of many loops", one(bytes.Repeat([]byte{0x03, 0x40, opEnd}, 8_000)...), "too long to compile"},
		{"a function of more than a quarter of a megabyte", one(make([]byte, 1<<18)...), "262144 are allowed"},
		{"many functions of many locals", asm.Module(asm.Section(secType, noneToNone), asm.Section(secFunction, slices.Repeat([][]byte{{0}}, 300)...),
			asm.Section(secCode, slices.Repeat([][]byte{asm.CodeWith([]byte{1, 0x90, 0x4e, typeI32})}, 300)...)), "2010000 locals"}, // 10,000 each
		{"many functions of many branches", asm.Module(asm.Section(secType, noneToNone), asm.Section(secFunction, slices.Repeat([][]byte{{0}}, 10)...),
			asm.Section(secCode, slices.Repeat([][]byte{asm.Code(bytes.Repeat([]byte{0x02, 0x40, opEnd}, 20_000)...)}, 10)...)), "2400000000 units of work"},
		{"elements for no table", asm.Module(asm.Section(secType, noneToNone), asm.Section(secFunction, []byte{0}),
			asm.Section(secElement, slices.Concat([]byte{1, 0}, appendU32(nil, 1_000_001), make([]byte, 1_000_001))), asm.Section(secCode, asm.Code())), "more than 1000000"},
		{"more items than anyone needs", asm.Module(asm.Section(secType, slices.Repeat([][]byte{noneToNone}, 100_001)...)), "types: 100001 items"},
		{"more items than there are bytes", asm.Module([]byte{secType, 0xff, 0xff, 0xff, 0xff, 0x0f}), "ends in the middle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Rewrite(tt.module, Options{})
			if !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
		})
	}
}

func TestFunctionNamesStayRight(t *testing.T) {
	// Function 0 is imported, function 1, named "inner", traps; f calls it.
	names := asm.Text("name")
	names = append(names, 0, 4, 3, 'm', 'o', 'd')
	names = append(names, 1, 16, 2, 0, 4, 'h', 'o', 's', 't', 1, 5, 'i', 'n', 'n', 'e', 'r', 2, 0)
	module := asm.Module(asm.Section(secType, noneToNone), asm.Section(secImport, asm.ImportFunction("env", "host", 0)),
		asm.Section(secFunction, []byte{0}, []byte{0}), asm.Section(secExport, asm.Export("f", kindFunction, 2)),
		asm.Section(secCode, asm.Code(0x00), asm.Code(opCall, 0, opCall, 1)), append([]byte{secCustom}, names...),
		append([]byte{secCustom}, asm.Text(".debug_info")...))
	rt := newRuntime(t)
	called := 0
	if _, err := rt.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() { called++ }).Export("host").Instantiate(context.Background()); err != nil {
		t.Fatal(err)
	}
	instance, m := rt.start(module, Options{})
	err := call(t, instance, m, 1000, time.Hour)
	if err == nil || called != 1 || !strings.Contains(err.Error(), "inner") {
		t.Errorf("called %d times, got %v", called, err)
	}
	long := strings.Repeat("x", maxName-1) + "żółć"
	sub := slices.Concat([]byte{1, 0}, asm.Text(long))
	rewritten, err := Rewrite(asm.Module(asm.Section(secType, noneToNone), append([]byte{secCustom}, slices.Concat(asm.Text("name"), []byte{1},
		asm.AppendU32(nil, uint32(len(sub))), sub)...)), Options{})
	if err != nil || bytes.Contains(rewritten, []byte(long)) || !bytes.Contains(rewritten, []byte(long[:maxName-1])) {
		t.Errorf("a long name: %q, %v", rewritten, err)
	}
	rewritten, err = Rewrite(module, Options{})
	if err != nil || bytes.Contains(rewritten, []byte(".debug_info")) {
		t.Errorf("debugging information is kept, or %v", err)
	}
}

func BenchmarkRewrite(b *testing.B) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("HEARTH_PLUGINS"), "*", "*", "*.wasm"))
	if len(files) == 0 {
		b.Skip("set HEARTH_PLUGINS to a folder of built plugins")
	}
	for _, file := range files {
		module, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(file), func(b *testing.B) {
			b.SetBytes(int64(len(module)))
			var out []byte
			for b.Loop() {
				if out, err = Rewrite(module, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100*float64(len(out)-len(module))/float64(len(module)), "%larger")
		})
	}
}

// BenchmarkLoop is the least a loop can do, a million times: a multiplication and the count.
func BenchmarkLoop(b *testing.B) {
	module := asm.Module(asm.Section(secType, i32ToNone), asm.Section(secFunction, []byte{0}), asm.Section(secExport, asm.Export("f", kindFunction, 0)),
		asm.Section(secCode, asm.CodeWith([]byte{1, 1, typeI32}, 0x03, 0x40, opLocalGet, 1, opI32Const, 7, 0x6c, opLocalGet, 0, opI32Add, opLocalSet, 1,
			opLocalGet, 0, opI32Const, 1, opI32Sub, opLocalTee, 0, 0x0d, 0, opEnd)))
	metered, err := Rewrite(module, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for name, module := range map[string][]byte{"plain": module, "metered": metered} {
		b.Run(name, func(b *testing.B) {
			m := &Meter{}
			ctx := With(context.Background(), m)
			rt := wazero.NewRuntime(ctx)
			defer rt.Close(ctx)
			if err := Instantiate(ctx, rt); err != nil {
				b.Fatal(err)
			}
			instance, err := rt.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithName(""))
			if err != nil {
				b.Fatal(err)
			}
			f := instance.ExportedFunction("f")
			for b.Loop() {
				m.Start(1 << 40)
				if _, err := f.Call(ctx, 1_000_000); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e6, "ns/round")
		})
	}
}

func FuzzRewrite(f *testing.F) {
	for _, module := range endless {
		f.Add(module)
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	f.Cleanup(func() { rt.Close(ctx) })
	valid := func(module []byte) error {
		compiled, err := rt.CompileModule(ctx, module)
		if err == nil {
			compiled.Close(ctx)
		}
		return err
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		if len(module) > 1<<16 {
			return
		}
		rewritten, err := Rewrite(module, Options{})
		if err != nil {
			return // what of the valid is refused is in the table above and in the specification's tests
		}
		m, err := split(module)
		if err != nil {
			t.Fatal(err)
		}
		m.names = nil
		bare := m.join(0) // custom sections are dropped, whether wazero can read them or not
		if was, is := valid(bare), valid(rewritten); (was == nil) != (is == nil) {
			t.Errorf("the original: %v; rewritten: %v", was, is)
		}
	})
}
