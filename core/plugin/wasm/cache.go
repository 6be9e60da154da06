package wasm

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/hearth-project/hearth/core/plugin/wasm/fuel"
)

// cacheDir is the folder of one module: the rewritten module and wazero's compiled code. Its name says of which bytes, by
// which rewriting and by which wazero they were made.
type cacheDir struct {
	path string // empty: nothing is kept
}

// openCache makes the folder of a module below base and drops the folders of the plugin's earlier versions. The folders
// hold code that is executed, so nobody else may write to them.
func openCache(base, id, digest string) (cacheDir, error) {
	if base == "" {
		return cacheDir{}, nil
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return cacheDir{}, fmt.Errorf("folder of compiled modules: %w", err)
	}
	own := filepath.Join(base, filepath.FromSlash(id))
	name := fmt.Sprintf("%.32s-%d-%s", digest, fuel.Version, wazeroVersion())
	if err := os.MkdirAll(filepath.Join(own, name), 0o700); err != nil {
		return cacheDir{}, fmt.Errorf("folder of compiled modules: %w", err)
	}
	for dir := filepath.Join(own, name); len(dir) >= len(base); dir = filepath.Dir(dir) {
		if err := private(dir); err != nil {
			return cacheDir{}, fmt.Errorf("folder of compiled modules: %w", err)
		}
	}
	others, err := os.ReadDir(own)
	if err != nil {
		return cacheDir{}, fmt.Errorf("folder of compiled modules: %w", err)
	}
	for _, o := range others {
		if o.Name() != name {
			_ = os.RemoveAll(filepath.Join(own, o.Name())) // what stays costs only room
		}
	}
	return cacheDir{filepath.Join(own, name)}, nil
}

// wazeroVersion is the version of wazero in this program, as far as that says so; programs built for tests do not.
func wazeroVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/tetratelabs/wazero" {
				return d.Version
			}
		}
	}
	return "unknown"
}

// private checks that a folder is ours alone.
func private(dir string) error {
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !fi.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case fi.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s has mode %#o, others could put code there: chmod 700 it", dir, fi.Mode().Perm())
	case ok && int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d, hearth runs as %d: remove it or change its owner", dir, st.Uid, os.Geteuid())
	}
	return nil
}

// Files of a module's folder. wazero's own are in a folder of its that bears its version.
const (
	rewrittenName = "rewritten.wasm"
	sumsName      = "sums"
	wazeroPrefix  = "wazero-"
)

// read returns the rewritten module if everything in the folder is as it was sealed, or nil. wazero checks the code that it
// has kept, but not where in it the functions begin.
func (c cacheDir) read() []byte {
	if c.path == "" {
		return nil
	}
	sums, err := os.ReadFile(filepath.Join(c.path, sumsName))
	if err != nil {
		return nil
	}
	now, module, err := c.sums()
	if err != nil || string(sums) != now {
		return nil
	}
	return module
}

// seal writes down what is in the folder.
func (c cacheDir) seal() error {
	if c.path == "" {
		return nil
	}
	sums, _, err := c.sums()
	if err != nil {
		return err
	}
	return c.write(sumsName, []byte(sums))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sums returns a line for each file of the folder: a checksum, the length and the name; and the rewritten module, which it
// has read for that. It is against damage; against others there are the modes of the folders, and files of theirs from
// before are refused.
func (c cacheDir) sums() (_ string, module []byte, _ error) {
	var lines []string
	buffer := make([]byte, 256<<10)
	err := filepath.WalkDir(c.path, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err != nil {
			return err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("%s belongs to user %d", p, st.Uid)
		}
		name, err := filepath.Rel(c.path, p)
		if err != nil || e.IsDir() || name == sumsName || strings.HasSuffix(name, tmpSuffix) {
			return err
		}
		if !fi.Mode().IsRegular() {
			return fmt.Errorf("%s is not a file", p)
		}
		sum := crc32.New(castagnoli)
		var n int64
		if name == rewrittenName {
			if module, err = os.ReadFile(p); err != nil {
				return err
			}
			sum.Write(module)
			n = int64(len(module))
		} else if n, err = copyFile(sum, p, buffer); err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%08x %d %s\n", sum.Sum32(), n, filepath.ToSlash(name)))
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	return strings.Join(lines, ""), module, nil // WalkDir goes in the order of names
}

func copyFile(w io.Writer, name string, buffer []byte) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return io.CopyBuffer(w, struct{ io.Reader }{f}, buffer) // without the file's own WriteTo, which has its own buffer
}

// keep keeps the rewritten module.
func (c cacheDir) keep(module []byte) error {
	if c.path == "" {
		return nil
	}
	return c.write(rewrittenName, module)
}

const tmpSuffix = ".tmp" // of files that are being written, wazero's too

// write makes a file, which appears in one step or not at all.
func (c cacheDir) write(name string, content []byte) error {
	f, err := os.CreateTemp(c.path, name+".*"+tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.path, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// drop removes what was kept, so that it is made anew.
func (c cacheDir) drop() {
	if c.path == "" {
		return
	}
	entries, err := os.ReadDir(c.path)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Name() == rewrittenName || e.Name() == sumsName || strings.HasPrefix(e.Name(), wazeroPrefix) || strings.HasSuffix(e.Name(), tmpSuffix) {
			_ = os.RemoveAll(filepath.Join(c.path, e.Name())) // what can't be removed does not match its checksum
		}
	}
}
