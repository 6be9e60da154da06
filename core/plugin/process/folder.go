package process

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Names of what is in the engine's folder.
const (
	dirPrefix = "hearth-plugins-"
	lockName  = "lock"
)

// maxDir is how long the name of the engine's folder may be: those of sockets in it must fit into 107 bytes, of which
// go-plugin takes 39 at most and the number of the child some.
const maxDir = 107 - 39 - 9

// runtimeDir returns the engine's folder, making it with the first call.
func (e *Engine) runtimeDir() (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.dir != "" {
		return e.mu.dir, nil
	}
	parent := e.o.Dir
	if parent == "" {
		parent = defaultDir()
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", fmt.Errorf("folder for running plugins: %w: name another in runtime of [plugins]", err)
	}
	sweep(parent, e.o.Logger)
	dir, err := os.MkdirTemp(parent, dirPrefix) // with mode 0700
	if err != nil {
		return "", fmt.Errorf("folder for running plugins: %w: name another in runtime of [plugins]", err)
	}
	if len(dir) > maxDir {
		return "", errors.Join(fmt.Errorf("the name of the folder for running plugins, %s, is too long for sockets: name one of at most %d bytes in runtime of [plugins]",
			parent, maxDir-len(dirPrefix)-10), os.Remove(dir))
	}
	lock, err := takeLock(filepath.Join(dir, lockName))
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	e.mu.dir, e.mu.lock = dir, lock
	return dir, nil
}

// defaultDir is where systemd and login sessions have folders that are in memory and of one user.
func defaultDir() string {
	for _, name := range []string{"RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"} {
		dir, _, _ := strings.Cut(os.Getenv(name), ":") // systemd lists several
		if fi, err := os.Stat(dir); err == nil && fi.IsDir() && dir != "" {
			return dir
		}
	}
	return os.TempDir()
}

// sweep removes the folders that servers left behind which were killed: their locks are free.
func sweep(parent string, log *slog.Logger) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return // making a folder there will tell
	}
	for _, entry := range entries {
		dir := filepath.Join(parent, entry.Name())
		if !strings.HasPrefix(entry.Name(), dirPrefix) || !entry.IsDir() {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, lockName)); err != nil {
			continue // it is being made, or another user's
		}
		lock, err := takeLock(filepath.Join(dir, lockName))
		if err != nil {
			continue
		}
		if err := errors.Join(os.RemoveAll(dir), lock.Close()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("a folder that an earlier server left behind can't be removed", "dir", dir, "err", err)
		}
	}
}

// childDir makes a folder for one process.
func (e *Engine) childDir() (string, error) {
	base, err := e.runtimeDir()
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	e.mu.children++
	dir := filepath.Join(base, strconv.FormatUint(e.mu.children, 36))
	e.mu.Unlock()
	for _, d := range []string{dir, filepath.Join(dir, tmpName), filepath.Join(dir, secretsName)} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// Names of what is in the folder of a process.
const (
	tmpName     = "tmp"
	secretsName = "secrets"
	programName = "program"
)
