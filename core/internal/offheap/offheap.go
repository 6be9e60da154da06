// Package offheap gives memory outside the garbage collected heap, for large tables without pointers that live
// long: the collector neither scans them nor lets the heap grow by their size once more.
package offheap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// least is the size in bytes from which on memory is mapped; less comes from the heap.
const least = 64 << 10

// huge is the size from which on the kernel is asked for large pages: tables are read all over.
const huge = 4 << 20

// Make returns n zero values of T, which must hold no pointers. Memory that cannot be mapped comes from the heap.
func Make[T any](n int) []T {
	var zero T
	size := n * int(unsafe.Sizeof(zero))
	if size < least {
		return make([]T, n)
	}
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]T, n)
	}
	if size >= huge {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a kernel without them does as well, more slowly
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// Free gives the memory of s back, which came from Make in its whole length; nobody may use it any more. What
// came from the heap is the collector's.
func Free[T any](s []T) {
	var zero T
	size := len(s) * int(unsafe.Sizeof(zero))
	if size < least {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size)
	_ = unix.Munmap(b) // fails for what Make had to take from the heap, and leaves it alone
}
