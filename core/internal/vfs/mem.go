package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Op is one operation that changes a Mem, as its hook sees it.
type Op struct {
	Kind string // "create", "write", "sync", "syncdir", "rename", "remove", "link", "truncate", "mkdir"
	Name string
	Size int // of a write
}

// TornWrite, returned by a hook for a write, lets the first Keep bytes through and then fails with Err.
type TornWrite struct {
	Keep int
	Err  error
}

func (e *TornWrite) Error() string { return fmt.Sprintf("torn after %d bytes: %v", e.Keep, e.Err) }

// Unwrap returns Err.
func (e *TornWrite) Unwrap() error { return e.Err }

// Mem is a file system in memory for tests of durability. It remembers what was synced, so that Crash can
// return the disk as a power cut would leave it: the contents of a file as of its last Sync, the entries of a
// directory as of its last SyncDir. That is stricter than common file systems are.
type Mem struct {
	mu    sync.Mutex
	root  *node
	locks map[string]bool
	hook  func(Op) error
	size  uint64
	free  uint64 // what Free says; noFree: what is left of size
}

const noFree = ^uint64(0)

// node is a file (dir == nil) or a directory.
type node struct {
	live, durable map[string]*node // of a directory
	isDir         bool
	data, synced  []byte // of a file
	mod           time.Time
}

func newDir() *node {
	return &node{isDir: true, live: map[string]*node{}, durable: map[string]*node{}}
}

// NewMem returns an empty file system.
func NewMem() *Mem {
	return &Mem{root: newDir(), locks: map[string]bool{}, size: 1 << 41, free: 1 << 40}
}

// Hook has f called before each operation that changes something; the operation fails with what f returns.
// f may call Crash and Kill of this Mem, nothing else of it. nil takes the hook away.
func (m *Mem) Hook(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// SetFree sets what Free reports.
func (m *Mem) SetFree(bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = bytes
}

// SetSize makes the disk one of so many bytes: what is written beyond them fails with ENOSPC, and Free tells what is
// left. Only the contents of files that have a name take space.
func (m *Mem) SetSize(bytes uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size, m.free = bytes, noFree
}

// left returns how many bytes more can be written. The lock is held.
func (m *Mem) left() uint64 {
	seen := map[*node]bool{}
	used := uint64(0)
	var walk func(*node)
	walk = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		used += uint64(len(n.data))
		for _, c := range n.live {
			walk(c)
		}
	}
	walk(m.root)
	return m.size - min(used, m.size)
}

// Crash returns the disk as a power cut now would leave it. keep, if not nil, tells how many of the unsynced
// bytes at the end of a file reached the disk all the same.
func (m *Mem) Crash(keep func(name string, unsynced int) int) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.root = crashed(m.root, "", keep)
	return c
}

// Kill returns the disk as the end of the process now would leave it: all that was written is there.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.root = killed(m.root)
	return c
}

func crashed(n *node, name string, keep func(string, int) int) *node {
	if !n.isDir {
		data := slices.Clone(n.synced)
		if extra := len(n.data) - len(n.synced); keep != nil && extra > 0 {
			k := min(max(keep(name, extra), 0), extra)
			data = append(data, n.data[len(n.synced):len(n.synced)+k]...)
		}
		return &node{data: data, synced: slices.Clone(data), mod: n.mod}
	}
	d := newDir()
	for k, v := range n.durable {
		c := crashed(v, name+"/"+k, keep)
		d.live[k], d.durable[k] = c, c
	}
	return d
}

func killed(n *node) *node {
	if !n.isDir {
		return &node{data: slices.Clone(n.data), synced: slices.Clone(n.data), mod: n.mod}
	}
	d := newDir()
	for k, v := range n.live {
		c := killed(v)
		d.live[k], d.durable[k] = c, c
	}
	return d
}

// before runs the hook, without the lock.
func (m *Mem) before(op Op) error {
	m.mu.Lock()
	h := m.hook
	m.mu.Unlock()
	if h == nil {
		return nil
	}
	return h(op)
}

func split(name string) []string {
	name = strings.Trim(path.Clean(filepath.ToSlash(name)), "/")
	if name == "" || name == "." {
		return nil
	}
	return strings.Split(name, "/")
}

