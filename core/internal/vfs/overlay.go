package vfs

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Overlay is a view of a directory on which everything can be done and nothing is: what is written, renamed or
// removed stays in memory. With it a database that must not be touched, because a server has it open or because
// it lies on a read-only disk, is opened like any other, and a repair is tried before it is done. It takes no
// locks.
//
// A directory is listed once, when it is first looked at; that the base loses a file after that shows when the
// file is opened. Names outside of the directory do not exist.
type Overlay struct {
	base FS
	dir  string
	mu   sync.Mutex
	root *layer
}

// layer is a file or directory of the view: that of base in the file system below, or one in memory if there is
// no base.
type layer struct {
	base    string
	isDir   bool
	listed  bool // entries has what is in base
	entries map[string]*layer
	info    fs.FileInfo // of a file with a base
	data    []byte
	mod     time.Time
}

// NewOverlay returns a view of the directory dir of base.
func NewOverlay(base FS, dir string) *Overlay {
	dir = path.Clean(dir)
	return &Overlay{base: base, dir: dir, root: &layer{base: dir, isDir: true}}
}

// parts splits a name into its elements below the directory.
func (o *Overlay) parts(op, name string) ([]string, error) {
	rest, ok := strings.CutPrefix(path.Clean(name), o.dir)
	if !ok || rest != "" && rest[0] != '/' {
		return nil, notExist(op, name)
	}
	return split(rest), nil
}

// children returns the entries of a directory. The lock is held.
func (o *Overlay) children(d *layer) (map[string]*layer, error) {
	if d.listed {
		return d.entries, nil
	}
	es, err := o.base.ReadDir(d.base)
	if err != nil {
		return nil, err
	}
	m := map[string]*layer{}
	for _, e := range es {
		l := &layer{base: path.Join(d.base, e.Name()), isDir: e.IsDir()}
		if !l.isDir {
			if l.info, err = e.Info(); errors.Is(err, fs.ErrNotExist) {
				continue // gone since
			} else if err != nil {
				return nil, err
			}
		}
		m[e.Name()] = l
	}
	d.listed, d.entries = true, m
	return m, nil
}

