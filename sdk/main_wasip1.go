package sdk

import (
	"context"
	"log/slog"
	"unsafe"

	"github.com/hearth-project/hearth/sdk/abi"
)

// Main serves the plugin. In a module the host calls the exports below and Main never runs.
func Main() {}

const secretsDir = "/secrets"

// maxAlloc is the largest request the guest takes, in bytes.
const maxAlloc = abi.MaxRequest + 4096

var logger = slog.New(&lineHandler{emit: func(level slog.Level, line []byte) {
	if len(line) > 0 {
		hostLog(int32(level), unsafe.Pointer(unsafe.SliceData(line)), uint32(len(line)))
	}
}})

//go:wasmimport hearth_v1 log
func hostLog(level int32, line unsafe.Pointer, n uint32)

// The module's state: one request buffer, one result, one instance.
var (
	request  []uint64 // 8-aligned
	result   []byte   // keeps the bytes of the last result alive
	instance *Instance
)

//go:wasmexport hearth_abi_v1
func exportVersion() int32 { return abi.Minor }

//go:wasmexport hearth_alloc
func exportAlloc(n uint32) uint32 {
	if n > maxAlloc {
		return 0
	}
	if words := max(1, (int(n)+7)/8); len(request) < words {
		request = make([]uint64, words)
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(request))))
}

//go:wasmexport hearth_describe
func exportDescribe() uint64 { return call(abi.OpDescribe, 0, 0) }

//go:wasmexport hearth_configure
func exportConfigure(ptr, n uint32) uint64 { return call(abi.OpConfigure, ptr, n) }

//go:wasmexport hearth_collect
func exportCollect(ptr, n uint32) uint64 { return call(abi.OpCollect, ptr, n) }

//go:wasmexport hearth_notify
func exportNotify(ptr, n uint32) uint64 { return call(abi.OpNotify, ptr, n) }

//go:wasmexport hearth_eval
func exportEval(ptr, n uint32) uint64 { return call(abi.OpEval, ptr, n) }

func call(op string, ptr, n uint32) uint64 {
	if instance == nil {
		instance = NewInstance(registered)
	}
	var in []byte
	if n > 0 {
		base := unsafe.Pointer(unsafe.SliceData(request))
		if ptr != uint32(uintptr(base)) || uint64(n) > uint64(len(request))*8 {
			return finish(Errorf(CodeInvalidRequest, "%s: the request is not in the buffer of hearth_alloc", op).body(), true)
		}
		in = unsafe.Slice((*byte)(base), n)
	}
	out, err := instance.Call(context.Background(), op, in)
	if err != nil {
		return finish(AsError(err).body(), true)
	}
	return finish(out, false)
}

func finish(out []byte, failed bool) uint64 {
	result = out
	return abi.Pack(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(out)))), uint32(len(out)), failed)
}
