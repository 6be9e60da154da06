package wasm

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/core/plugin/wasm/sock"
)

// WASI's error numbers, as the ABI has them.
const (
	errnoAccess   = 2
	errnoFault    = 21
	errnoInval    = 28
	errnoIO       = 29
	errnoNoEntry  = 44
	errnoNoSystem = 52
	errnoTimedOut = 73
)

type instanceKey struct{}

// running returns the instance whose guest is calling.
func running(ctx context.Context) *instance { return ctx.Value(instanceKey{}).(*instance) }

// exportWASI replaces what wazero's WASI does not do for us: waiting for sockets, and ending without closing the instance,
// which is its pool's business. What is exported last counts.
func exportWASI(b wazero.HostModuleBuilder) {
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		stack[0] = uint64(running(ctx).net.Poll(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])))
	}), []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i32}).Export("poll_oneoff")
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
		panic(sys.NewExitError(uint32(stack[0])))
	}), []api.ValueType{i32}, nil).Export("proc_exit")
}

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

// statfsPatience is how long a guest waits for a file system that does not answer, as one of a server that is gone.
const statfsPatience = time.Second

// statfs asks for the figures of a mounted file system. The system call may hang for ever, so it has a goroutine of its
// own, one for each path: who asks meanwhile waits for the same answer.
func (i *instance) statfs(ctx context.Context, mem api.Memory, ptr, size, out uint32) uint32 {
	b, ok := mem.Read(ptr, size)
	if !ok || size > 4096 {
		return errnoFault
	}
	path := string(b)
	if !i.pool.rights.mayStatfs(path) {
		i.refuse(fmt.Sprintf("statfs of %s is not granted: add %q to statfs of the plugin's grant", path, path))
		return errnoAccess
	}
	ctx, cancel := context.WithTimeout(ctx, statfsPatience)
	defer cancel()
	select {
	case <-ctx.Done():
		return errnoTimedOut
	case r := <-i.pool.module.e.mounts.DoChan(path, func() (any, error) { return statfs(path) }):
		if r.Err != nil {
			return statfsErrno(r.Err)
		}
		for n, v := range r.Val.([8]uint64) {
			if !mem.WriteUint64Le(out+uint32(n)*8, v) {
				return errnoFault
			}
		}
		return 0
	}
}

func statfsErrno(err error) uint32 {
	switch err {
	case syscall.ENOENT:
		return errnoNoEntry
	case syscall.EACCES, syscall.EPERM:
		return errnoAccess
	case syscall.ENOSYS:
		return errnoNoSystem
	case syscall.EINVAL, syscall.ENOTDIR, syscall.ENAMETOOLONG:
		return errnoInval
	}
	return errnoIO
}