func notExist(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

// find returns the node of name, or nil. The lock is held.
func (m *Mem) find(name string) *node {
	n := m.root
	for _, p := range split(name) {
		if !n.isDir {
			return nil
		}
		if n = n.live[p]; n == nil {
			return nil
		}
	}
	return n
}

// parent returns the directory of name and the last element. The lock is held.
func (m *Mem) parent(op, name string) (*node, string, error) {
	parts := split(name)
	if len(parts) == 0 {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	d := m.find(strings.Join(parts[:len(parts)-1], "/"))
	if d == nil || !d.isDir {
		return nil, "", notExist(op, name)
	}
	return d, parts[len(parts)-1], nil
}

func (m *Mem) openWrite(name string, truncate bool) (File, error) {
	if err := m.before(Op{Kind: "create", Name: name}); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("open", name)
	if err != nil {
		return nil, err
	}
	n := d.live[base]
	if n != nil && n.isDir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	if n == nil {
		n = &node{mod: time.Now()}
		d.live[base] = n
	}
	if truncate {
		n.data, n.synced = nil, nil
	}
	return &memFile{m: m, n: n, name: name, write: true}, nil
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) { return m.openWrite(name, true) }

// OpenAppend implements FS.
func (m *Mem) OpenAppend(name string) (File, error) { return m.openWrite(name, false) }

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	if n == nil {
		return nil, notExist("open", name)
	}
	return &memFile{m: m, n: n, name: name}, nil
}

// Map implements FS: the contents as they are now.
func (m *Mem) Map(name string) (Mapping, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	if n == nil || n.isDir {
		return nil, notExist("mmap", name)
	}
	return memMapping(slices.Clone(n.data)), nil
}

type memMapping []byte

func (m memMapping) Data() []byte { return m }

// Close fills the bytes with garbage, so that a use after it is seen.
func (m memMapping) Close() error {
	for i := range m {
		m[i] = 0xdb
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	if err := m.before(Op{Kind: "remove", Name: name}); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n := d.live[base]
	if n == nil {
		return notExist("remove", name)
	}
	if n.isDir && len(n.live) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	delete(d.live, base)
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	if err := m.before(Op{Kind: "remove", Name: name}); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, base, err := m.parent("remove", name); err == nil {
		delete(d.live, base)
	}
	return nil
}

// Rename implements FS.
func (m *Mem) Rename(from, to string) error {
	if err := m.before(Op{Kind: "rename", Name: to}); err != nil {
		return &fs.PathError{Op: "rename", Path: from, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	d, base, err := m.parent("rename", from)
	if err != nil {
		return err
	}
	n := d.live[base]
	if n == nil {
		return notExist("rename", from)
	}
	td, tbase, err := m.parent("rename", to)
	if err != nil {
		return err
	}
	if t := td.live[tbase]; t != nil && t.isDir && len(t.live) > 0 {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.ENOTEMPTY}
	}
	delete(d.live, base)
	td.live[tbase] = n
	return nil
}

// Link implements FS.
func (m *Mem) Link(from, to string) error {
	if err := m.before(Op{Kind: "link", Name: to}); err != nil {
		return &fs.PathError{Op: "link", Path: from, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(from)
	if n == nil || n.isDir {
		return notExist("link", from)
	}
	d, base, err := m.parent("link", to)
	if err != nil {
		return err
	}
	if d.live[base] != nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	d.live[base] = n
	return nil
}

// Truncate implements FS.
func (m *Mem) Truncate(name string, size int64) error {
	if err := m.before(Op{Kind: "truncate", Name: name}); err != nil {
		return &fs.PathError{Op: "truncate", Path: name, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	if n == nil || n.isDir {
		return notExist("truncate", name)
	}
	data := make([]byte, size)
	copy(data, n.data)
	n.data = data
	n.synced = n.synced[:min(int64(len(n.synced)), size)]
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	if err := m.before(Op{Kind: "mkdir", Name: name}); err != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.root
	for _, p := range split(name) {
		c := n.live[p]
		if c == nil {
			c = newDir()
			n.live[p] = c
		}
		if !c.isDir {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		n = c
	}
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	if n == nil || !n.isDir {
		return nil, notExist("readdir", name)
	}
	var out []fs.DirEntry
	for k, v := range n.live {
		out = append(out, fs.FileInfoToDirEntry(info(k, v)))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	if n == nil {
		return nil, notExist("stat", name)
	}
	return info(path.Base(name), n), nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	if err := m.before(Op{Kind: "syncdir", Name: name}); err != nil {
		return &fs.PathError{Op: "sync", Path: name, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(name)
	if n == nil || !n.isDir {
		return notExist("sync", name)
	}
	clear(n.durable)
	for k, v := range n.live {
		n.durable[k] = v
	}
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks[name] {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: syscall.EWOULDBLOCK}
	}
	m.locks[name] = true
	return unlocker(func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.locks, name)
		return nil
	}), nil
}

type unlocker func() error

func (u unlocker) Close() error { return u() }

// Free implements FS.
func (m *Mem) Free(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.free == noFree {
		return m.left(), nil
	}
	return m.free, nil
}

// Size implements FS.
func (m *Mem) Size(string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.size, nil
}

type memFile struct {
	m     *Mem
	n     *node
	name  string
	write bool
	off   int
}

func (f *memFile) Read(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.off >= len(f.n.data) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[f.off:])
	f.off += n
	return n, nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	if !f.write {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	err := f.m.before(Op{Kind: "write", Name: f.name, Size: len(p)})
	keep := len(p)
	if err != nil {
		keep = 0
		if t, ok := err.(*TornWrite); ok {
			keep = min(max(t.Keep, 0), len(p))
		}
		err = &fs.PathError{Op: "write", Path: f.name, Err: err}
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.m.free == noFree {
		if left := f.m.left(); uint64(keep) > left {
			keep, err = int(left), &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
	}
	f.n.data = append(f.n.data, p[:keep]...)
	f.n.mod = time.Now()
	return keep, err
}

func (f *memFile) Close() error { return nil }

func (f *memFile) Sync() error {
	if err := f.m.before(Op{Kind: "sync", Name: f.name}); err != nil {
		return &fs.PathError{Op: "sync", Path: f.name, Err: err}
	}
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.n.synced = slices.Clone(f.n.data)
	return nil
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return info(path.Base(f.name), f.n), nil
}

type memInfo struct {
	name string
	size int64
	dir  bool
	mod  time.Time
}

func info(name string, n *node) fs.FileInfo {
	return memInfo{name: name, size: int64(len(n.data)), dir: n.isDir, mod: n.mod}
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return i.mod }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o750
	}
	return 0o640
}
