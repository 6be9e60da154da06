package wasm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/plugin/wasm/internal/asm"
	"github.com/hearth-project/hearth/sdk/abi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reactor is a guest of level 1, put together by hand.
type reactor struct {
	collect []byte   // instructions of hearth_collect, with one local i32 besides its parameters
	start   []byte   // of a start function
	alloc   []byte   // of hearth_alloc; default: offset 4096
	imports [][]byte // functions, of the types below
	pages   uint32   // of memory; default 1
	most    uint32   // pages; 0: no maximum
	tables  [][]byte
	data    string // at offset 1024
	without string // an export to leave out
	config  bool   // export hearth_configure, which answers with an error if there are settings
}

// Types a reactor has.
const (
	typeNone    = iota // () -> ()
	typeVersion        // () -> i32
	typeAlloc          // i32 -> i32
	typeAnswer         // () -> i64
	typeCall           // i32 i32 -> i64
	typeThree          // i32 i32 i32 -> i32
	typeWide           // i64 f64 -> i64
	typeFour           // i32 i32 i32 i32 -> i32
)

var types = asm.Section(asm.Type,
	asm.FuncType(nil, nil), asm.FuncType(nil, []byte{asm.I32}), asm.FuncType([]byte{asm.I32}, []byte{asm.I32}), asm.FuncType(nil, []byte{asm.I64}),
	asm.FuncType([]byte{asm.I32, asm.I32}, []byte{asm.I64}), asm.FuncType(bytes.Repeat([]byte{asm.I32}, 3), []byte{asm.I32}),
	asm.FuncType([]byte{asm.I64, 0x7c}, []byte{asm.I64}), asm.FuncType(bytes.Repeat([]byte{asm.I32}, 4), []byte{asm.I32}))

// answer is instructions that return n bytes at ptr.
func answer(ptr, n uint32) []byte { return asm.Const64(int64(abi.Pack(ptr, n, false))) }

func (r reactor) module() []byte {
	n := byte(len(r.imports))
	if r.alloc == nil {
		r.alloc = asm.Const(4096)
	}
	if r.collect == nil {
		r.collect = answer(1024, uint32(len(r.data)))
	}
	description := `{"abi":"1.0","kinds":["exporter"]}`
	refusal := `{"code":"invalid_request","message":"no settings, please"}`
	memory := asm.AppendU32([]byte{0}, max(r.pages, 1))
	if r.most > 0 {
		memory = asm.AppendU32(asm.AppendU32([]byte{1}, max(r.pages, 1)), r.most)
	}
	exports := [][]byte{asm.Export("memory", asm.KindMemory, 0)}
	export := func(name string, f byte) {
		if name != r.without {
			exports = append(exports, asm.Export(name, asm.KindFunction, n+f))
		}
	}
	if r.without == "memory" {
		exports = nil
	}
	export(abi.ExportVersion, 0)
	export(abi.ExportAlloc, 1)
	export(abi.ExportDescribe, 2)
	export(abi.ExportCollect, 3)
	if r.config {
		export(abi.ExportConfigure, 5)
	}
	ifSettings := slices.Concat([]byte{0x20, 1}, asm.Const(2), []byte{0x4b, 0x04, 0x40}, // if len > 2
		asm.Const64(int64(-1<<63|3000<<32|int64(len(refusal)))), []byte{0x0f, 0x0b}, answer(0, 0))
	sections := [][]byte{types}
	if n > 0 {
		sections = append(sections, asm.Section(asm.Import, r.imports...))
	}
	sections = append(sections, asm.Section(asm.Function, []byte{typeVersion}, []byte{typeAlloc}, []byte{typeAnswer}, []byte{typeCall}, []byte{typeNone}, []byte{typeCall}))
	if len(r.tables) > 0 {
		sections = append(sections, asm.Section(asm.Table, r.tables...))
	}
	sections = append(sections, asm.Section(asm.Memory, memory), asm.Section(asm.Exports, exports...))
	if r.start != nil {
		sections = append(sections, []byte{asm.Start, n + 4})
	}
	return asm.Module(append(sections,
		asm.Section(asm.Codes, asm.Code(asm.Const(0)...), asm.Code(r.alloc...), asm.Code(answer(2048, uint32(len(description)))...),
			asm.CodeWith([]byte{1, 1, asm.I32}, r.collect...), asm.Code(r.start...), asm.Code(ifSettings...)),
		asm.Section(asm.Datas, asm.Data(1024, r.data), asm.Data(2048, description), asm.Data(3000, refusal)))...)
}

// world is an engine and its log.
type world struct {
	*Engine
	t   *testing.T
	log *bytes.Buffer
}

func newWorld(t *testing.T, change ...func(*Options)) world {
	t.Helper()
	w := world{t: t, log: &bytes.Buffer{}}
	o := Options{Logger: slog.New(slog.NewTextHandler(w.log, nil))}
	for _, f := range change {
		f(&o)
	}
	w.Engine = NewEngine(o)
	t.Cleanup(func() {
		w.Close()
		if n := w.Memory(); n != 0 {
			t.Errorf("%d bytes of memory are still in use", n)
		}
	})
	return w
}

// pool loads a module for one pool.
func (w world) pool(s Source, settings string) *Pool {
	w.t.Helper()
	if s.ID == "" {
		s.ID = "test/made"
	}
	m, err := w.Load(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	p := m.NewPool(Rights{}, []byte(settings), nil)
	w.t.Cleanup(func() {
		p.Close()
		if err := m.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return p
}

func (w world) reactor(r reactor) *Pool {
	w.t.Helper()
	return w.pool(Source{Code: r.module()}, "{}")
}

func collect(p *Pool, d time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	out, _, err := p.Call(ctx, Request{Operation: abi.OpCollect, Body: func() ([]byte, error) { return []byte(`{"address":""}`), nil }})
	return out, err
}

func wantFault(t *testing.T, err error, kind Kind, text string) {
	t.Helper()
	var f *Fault
	if !errors.As(err, &f) || f.Kind != kind || !strings.Contains(f.Message, text) {
		t.Errorf("got %v, want a fault of kind %d with %q", err, kind, text)
	}
}
