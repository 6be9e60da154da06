package wasm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hearth-project/hearth/core/plugin/wasm/internal/asm"
	"github.com/hearth-project/hearth/sdk/abi"
)

// endsWhenTold makes a call that does not end by itself, and ends it when the neighbour has been called many times and Go's
// collector has run: it holds up neither.
func (h *hostile) endsWhenTold(t *testing.T, a attempt, request string) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := a.call(ctx, abi.OpCollect, request)
		done <- err
	}()
	for range 5 {
		h.goesOn(t)
	}
	runtime.GC()
	select {
	case err := <-done:
		t.Fatalf("it has ended by itself: %v", err)
	default:
	}
	cancel()
	return <-done
}

func TestHostileGuestsThatDoNotEnd(t *testing.T) {
	h := newHostile(t)
	for _, tt := range []struct{ name, do string }{
		{"a loop", "loop"},
		{"a flood of output", "print"},
		{"a flood of the log", "log"},
		{"a flood of output in as many pieces as are allowed", "buffers"},
		{"chance without end", "chance"},
		{"sleep for the longest span there is", "sleep 0"},
		{"sleep until the last moment there is", "sleep 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.guest, Rights{})
			err := h.endsWhenTold(t, a, "endless "+tt.do)
			wantFault(t, err, Cancelled, "given up")
			if n := strings.Count(a.log.String(), "\n"); n > 1000 {
				t.Errorf("%d lines in the log", n)
			}
			if out, err := a.ends(t, "echo"); out != "echo" || err != nil {
				t.Errorf("the next call: %q, %v", out, err)
			}
		})
	}
}

func TestHostileGuestsAreStoppedByEachLimit(t *testing.T) {
	h := newHostile(t, func(o *Options) { o.Fuel = 20_000_000 })
	for _, tt := range []struct {
		name, do string
		kind     Kind
		text     string
	}{
		{"a loop", "endless loop", Exhausted, "all of the 20000000 units of fuel"},
		{"a recursion", "endless recurse", Exhausted, "too deeply"},
		{"two functions that call each other through the table", "endless mutual", Exhausted, "too deeply"},
		{"memory without end", "endless grow", Trap, "more than 16 MiB of memory; 16 is its limit"},
		{"an exit", "exit 3", Exit, "exit code 3"},
		{"an exit that looks like a deadline", "exit 4026531839", Exit, "exit code 4026531839"},
		{"an exit that looks like the end of the context", "exit 4294967295", Exit, "exit code 4294967295"},
		{"a trap", "trap", Trap, "unreachable"},
		{"a division by zero", "divide", Trap, "integer divide by zero"},
		{"a read outside of the memory", "outside", Trap, "out of bounds memory access"},
		{"an answer outside of the memory", "lie 4294901760 100", Malformed, "does not lie in its memory"},
		{"an answer that leaves the memory", "lie 65536 4294967295", Malformed, "does not lie in its memory"},
		{"an answer longer than is allowed", "lie 0 16777217", Malformed, "does not lie in its memory"}, // it has 192 KiB
		{"last words that steer a terminal", "complain \x1b]0;owned\x07 \xff\xfe", Trap, `\x1b]0;owned\a \xff\xfe`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.guest, Rights{})
			out, err := a.ends(t, tt.do)
			wantFault(t, err, tt.kind, tt.text)
			var f *Fault
			if errors.As(err, &f) && f.Operation != abi.OpCollect || out != "" {
				t.Errorf("operation %q, answer %q", f.Operation, out)
			}
			if n := a.pool.live; n != 0 {
				t.Errorf("%d instances of it are kept", n)
			}
			if out, err := a.ends(t, "echo"); out != "echo" || err != nil {
				t.Errorf("the next call: %q, %v", out, err)
			}
			h.goesOn(t)
		})
	}
	t.Run("the deadline", func(t *testing.T) {
		a := h.attempt(t, h.guest, Rights{})
		_, err := func() ([]byte, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			out, err := a.call(ctx, abi.OpCollect, "endless sleep 0")
			return []byte(out), err
		}()
		wantFault(t, err, Deadline, "stopped at its deadline, after ")
	})
}

func TestHostileBeginnings(t *testing.T) {
	h := newHostile(t, func(o *Options) { o.Fuel = 100_000 })
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b}
	for _, tt := range []struct {
		name string
		r    reactor
		kind Kind
		text string
	}{
		{"a start function that loops", reactor{start: loop}, Exhausted, "100000 units of fuel"},
		{"a buffer that never comes", reactor{alloc: slices.Concat(loop, asm.Const(0))}, Exhausted, "100000 units of fuel"},
		{"an answer that never comes", reactor{collect: slices.Concat(loop, answer(0, 0))}, Exhausted, "100000 units of fuel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.load(tt.r.module()), Rights{})
			_, err := a.ends(t, "x")
			wantFault(t, err, tt.kind, tt.text)
			h.goesOn(t)
		})
	}
}