// find returns the file or directory called name. The lock is held.
func (o *Overlay) find(op, name string) (*layer, error) {
	parts, err := o.parts(op, name)
	if err != nil {
		return nil, err
	}
	l := o.root
	for _, p := range parts {
		if !l.isDir {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		m, err := o.children(l)
		if err != nil {
			return nil, err
		}
		if l = m[p]; l == nil {
			return nil, notExist(op, name)
		}
	}
	return l, nil
}

// parent returns the entries of the directory that name is in, to be changed, and its last element. The lock is
// held.
func (o *Overlay) parent(op, name string) (map[string]*layer, string, error) {
	d, err := o.find(op, path.Dir(path.Clean(name)))
	if err != nil {
		return nil, "", err
	}
	if !d.isDir {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	m, err := o.children(d)
	return m, path.Base(name), err
}

// own makes a file one in memory, with the bytes it has. The lock is held.
func (o *Overlay) own(l *layer) error {
	if l.base == "" {
		return nil
	}
	f, err := o.base.Open(l.base)
	if err != nil {
		return err
	}
	defer f.Close()
	if l.data, err = io.ReadAll(f); err != nil {
		return err
	}
	l.base, l.mod = "", time.Now()
	return nil
}

func (o *Overlay) openWrite(name string, truncate bool) (File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, last, err := o.parent("open", name)
	if err != nil {
		return nil, err
	}
	l := m[last]
	switch {
	case l != nil && l.isDir:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case l == nil:
		l = &layer{mod: time.Now()}
		m[last] = l
	case truncate:
		l.base, l.data, l.mod = "", nil, time.Now()
	default:
		if err := o.own(l); err != nil {
			return nil, err
		}
	}
	return &overlayFile{o: o, l: l, name: name, write: true}, nil
}

// Create implements FS.
func (o *Overlay) Create(name string) (File, error) { return o.openWrite(name, true) }

// OpenAppend implements FS.
func (o *Overlay) OpenAppend(name string) (File, error) { return o.openWrite(name, false) }

// Open implements FS.
func (o *Overlay) Open(name string) (File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, err := o.find("open", name)
	if err != nil {
		return nil, err
	}
	if l.base != "" {
		return o.base.Open(l.base)
	}
	return &overlayFile{o: o, l: l, name: name}, nil
}

// Map implements FS.
func (o *Overlay) Map(name string) (Mapping, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, err := o.find("mmap", name)
	if err != nil {
		return nil, err
	}
	if l.base != "" {
		return o.base.Map(l.base)
	}
	return memMapping(slices.Clone(l.data)), nil
}

// Remove implements FS.
func (o *Overlay) Remove(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, last, err := o.parent("remove", name)
	if err != nil {
		return err
	}
	l := m[last]
	if l == nil {
		return notExist("remove", name)
	}
	if l.isDir {
		in, err := o.children(l)
		if err != nil {
			return err
		}
		if len(in) > 0 {
			return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
		}
	}
	delete(m, last)
	return nil
}

// RemoveAll implements FS.
func (o *Overlay) RemoveAll(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, last, err := o.parent("remove", name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	delete(m, last)
	return err
}

// Rename implements FS.
func (o *Overlay) Rename(from, to string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	m, last, err := o.parent("rename", from)
	if err != nil {
		return err
	}
	l := m[last]
	if l == nil {
		return notExist("rename", from)
	}
	tm, tlast, err := o.parent("rename", to)
	if err != nil {
		return err
	}
	if t := tm[tlast]; t != nil && t.isDir {
		in, err := o.children(t)
		if err != nil {
			return err
		}
		if len(in) > 0 {
			return &fs.PathError{Op: "rename", Path: to, Err: syscall.ENOTEMPTY}
		}
	}
	delete(m, last)
	tm[tlast] = l
	return nil
}

// Link implements FS.
func (o *Overlay) Link(from, to string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, err := o.find("link", from)
	if err != nil {
		return err
	}
	if l.isDir {
		return &fs.PathError{Op: "link", Path: from, Err: syscall.EPERM}
	}
	m, last, err := o.parent("link", to)
	if err != nil {
		return err
	}
	if m[last] != nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	m[last] = l
	return nil
}

// Truncate implements FS.
func (o *Overlay) Truncate(name string, size int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, err := o.find("truncate", name)
	if err != nil {
		return err
	}
	if l.isDir {
		return &fs.PathError{Op: "truncate", Path: name, Err: syscall.EISDIR}
	}
	if err := o.own(l); err != nil {
		return err
	}
	data := make([]byte, size)
	copy(data, l.data)
	l.data = data
	return nil
}

// MkdirAll implements FS.
func (o *Overlay) MkdirAll(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	parts, err := o.parts("mkdir", name)
	if err != nil {
		return err
	}
	l := o.root
	for _, p := range parts {
		m, err := o.children(l)
		if err != nil {
			return err
		}
		if m[p] == nil {
			m[p] = &layer{isDir: true, listed: true, entries: map[string]*layer{}, mod: time.Now()}
		}
		if l = m[p]; !l.isDir {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
	}
	return nil
}

// ReadDir implements FS.
func (o *Overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d, err := o.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !d.isDir {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	m, err := o.children(d)
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for k, l := range m {
		out = append(out, fs.FileInfoToDirEntry(l.stat(k)))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

// Stat implements FS.
func (o *Overlay) Stat(name string) (fs.FileInfo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, err := o.find("stat", name)
	if err != nil {
		return nil, err
	}
	return l.stat(path.Base(name)), nil
}

// stat describes a file or directory under the name it has in the view.
func (l *layer) stat(name string) fs.FileInfo {
	i := memInfo{name: name, size: int64(len(l.data)), dir: l.isDir, mod: l.mod}
	if l.base != "" && l.info != nil {
		i.size, i.mod = l.info.Size(), l.info.ModTime()
	}
	return i
}

// SyncDir implements FS: there is nothing to make durable.
func (o *Overlay) SyncDir(string) error { return nil }

// Lock implements FS: the view is the caller's alone.
func (o *Overlay) Lock(string) (io.Closer, error) { return unlocker(func() error { return nil }), nil }

// Free implements FS.
func (o *Overlay) Free(string) (uint64, error) { return o.base.Free(o.dir) }

// Size implements FS.
func (o *Overlay) Size(string) (uint64, error) { return o.base.Size(o.dir) }

// overlayFile is an open file in memory.
type overlayFile struct {
	o     *Overlay
	l     *layer
	name  string
	write bool
	off   int64
}

func (f *overlayFile) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.off)
	f.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (f *overlayFile) ReadAt(p []byte, off int64) (int, error) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	if off >= int64(len(f.l.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.l.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *overlayFile) Write(p []byte) (int, error) {
	if !f.write {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	f.l.data = append(f.l.data, p...)
	f.l.mod = time.Now()
	return len(p), nil
}

func (f *overlayFile) Close() error { return nil }

func (f *overlayFile) Sync() error { return nil }

func (f *overlayFile) Stat() (fs.FileInfo, error) {
	f.o.mu.Lock()
	defer f.o.mu.Unlock()
	return f.l.stat(path.Base(f.name)), nil
}
