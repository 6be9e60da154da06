package rofs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errEscapes is the kernel's refusal to leave a folder; os.Root has one of its own.
var errEscapes = errors.New("path leads out of the granted folder")

// openBeneath opens a file of a granted folder for reading. openat2 resolves the whole path in the kernel, which neither
// leaves the folder nor follows the links of /proc that lead anywhere. Where there is none (before Linux 5.6, or where a
// container forbids it), os.Root does it, a folder at a time. O_NONBLOCK keeps the opening from waiting for the other end
// of a pipe.
func (f *FS) openBeneath(r *root, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	if !f.slow {
		fd, err := unix.Openat2(int(r.dir.Fd()), name, &unix.OpenHow{
			Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
		})
		switch err {
		case nil:
			return os.NewFile(uintptr(fd), name), nil
		case unix.EXDEV:
			return nil, errEscapes
		case unix.ENOSYS, unix.EPERM, unix.E2BIG:
			f.slow = true
		case unix.EAGAIN, unix.EINTR: // something was moved meanwhile
		default:
			return nil, err
		}
	}
	return r.OpenFile(name, flags, 0)
}
