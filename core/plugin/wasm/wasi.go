package wasm

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// What one call of a WASI function may ask for. The meter looks at the deadline only where the guest's own code runs, so
// what the host does for it in one go must be little, and must not take memory that nobody counts.
const (
	maxBuffers    = 1024     // of one read or write, as in Linux
	maxPath       = 4096     // bytes
	maxDescriptor = 1024     // wazero's table of descriptors has room for all numbers below the largest
	chance        = 64 << 10 // random bytes between two looks at the deadline
)

// guard looks at the arguments of a WASI function before it runs. Another number than 0 is the answer.
type guard func(i *instance, mem api.Memory, args []uint64) uint32

// guards are the functions of WASI's whose work grows with a number that the guest gives.
func guards() map[string]guard {
	paths := func(lengths ...int) guard {
		return func(_ *instance, _ api.Memory, args []uint64) uint32 {
			for _, at := range lengths {
				if uint32(args[at]) > maxPath {
					return errnoNameTooLong
				}
			}
			return 0
		}
	}
	return map[string]guard{
		"fd_read": guardBuffers, "fd_pread": guardBuffers, "fd_write": guardBuffers, "fd_pwrite": guardBuffers,
		"sock_recv": guardBuffers, "sock_send": guardBuffers,
		"fd_renumber":           guardDescriptor,
		"path_create_directory": paths(2), "path_filestat_get": paths(3), "path_filestat_set_times": paths(3),
		"path_link": paths(3, 6), "path_open": paths(3), "path_readlink": paths(2), "path_remove_directory": paths(2),
		"path_rename": paths(2, 5), "path_symlink": paths(1, 4), "path_unlink_file": paths(2),
	}
}

// guardBuffers refuses more buffers than there need be, and such as lie over each other: the same megabytes could be
// written a million times.
func guardBuffers(i *instance, mem api.Memory, args []uint64) uint32 {
	n := uint32(args[2])
	if n > maxBuffers {
		i.refuse(fmt.Sprintf("reading or writing %d buffers at once: at most %d are allowed", n, maxBuffers))
		return errnoInval
	}
	b, ok := mem.Read(uint32(args[1]), n*8)
	if !ok {
		return errnoFault
	}
	total := uint64(0)
	for ; len(b) > 0; b = b[8:] {
		total += uint64(binary.LittleEndian.Uint32(b[4:]))
	}
	if total > uint64(mem.Size()) {
		i.refuse("reading or writing more bytes at once than it has memory")
		return errnoInval
	}
	return 0
}

func guardDescriptor(i *instance, _ api.Memory, args []uint64) uint32 {
	if to := uint32(args[1]); to >= maxDescriptor {
		i.refuse(fmt.Sprintf("moving a descriptor to %d: they go up to %d", int32(to), maxDescriptor-1))
		return errnoBadf
	}
	return 0
}

// stockWASI returns wazero's functions. A host module says by which Go functions it is implemented, so that ours can
// call them.
func stockWASI() (map[string]api.FunctionDefinition, error) {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer rt.Close(ctx)
	b := rt.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	compiled, err := b.Compile(ctx)
	if err != nil {
		return nil, err
	}
	return compiled.ExportedFunctions(), nil
}

// exportWASI puts our functions in the place of those of wazero's that are not for us: what is exported last counts.
func (e *Engine) exportWASI(b wazero.HostModuleBuilder) error {
	stock, err := e.wasi()
	if err != nil {
		return err
	}
	for name, guard := range guards() {
		def, ok := stock[name]
		if !ok {
			return fmt.Errorf("wazero's WASI has no %s", name)
		}
		next, ok := def.GoFunction().(api.GoModuleFunction)
		if !ok {
			return fmt.Errorf("wazero's %s can't be called from here", name)
		}
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			i := running(ctx)
			if errno := guard(i, m.Memory(), stack); errno != 0 {
				stack[0] = uint64(errno)
				return
			}
			if next.Call(ctx, m, stack); stack[0] == errnoPerm { // wazero says so before it asks our file system
				i.refuse("a path that leads above the root, begins there or is no UTF-8")
			}
		}), def.ParamTypes(), def.ResultTypes()).Export(name)
	}
	two, four := []api.ValueType{i32, i32}, []api.ValueType{i32, i32, i32, i32}
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		stack[0] = uint64(randomGet(ctx, m.Memory(), uint32(stack[0]), uint32(stack[1])))
	}), two, two[:1]).Export("random_get")
	// wazero's can't wait for sockets.
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
		stack[0] = uint64(running(ctx).net.Poll(m.Memory(), uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])))
	}), four, four[:1]).Export("poll_oneoff")
	// wazero's closes the instance, which is its pool's business.
	b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
		panic(sys.NewExitError(uint32(stack[0])))
	}), two[:1], nil).Export("proc_exit")
	return nil
}

// randomGet is random_get, which may be asked for as much as there is memory.
func randomGet(ctx context.Context, mem api.Memory, ptr, size uint32) uint32 {
	b, ok := mem.Read(ptr, size)
	if !ok {
		return errnoFault
	}
	for len(b) > 0 {
		if ctx.Err() != nil {
			panic(sys.NewExitError(sys.ExitCodeContextCanceled)) // unwinds the guest, as the meter's does
		}
		n := min(len(b), chance)
		_, _ = rand.Read(b[:n]) // it does not return errors
		b = b[n:]
	}
	return 0
}
