package sdk

import (
	"os"
	"syscall"
)

// Statfs returns the figures of the file system at path. Errors are *os.PathError.
func Statfs(path string) (FSStat, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return FSStat{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return FSStat{
		Type: uint64(s.Type), BlockSize: uint64(s.Bsize),
		Blocks: s.Blocks, BlocksFree: s.Bfree, BlocksAvailable: s.Bavail,
		Files: s.Files, FilesFree: s.Ffree, Flags: uint64(s.Flags),
	}, nil
}
