package rofs

import (
	"os"
	"strconv"
	"syscall"
)

// Magic numbers of statfs(2).
const (
	procMagic       = 0x9fa0
	debugfsMagic    = 0x64626720 // the kernel's innards; files that never end among them
	tracefsMagic    = 0x74726163
	securityfsMagic = 0x73636673
	efivarfsMagic   = 0xde5e81e4
	bpfMagic        = 0xcafe4a11
)

// opened looks at what the kernel has opened, whatever path led there. It returns the real path of what is on a procfs,
// and whether a guest may see it.
func opened(f *os.File) (proc string, ok bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return "", false
	}
	err = conn.Control(func(fd uintptr) {
		var s syscall.Statfs_t
		if syscall.Fstatfs(int(fd), &s) != nil {
			return
		}
		switch uint32(s.Type) {
		case debugfsMagic, tracefsMagic, securityfsMagic, efivarfsMagic, bpfMagic:
		case procMagic:
			path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(fd)))
			proc, ok = path, err == nil && !deniedSomewhere(path)
		default:
			ok = true
		}
	})
	return proc, ok && err == nil
}
