// Package rofs is the file system a guest sees: one read-only tree from /, in which there is nothing but the files and
// folders that were granted, at their own paths, the secrets as files /secrets/NAME, and what else is mounted. Folders on
// the way to a granted path exist and list only that way; everything else is "permission denied".
//
// Granted folders are opened as os.Root, so that neither .. nor links lead out of them. A link out of one into another
// granted path is followed. /proc needs more than that: it holds other processes' environments, memory and open files,
// the server's own among them, and links of the kernel's that lead anywhere; see proc.go. The rules are checked on the
// path that is asked for and again on what the kernel has opened.
package rofs

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

const (
	maxPath  = 4096   // bytes
	maxLinks = 40     // that are followed on the way to a file, as in Linux
	maxList  = 65_536 // entries of a folder in one go
)

// Config is what a guest may see.
type Config struct {
	Paths    []string                          // files and folders, absolute and clean; one may be a link itself
	Secrets  map[string]func() (string, error) // by name, read at each open
	Mounts   map[string]wsys.FS                // file systems of the host's at /NAME; they hide what is granted there
	MaxFiles int                               // open at the same time; 0 means 64
	Refused  func(path string, why Refusal)    // told of what was not allowed; may be nil
	Trouble  func(path string, err error)      // told of a secret that can't be read; may be nil
	Over     func() bool                       // whether there is no time left to read; may be nil
}

// Refusal is why something was not allowed.
type Refusal int

// Refusals.
const (
	NotGranted Refusal = iota
	Hidden             // what of the kernel's or of other processes no guest may see
	NotAFile           // a pipe, a device or a socket
	ReadOnly
)

// FS is the file system of one instance. It is not safe for concurrent use: an instance makes one call at a time.
type FS struct {
	wsys.UnimplementedFS
	c     Config
	roots map[string]*root // by granted path, opened when needed
	open  int
	slow  bool // os.Root has to do what the kernel can't
}

// root is a granted path: a folder, or one file of a folder.
type root struct {
	*os.Root
	dir  *os.File // the same folder
	file string   // name of the only file to be seen; empty for a folder
}

// New returns a file system; Close releases it.
func New(c Config) *FS {
	if c.MaxFiles == 0 {
		c.MaxFiles = 64
	}
	return &FS{c: c, roots: map[string]*root{}}
}

// Close closes the granted folders. Open files are closed by whoever has opened them.
func (f *FS) Close() error {
	var first error
	for at, r := range f.roots {
		if err := errors.Join(r.dir.Close(), r.Close()); err != nil && first == nil {
			first = err
		}
		delete(f.roots, at)
	}
	return first
}

// place is where a path leads: exactly one of its fields is set, or none if it leads nowhere.
type place struct {
	mount   wsys.FS // with name in it
	secret  func() (string, error)
	virtual bool  // a folder on the way to something
	root    *root // with name in it
	name    string
}

const secretsName = "secrets"

// find returns where an absolute path leads.
func (f *FS) find(p string) (place, wsys.Errno) {
	if len(p) > maxPath {
		return place{}, wsys.ENAMETOOLONG
	}
	top, rest, below := strings.Cut(p[1:], "/")
	if fsys, ok := f.c.Mounts[top]; ok {
		if !below {
			rest = "."
		}
		return place{mount: fsys, name: rest}, 0
	}
	if top == secretsName && !below { // asking which there are is no offence
		return place{virtual: true}, 0
	}
	if top == secretsName && len(f.c.Secrets) > 0 {
		if s, ok := f.c.Secrets[rest]; ok {
			return place{secret: s}, 0
		}
		f.refuse(p, NotGranted)
		return place{}, wsys.ENOENT
	}
	grant, found := "", false
	for _, g := range f.c.Paths {
		if within(p, g) && len(g) >= len(grant) {
			grant, found = g, true
		}
	}
	switch {
	case found && procDenied(p):
		return place{}, f.refuse(p, Hidden)
	case found:
		return f.below(grant, p)
	case f.onTheWay(p):
		return place{virtual: true}, 0
	case top == secretsName:
		f.refuse(p, NotGranted)
		return place{}, wsys.ENOENT
	}
	return place{}, f.refuse(p, NotGranted)
}

