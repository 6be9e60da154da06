package rofs

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
)

// follow does something at the place of an absolute path. If that fails because a link leads out of its granted path,
// the link is followed by hand and it is done where it leads, if that is granted too.
func (f *FS) follow(p string, do func(place) (wsys.Errno, error)) wsys.Errno {
	for range maxLinks {
		at, e := f.find(p)
		if e != 0 {
			return e
		}
		e, err := do(at)
		if err == nil {
			return e
		}
		if at.root == nil || !escapes(err) {
			return errno(err)
		}
		next, ok := f.leads(at, p)
		if !ok {
			return f.refuse(p, NotGranted)
		}
		p = next
	}
	return wsys.ELOOP
}

// escapes tells whether an error is os.Root's own refusal; those of the kernel have a number.
func escapes(err error) bool {
	var e syscall.Errno
	return !errors.As(err, &e) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrClosed)
}

// leads returns what p becomes when the first link in it, seen from its granted path, is replaced by its target.
func (f *FS) leads(at place, p string) (string, bool) {
	base := strings.TrimSuffix(p, at.name)
	done := ""
	rest := at.name
	for rest != "" {
		name, after, _ := strings.Cut(rest, "/")
		here := path.Join(done, name)
		target, err := at.root.Readlink(here)
		if err == nil {
			if !path.IsAbs(target) {
				target = path.Join(base, done, target)
			}
			next := path.Join(target, after)
			if next != p {
				return next, true
			}
			return "", false
		}
		done, rest = here, after
	}
	return "", false
}

// resolve follows the links of a path of the host's.
func resolve(p string) (string, error) { return filepath.EvalSymlinks(p) }

// errno is the guest's number for an error of the host's.
func errno(err error) wsys.Errno {
	var e syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.Is(err, fs.ErrNotExist):
		return wsys.ENOENT
	case errors.Is(err, fs.ErrPermission):
		return wsys.EACCES
	case errors.Is(err, fs.ErrClosed):
		return wsys.EBADF
	case errors.As(err, &e):
		switch e {
		case syscall.ENOTDIR:
			return wsys.ENOTDIR
		case syscall.EISDIR:
			return wsys.EISDIR
		case syscall.ELOOP:
			return wsys.ELOOP
		case syscall.EINVAL:
			return wsys.EINVAL
		case syscall.ENAMETOOLONG:
			return wsys.ENAMETOOLONG
		case syscall.EAGAIN:
			return wsys.EAGAIN
		}
	}
	return wsys.EIO
}
