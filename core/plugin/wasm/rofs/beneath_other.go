//go:build !linux

package rofs

import (
	"os"
	"syscall"
)

// openBeneath opens a file of a granted folder for reading. O_NONBLOCK keeps the opening from waiting for the other end
// of a pipe.
func (f *FS) openBeneath(r *root, name string) (*os.File, error) {
	return r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
}
