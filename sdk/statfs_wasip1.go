package sdk

import (
	"os"
	"syscall"
	"unsafe"
)

//go:wasmimport hearth_v1 statfs
func hostStatfs(path unsafe.Pointer, n uint32, out unsafe.Pointer) int32

// Statfs returns the figures of the file system at path, which the manifest must ask for and the operator grant.
// Errors are *os.PathError.
func Statfs(path string) (FSStat, error) {
	var v [8]uint64
	b := []byte(path + "\x00") // never empty, so that there is a first byte
	if errno := hostStatfs(unsafe.Pointer(&b[0]), uint32(len(path)), unsafe.Pointer(&v)); errno != 0 {
		return FSStat{}, &os.PathError{Op: "statfs", Path: path, Err: syscall.Errno(max(errno, -errno))}
	}
	return FSStat{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}, nil
}
