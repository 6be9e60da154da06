//go:build !linux && !wasip1

package sdk

import (
	"errors"
	"os"
)

// Statfs answers on Linux and in the sandbox only.
func Statfs(path string) (FSStat, error) {
	return FSStat{}, &os.PathError{Op: "statfs", Path: path, Err: errors.ErrUnsupported}
}
