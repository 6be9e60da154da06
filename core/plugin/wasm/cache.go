package wasm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hearth-project/hearth/core/plugin/wasm/fuel"
)

// cacheDir is the folder of one module: the rewritten module and wazero's compiled code. Its name says of which bytes and
// by which rewriting they were made.
type cacheDir struct {
	path string // empty: nothing is kept
}

// openCache makes the folder of a module below base and drops the folders of the plugin's earlier versions. The folders
// hold code that is executed, so nobody else may write to them.
func openCache(base, id, digest string) (cacheDir, error) {
	if base == "" {
		return cacheDir{}, nil
	}
	own := filepath.Join(base, filepath.FromSlash(id))
	name := fmt.Sprintf("%.32s-%d", digest, fuel.Version)
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

const rewrittenName = "rewritten.wasm"

// rewritten returns the module as it was kept, or nil.
func (c cacheDir) rewritten() []byte {
	if c.path == "" {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(c.path, rewrittenName))
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// keep keeps the rewritten module. It appears in one step or not at all.
func (c cacheDir) keep(module []byte) error {
	if c.path == "" {
		return nil
	}
	f, err := os.CreateTemp(c.path, rewrittenName+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(module)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.path, rewrittenName))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// drop removes what was kept, so that the next load starts afresh.
func (c cacheDir) drop() {
	if c.path == "" {
		return
	}
	entries, err := os.ReadDir(c.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	for _, e := range entries {
		if e.Name() == rewrittenName || strings.HasPrefix(e.Name(), "wazero-") {
			_ = os.RemoveAll(filepath.Join(c.path, e.Name()))
		}
	}
}
