package rofs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// openReal opens a file or folder of a granted path. Pipes, devices and sockets are refused: opening one may do something
// and reading it may never end.
func (f *FS) openReal(at place, p string, flag wsys.Oflag) (wsys.File, wsys.Errno, error) {
	if flag&wsys.O_NOFOLLOW != 0 {
		if fi, err := at.root.Lstat(at.name); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
			return nil, wsys.ELOOP, nil
		}
	}
	h, err := f.openBeneath(at.root, at.name)
	if err != nil {
		return nil, 0, err
	}
	fi, err := h.Stat()
	if err != nil {
		h.Close()
		return nil, 0, err
	}
	real, seen := opened(h)
	if m := fi.Mode(); (!m.IsRegular() && !m.IsDir()) || !seen {
		h.Close()
		if seen {
			return nil, f.refuse(p, NotAFile), nil
		}
		return nil, f.refuse(p, Hidden), nil
	}
	return &realFile{f: h, fs: f, dir: fi.IsDir(), proc: real}, 0, nil
}

// offset is int64. By this name go vet does not take Seek for io.Seeker's, which wazero's can't be.
type offset = int64

// realFile is an open file or folder of the host's.
type realFile struct {
	wsys.UnimplementedFile
	f    *os.File
	fs   *FS
	dir  bool
	proc string // of what is on a procfs: its real path
}

func (r *realFile) Stat() (sys.Stat_t, wsys.Errno) {
	fi, err := r.f.Stat()
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return sys.NewStat_t(fi), 0
}

func (r *realFile) Ino() (sys.Inode, wsys.Errno)   { s, e := r.Stat(); return s.Ino, e }
func (r *realFile) Dev() (uint64, wsys.Errno)      { s, e := r.Stat(); return s.Dev, e }
func (r *realFile) IsDir() (bool, wsys.Errno)      { return r.dir, 0 }
func (r *realFile) Write([]byte) (int, wsys.Errno) { return 0, wsys.EBADF }

func (r *realFile) Read(b []byte) (int, wsys.Errno) {
	switch {
	case r.dir:
		return 0, wsys.EISDIR
	case r.fs.over():
		return 0, wsys.EINTR
	}
	n, err := r.f.Read(b)
	return ended(n, err)
}

func (r *realFile) Pread(b []byte, off int64) (int, wsys.Errno) {
	switch {
	case r.dir:
		return 0, wsys.EISDIR
	case r.fs.over():
		return 0, wsys.EINTR
	}
	n, err := r.f.ReadAt(b, off)
	return ended(n, err)
}

// ended gives a read its number: what was read counts, and the end is no error.
func ended(n int, err error) (int, wsys.Errno) {
	if n > 0 || errors.Is(err, io.EOF) {
		return max(n, 0), 0
	}
	return 0, errno(err)
}

func (r *realFile) Seek(off offset, whence int) (int64, wsys.Errno) {
	if r.dir && (off != 0 || whence != io.SeekStart) {
		return 0, wsys.EISDIR
	}
	n, err := r.f.Seek(off, whence)
	return n, errno(err)
}

// Readdir returns n entries, fewer only at the end. What the rules of /proc hide is left out.
func (r *realFile) Readdir(n int) ([]wsys.Dirent, wsys.Errno) {
	if !r.dir {
		return nil, wsys.ENOTDIR
	}
	if n > maxList {
		return nil, wsys.EINVAL
	}
	if n <= 0 {
		n = maxList
	}
	var out []wsys.Dirent
	for len(out) < n {
		entries, err := r.f.ReadDir(n - len(out))
		for _, e := range entries {
			if r.proc == "" || !deniedSomewhere(path.Join(r.proc, e.Name())) {
				out = append(out, wsys.Dirent{Name: e.Name(), Type: e.Type(), Ino: 1}) // a number costs a stat; 0 makes libc ask for it
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errno(err)
		}
	}
	return out, 0
}

func (r *realFile) Close() wsys.Errno {
	r.fs.open--
	return errno(r.f.Close())
}

// secretFile is an open secret: its value when it was opened.
type secretFile struct {
	wsys.UnimplementedFile
	fs   *FS
	text string
	off  int64
}

func (s *secretFile) Stat() (sys.Stat_t, wsys.Errno) {
	return sys.Stat_t{Mode: 0o400, Nlink: 1, Ino: 1, Size: int64(len(s.text))}, 0
}
func (s *secretFile) Ino() (sys.Inode, wsys.Errno)   { return 1, 0 }
func (s *secretFile) Dev() (uint64, wsys.Errno)      { return 0, 0 }
func (s *secretFile) IsDir() (bool, wsys.Errno)      { return false, 0 }
func (s *secretFile) Write([]byte) (int, wsys.Errno) { return 0, wsys.EBADF }

func (s *secretFile) Read(b []byte) (int, wsys.Errno) {
	n, e := s.Pread(b, s.off)
	s.off += int64(n)
	return n, e
}

func (s *secretFile) Pread(b []byte, off int64) (int, wsys.Errno) {
	if off < 0 {
		return 0, wsys.EINVAL
	}
	if off >= int64(len(s.text)) {
		return 0, 0
	}
	return copy(b, s.text[off:]), 0
}

func (s *secretFile) Seek(off offset, whence int) (int64, wsys.Errno) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		off += s.off
	case io.SeekEnd:
		off += int64(len(s.text))
	default:
		return 0, wsys.EINVAL
	}
	if off < 0 {
		return 0, wsys.EINVAL
	}
	s.off = off
	return off, 0
}

func (s *secretFile) Close() wsys.Errno {
	s.fs.open--
	return 0
}

// folder is an open virtual folder.
type folder struct {
	wsys.UnimplementedFile
	fs    *FS
	names []string
	at    int
}

func folderStat() sys.Stat_t { return sys.Stat_t{Mode: fs.ModeDir | 0o555, Nlink: 1, Ino: 1} }

func (d *folder) Stat() (sys.Stat_t, wsys.Errno) { return folderStat(), 0 }
func (d *folder) Ino() (sys.Inode, wsys.Errno)   { return 1, 0 }
func (d *folder) Dev() (uint64, wsys.Errno)      { return 0, 0 }
func (d *folder) IsDir() (bool, wsys.Errno)      { return true, 0 }
func (d *folder) Read([]byte) (int, wsys.Errno)  { return 0, wsys.EISDIR }

func (d *folder) Seek(off offset, whence int) (int64, wsys.Errno) {
	if off != 0 || whence != io.SeekStart {
		return 0, wsys.EISDIR
	}
	d.at = 0
	return 0, 0
}

func (d *folder) Readdir(n int) ([]wsys.Dirent, wsys.Errno) {
	var out []wsys.Dirent
	for d.at < len(d.names) && (n <= 0 || len(out) < n) {
		out = append(out, wsys.Dirent{Name: d.names[d.at], Type: fs.ModeDir, Ino: 1})
		d.at++
	}
	return out, 0
}

func (d *folder) Close() wsys.Errno {
	d.fs.open--
	return 0
}
