package sock

import (
	"errors"
	"io/fs"
	"net"
	"strconv"
	"strings"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// Tree returns the file system that is to be seen at /net.
func (n *Net) Tree() wsys.FS { return &tree{n: n} }

type tree struct {
	wsys.UnimplementedFS
	n *Net
}

// Stat implements sys.FS: there are two folders, and what is dialled can't be looked at before.
func (t *tree) Stat(p string) (sys.Stat_t, wsys.Errno) {
	if p == "." || p == "tcp" {
		return folder{}.Stat()
	}
	return sys.Stat_t{}, wsys.ENOENT
}

// Lstat implements sys.FS.
func (t *tree) Lstat(p string) (sys.Stat_t, wsys.Errno) { return t.Stat(p) }

// OpenFile implements sys.FS: opening tcp/HOST:PORT#TOKEN dials.
func (t *tree) OpenFile(p string, flag wsys.Oflag, _ fs.FileMode) (wsys.File, wsys.Errno) {
	if p == "." || p == "tcp" {
		return t.n.openFolder()
	}
	rest, ok := strings.CutPrefix(p, "tcp/")
	if !ok {
		t.n.c.Refused("/net/"+p, errOnlyTCP)
		return nil, wsys.ENOENT
	}
	if flag&wsys.O_DIRECTORY != 0 {
		return nil, wsys.ENOTDIR
	}
	address, token, _ := strings.Cut(rest, "#")
	if !validAddress(address) || !validToken(token) {
		return nil, wsys.EINVAL
	}
	s, e := t.n.open(address, token)
	if e != 0 {
		return nil, e
	}
	s.nonblock = flag&wsys.O_NONBLOCK != 0
	return s, 0
}

func validAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(host) > 255 {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func validToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

var errOnlyTCP = errors.New("there are TCP connections and nothing else")

// folder is /net and /net/tcp: there, and empty to look at.
type folder struct {
	wsys.UnimplementedFile
	n *Net // which counts it when it is open
}

const maxFolders = 16 // open at the same time

func (n *Net) openFolder() (wsys.File, wsys.Errno) {
	if n.folders >= maxFolders {
		return nil, wsys.EAGAIN
	}
	n.folders++
	return folder{n: n}, 0
}

func (folder) Stat() (sys.Stat_t, wsys.Errno) {
	return sys.Stat_t{Mode: fs.ModeDir | 0o555, Nlink: 1, Ino: 1}, 0
}
func (folder) Ino() (sys.Inode, wsys.Errno)            { return 1, 0 }
func (folder) Dev() (uint64, wsys.Errno)               { return 0, 0 }
func (folder) IsDir() (bool, wsys.Errno)               { return true, 0 }
func (folder) Readdir(int) ([]wsys.Dirent, wsys.Errno) { return nil, 0 }

// Close implements sys.File.
func (f folder) Close() wsys.Errno {
	f.n.folders--
	return 0
}