func (f *FS) refuse(p string, why Refusal) wsys.Errno {
	if f.c.Refused != nil {
		f.c.Refused(p, why)
	}
	return wsys.EACCES
}

// over tells whether a read has to end since nobody waits for it.
func (f *FS) over() bool { return f.c.Over != nil && f.c.Over() }

// below returns the place of p in a granted path, opening that first if need be.
func (f *FS) below(grant, p string) (place, wsys.Errno) {
	r, ok := f.roots[grant]
	if !ok {
		var err error
		if r, err = openRoot(grant); err != nil {
			return place{}, errno(err)
		}
		f.roots[grant] = r
	}
	rel := strings.Trim(p[len(grant):], "/")
	if r.file != "" {
		if rel != "" {
			return place{}, wsys.ENOTDIR
		}
		return place{root: r, name: r.file}, 0
	}
	if rel == "" {
		rel = "."
	}
	return place{root: r, name: rel}, 0
}

// openRoot opens a granted path. If that is a link it is followed: it is the link that was granted.
func openRoot(p string) (*root, error) {
	fi, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	r := &root{}
	if !fi.IsDir() {
		if p, err = resolve(p); err != nil {
			return nil, err
		}
		r.file = path.Base(p)
		p = path.Dir(p)
	}
	if r.Root, err = os.OpenRoot(p); err != nil {
		return nil, err
	}
	if r.dir, err = r.Open("."); err != nil {
		r.Root.Close()
		return nil, err
	}
	return r, nil
}

// onTheWay tells whether p is a folder above something that can be seen.
func (f *FS) onTheWay(p string) bool {
	return p == "/" || slices.ContainsFunc(f.c.Paths, func(g string) bool { return within(g, p) })
}

// within tells whether p is the folder dir or below it.
func within(p, dir string) bool {
	return p == dir || dir == "/" || (len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir)
}

// absolute turns the path of a request, relative to the tree, into an absolute one.
func absolute(p string) string { return path.Clean("/" + p) }

// Stat implements sys.FS.
func (f *FS) Stat(p string) (sys.Stat_t, wsys.Errno) { return f.stat(absolute(p), true) }

// Lstat implements sys.FS.
func (f *FS) Lstat(p string) (sys.Stat_t, wsys.Errno) { return f.stat(absolute(p), false) }

func (f *FS) stat(p string, follow bool) (sys.Stat_t, wsys.Errno) {
	var out sys.Stat_t
	e := f.follow(p, func(at place) (e wsys.Errno, err error) {
		switch {
		case at.mount != nil:
			out, e = at.mount.Stat(at.name)
		case at.secret != nil:
			var s string
			if s, e = f.reveal(p, at.secret); e == 0 {
				out = sys.Stat_t{Mode: 0o400, Nlink: 1, Ino: 1, Size: int64(len(s))}
			}
		case at.virtual:
			out = folderStat()
		default:
			var fi fs.FileInfo
			if follow {
				fi, err = at.root.Stat(at.name)
			} else {
				fi, err = at.root.Lstat(at.name)
			}
			if err == nil {
				out = sys.NewStat_t(fi)
			}
		}
		return e, err
	})
	return out, e
}

// Readlink implements sys.FS.
func (f *FS) Readlink(p string) (string, wsys.Errno) {
	var out string
	e := f.follow(absolute(p), func(at place) (e wsys.Errno, err error) {
		if at.root == nil {
			return wsys.EINVAL, nil
		}
		if f.hiddenLink(at) {
			return f.refuse(absolute(p), Hidden), nil
		}
		out, err = at.root.Readlink(at.name)
		return 0, err
	})
	return out, e
}

