// Package vfs is the one seam between hearth and the disk. Everything that reads or writes files of the
// database goes through an FS, so that tests can make the disk fail, tear a write or forget what was never
// synced. OS is the real one.
package vfs

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// FS is a file system. Names are slash-separated paths as the operating system takes them. Errors are the
// os package's: errors.Is(err, fs.ErrNotExist) and the like hold. Safe for concurrent use.
type FS interface {
	Create(name string) (File, error)     // for writing from the start; truncates
	OpenAppend(name string) (File, error) // for writing at the end; creates
	Open(name string) (File, error)       // for reading
	Map(name string) (Mapping, error)     // the whole file, read-only, mapped into memory
	Remove(name string) error
	RemoveAll(name string) error
	Rename(from, to string) error
	Link(from, to string) error // hard link
	Truncate(name string, size int64) error
	MkdirAll(name string) error
	ReadDir(name string) ([]fs.DirEntry, error) // sorted by name
	Stat(name string) (fs.FileInfo, error)
	SyncDir(name string) error                  // makes creations, renames and removals in it durable
	Lock(name string) (io.Closer, error)        // exclusive; another process holding it is an error at once
	Free(name string) (bytes uint64, err error) // space left for us on the file system of name
	Size(name string) (bytes uint64, err error) // of the file system of name, as far as it is for us
}

// File is an open file. Read, ReadAt, Seek serve files opened for reading; Write those opened for writing.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.Closer
	Sync() error // returns when the data is on stable storage
	Stat() (fs.FileInfo, error)
}

// Mapping is a file mapped into memory. Data must not be touched after Close.
type Mapping interface {
	Data() []byte
	Close() error
}

// OS is the operating system's file system.
type OS struct{}

// Create implements FS.
func (OS) Create(name string) (File, error) {
	return file(os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640))
}

// OpenAppend implements FS.
func (OS) OpenAppend(name string) (File, error) {
	return file(os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640))
}

// Open implements FS.
func (OS) Open(name string) (File, error) { return file(os.Open(name)) }

// file keeps a failed open from becoming a non-nil File.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// RemoveAll implements FS.
func (OS) RemoveAll(name string) error { return os.RemoveAll(name) }

// Rename implements FS.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Link implements FS.
func (OS) Link(from, to string) error { return os.Link(from, to) }

// Truncate implements FS.
func (OS) Truncate(name string, size int64) error { return os.Truncate(name, size) }

// MkdirAll implements FS.
func (OS) MkdirAll(name string) error { return os.MkdirAll(name, 0o750) }

// ReadDir implements FS.
func (OS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// Stat implements FS.
func (OS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// SyncDir implements FS.
func (OS) SyncDir(name string) error {
	d, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Lock implements FS by flock(2): it ends with the process, so a crash leaves nothing to clean up.
func (OS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return f, nil
}

// Free implements FS.
func (OS) Free(name string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(name, &s); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// Size implements FS.
func (OS) Size(name string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(name, &s); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: name, Err: err}
	}
	reserved := s.Bfree - s.Bavail // for root
	return (s.Blocks - reserved) * uint64(s.Bsize), nil
}

// Map implements FS.
func (OS) Map(name string) (Mapping, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() == 0 {
		return mapping(nil), nil
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, &fs.PathError{Op: "mmap", Path: name, Err: err}
	}
	return mapping(b), nil
}

type mapping []byte

func (m mapping) Data() []byte { return m }

func (m mapping) Close() error {
	if m == nil {
		return nil
	}
	return unix.Munmap(m)
}

// Unload says that what was read of a mapping is not needed soon. It stays readable; the pages are the system's cache
// again and no memory of the process.
func Unload(m Mapping) {
	if m, ok := m.(mapping); ok && len(m) > 0 {
		_ = unix.Madvise(m, unix.MADV_DONTNEED) // advice
	}
}