func TestHostileTextIsHarmless(t *testing.T) {
	h := newHostile(t)
	a := h.attempt(t, h.guest, Rights{})
	_, err := a.ends(t, "fail {\"code\":\"\xff\xfe\",\"message\":\"a\xff\nlevel=ERROR msg=b\x1b[2J\"}")
	var g *GuestError
	if !errors.As(err, &g) || g.Code != abi.CodeInternal || strings.ContainsAny(g.Message, "\n\x1b") || !utf8.ValidString(g.Message) {
		t.Errorf("an error that is no UTF-8: %#v", err)
	}
	_, err = a.ends(t, "fail \xff\xfe\x00")
	if !errors.As(err, &g) || g.Message != `\xff\xfe\x00` {
		t.Errorf("an error that is no JSON: %#v", err)
	}
	if _, err := a.ends(t, "say \xff\xfe\nlevel=ERROR msg=mine"); err != nil {
		t.Error(err)
	}
	a.logs(t, `level=WARN msg="\\xff\\xfe\\nlevel=ERROR msg=mine"`)
	// Such an answer is handed on: whoever reads expositions refuses it.
	if out, err := a.ends(t, "echo \xff\xfe"); out != "echo \xff\xfe" || err != nil {
		t.Errorf("an answer that is no UTF-8: %q, %v", out, err)
	}
}

// TestModulesThatAreBombs has modules that are small and would take the compiler long, or much memory.
func TestModulesThatAreBombs(t *testing.T) {
	h := newHostile(t)
	function := asm.Section(asm.Function, []byte{0})
	noneToNone := asm.Section(asm.Type, asm.FuncType(nil, nil))
	body := func(locals []byte, code ...byte) []byte {
		return asm.Module(noneToNone, function, asm.Section(asm.Codes, asm.CodeWith(locals, code...)))
	}
	table := func(n uint32) []byte {
		return body([]byte{0}, slices.Concat([]byte{0x02, 0x40, 0x41, 0, 0x0e}, asm.AppendU32(nil, n), make([]byte, n+1), []byte{0x0b})...)
	}
	for _, tt := range []struct {
		name, text string
		code       []byte
	}{
		{"locals without number", "10000 locals", body([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, asm.I32})},
		{"a branch with a hundred thousand targets", "too long to compile", table(100_000)},
		{"blocks in blocks", "too long to compile", body([]byte{0}, append(slices.Repeat([]byte{0x02, 0x40}, 40_000), slices.Repeat([]byte{0x0b}, 40_000)...)...)},
		{"a function of a megabyte", "at most 262144 are allowed", body([]byte{0}, make([]byte, 1<<20)...)},
		{"two hundred thousand functions", "200000 items", asm.Module(noneToNone, asm.Section(asm.Function, slices.Repeat([][]byte{{0}}, 200_000)...),
			asm.Section(asm.Codes, slices.Repeat([][]byte{asm.Code()}, 200_000)...))},
		{"a module that is too large by its data", "at most 32 are allowed", asm.Module(asm.Section(asm.Memory, []byte{0, 1}), asm.Section(asm.Datas, asm.Data(0, strings.Repeat("x", 33<<20))))},
		{"a section that says it is longer than all", "ends in the middle", []byte("\x00asm\x01\x00\x00\x00\x01\xff\xff\xff\xff\x0f")},
		{"a vector that says it is longer than all", "ends in the middle", asm.Module([]byte{asm.Type, 0xff, 0xff, 0xff, 0xff, 0x07})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := h.Load(t.Context(), Source{ID: "hostile/bomb", Code: tt.code})
			if err == nil {
				m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %.300v, want %q", err, tt.text)
			}
			h.goesOn(t)
		})
	}
	t.Run("names of megabytes in a trap", func(t *testing.T) {
		r := reactor{collect: slices.Concat([]byte{0x00}, answer(0, 0))}
		long := strings.Repeat("\x1b[2J", 1<<18)
		sub := append([]byte{1, 3}, asm.Text(long)...) // of function 3, hearth_collect
		names := slices.Concat(asm.Text("name"), []byte{1}, asm.AppendU32(nil, uint32(len(sub))), sub)
		code := append(r.module(), slices.Concat([]byte{asm.Custom}, asm.AppendU32(nil, uint32(len(names))), names)...)
		a := h.attempt(t, h.load(code), Rights{})
		_, err := a.ends(t, "x")
		if wantFault(t, err, Trap, `unreachable in \x1b[2J`); len(fmt.Sprint(err)) > 4096 {
			t.Errorf("a message of %d bytes", len(fmt.Sprint(err)))
		}
	})
}
