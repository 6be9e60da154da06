package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm/sock"
)

// WASI's error numbers, as the ABI has them.
const (
	errnoAccess      = 2
	errnoBadf        = 8
	errnoFault       = 21
	errnoInval       = 28
	errnoIO          = 29
	errnoNameTooLong = 37
	errnoNoEntry     = 44
	errnoNoSystem    = 52
	errnoPerm        = 63
	errnoTimedOut    = 73
)

type instanceKey struct{}

// running returns the instance whose guest is calling.
func running(ctx context.Context) *instance { return ctx.Value(instanceKey{}).(*instance) }

// hostFunction is one of hearth_v1.
type hostFunction struct {
	signature
	call func(ctx context.Context, i *instance, mem api.Memory, stack []uint64)
}

func ownFunctions() map[string]hostFunction {
	is := func(n int) []api.ValueType { return slices.Repeat([]api.ValueType{i32}, n) }
	return map[string]hostFunction{
		"log": {signature{is(3), nil}, func(_ context.Context, i *instance, mem api.Memory, stack []uint64) {
			if text, ok := mem.Read(uint32(stack[1]), uint32(stack[2])); ok {
				i.log.line(slog.Level(api.DecodeI32(stack[0])), text)
			}
		}},
		"net_attach": {signature{is(3), is(1)}, func(_ context.Context, i *instance, mem api.Memory, stack []uint64) {
			token, ok := mem.Read(uint32(stack[0]), uint32(stack[1]))
			if !ok {
				stack[0] = errnoFault
				return
			}
			stack[0] = uint64(i.net.Attach(string(token), api.DecodeI32(stack[2])))
		}},
		"net_status": {signature{is(3), is(1)}, func(_ context.Context, i *instance, mem api.Memory, stack []uint64) {
			stack[0] = api.EncodeI32(netStatus(i.net, mem, api.DecodeI32(stack[0]), uint32(stack[1]), uint32(stack[2])))
		}},
		"statfs": {signature{is(3), is(1)}, func(ctx context.Context, i *instance, mem api.Memory, stack []uint64) {
			stack[0] = uint64(i.statfs(ctx, mem, uint32(stack[0]), uint32(stack[1]), uint32(stack[2])))
		}},
	}
}

// exportOwn links one import from hearth_v1. A name that a later minor version may have does nothing and says so.
func exportOwn(b wazero.HostModuleBuilder, name string, want signature) error {
	f, ok := ownFunctions()[name]
	if !ok {
		results := len(want.results)
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			for r := range results {
				stack[r] = unknownResult(want.results[r])
			}
		}), want.params, want.results).Export(name)
		return nil
	}
	if !slices.Equal(f.params, want.params) || !slices.Equal(f.results, want.results) {
		return fmt.Errorf("the module imports hearth_v1.%s with the type %v -> %v, the ABI's is %v -> %v", name,
			typeNames(want.params), typeNames(want.results), typeNames(f.params), typeNames(f.results))
	}
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		f.call(ctx, running(ctx), m.Memory(), stack)
	}), f.params, f.results).Export(name)
	return nil
}

// unknownResult is -ENOSYS in a number, and nothing in anything else.
func unknownResult(t api.ValueType) uint64 {
	switch t {
	case i32:
		return api.EncodeI32(-errnoNoSystem)
	case i64:
		return api.EncodeI64(-errnoNoSystem)
	}
	return 0
}

// netStatus writes why dialling has failed, if it has, and returns how many bytes that are.
func netStatus(n *sock.Net, mem api.Memory, fd int32, ptr, size uint32) int32 {
	status, err := n.Status(fd)
	if err == nil {
		return status
	}
	reason := guest.Printable([]byte(err.Error()))
	if len(reason) == 0 {
		reason = "unknown"
	}
	if uint64(len(reason)) > uint64(size) {
		reason = reason[:size]
	}
	if len(reason) == 0 || !mem.WriteString(ptr, reason) {
		return -errnoFault
	}
	return int32(len(reason))
}