// Nothing is changed.

// Mkdir implements sys.FS.
func (f *FS) Mkdir(p string, _ fs.FileMode) wsys.Errno { return f.readOnly(p) }

// Chmod implements sys.FS.
func (f *FS) Chmod(p string, _ fs.FileMode) wsys.Errno { return f.readOnly(p) }

// Rename implements sys.FS.
func (f *FS) Rename(from, _ string) wsys.Errno { return f.readOnly(from) }

// Rmdir implements sys.FS.
func (f *FS) Rmdir(p string) wsys.Errno { return f.readOnly(p) }

// Unlink implements sys.FS.
func (f *FS) Unlink(p string) wsys.Errno { return f.readOnly(p) }

// Link implements sys.FS.
func (f *FS) Link(_, p string) wsys.Errno { return f.readOnly(p) }

// Symlink implements sys.FS.
func (f *FS) Symlink(_, p string) wsys.Errno { return f.readOnly(p) }

// Utimens implements sys.FS.
func (f *FS) Utimens(p string, _, _ int64) wsys.Errno { return f.readOnly(p) }

func (f *FS) readOnly(p string) wsys.Errno {
	f.refuse(absolute(p), ReadOnly)
	return wsys.EROFS
}

// hiddenLink tells whether a link is one of a process, in a procfs that is mounted elsewhere than at /proc.
func (f *FS) hiddenLink(at place) bool {
	dir, err := f.openBeneath(at.root, path.Dir(at.name))
	if err != nil {
		return false // the reading of the link says why
	}
	defer dir.Close()
	proc, seen := opened(dir)
	return !seen || proc != "" && deniedSomewhere(path.Join(proc, path.Base(at.name)))
}

const writing = wsys.O_RDWR | wsys.O_WRONLY | wsys.O_CREAT | wsys.O_TRUNC | wsys.O_APPEND | wsys.O_EXCL

// OpenFile implements sys.FS. What is mounted decides about its flags itself; all else is for reading.
func (f *FS) OpenFile(p string, flag wsys.Oflag, perm fs.FileMode) (wsys.File, wsys.Errno) {
	var out wsys.File
	abs := absolute(p)
	e := f.follow(abs, func(at place) (e wsys.Errno, err error) {
		if at.mount != nil {
			out, e = at.mount.OpenFile(at.name, flag, perm)
			return e, nil
		}
		if flag&writing != 0 {
			return f.readOnly(abs), nil
		}
		if f.open >= f.c.MaxFiles {
			return wsys.EAGAIN, nil
		}
		switch {
		case at.secret != nil:
			s, e := f.reveal(abs, at.secret)
			if e != 0 {
				return e, nil
			}
			out = &secretFile{text: s, fs: f}
		case at.virtual:
			out = &folder{fs: f, names: f.list(abs)}
		default:
			if out, e, err = f.openReal(at, abs, flag); err != nil || e != 0 {
				return e, err
			}
		}
		f.open++
		return 0, nil
	})
	return out, e
}

func (f *FS) reveal(p string, read func() (string, error)) (string, wsys.Errno) {
	s, err := read()
	if err != nil {
		if f.c.Trouble != nil {
			f.c.Trouble(p, err)
		}
		return "", wsys.EIO
	}
	return s, 0
}

// list returns the entries of a virtual folder.
func (f *FS) list(p string) []string {
	var names []string
	if p == "/"+secretsName && len(f.c.Secrets) > 0 {
		for name := range f.c.Secrets {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	if p == "/" {
		for name := range f.c.Mounts {
			names = append(names, name)
		}
		if len(f.c.Secrets) > 0 {
			names = append(names, secretsName)
		}
	}
	for _, g := range f.c.Paths {
		if rest := strings.TrimPrefix(strings.TrimPrefix(g, p), "/"); within(g, p) && rest != "" {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
