package wasm

import "syscall"

// statfs returns the fields that the ABI lists, in its order.
func statfs(path string) ([8]uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return [8]uint64{}, err
	}
	return [8]uint64{uint64(s.Type), uint64(s.Bsize), s.Blocks, s.Bfree, s.Bavail, s.Files, s.Ffree, uint64(s.Flags)}, nil
}
