// Package process runs plugins that are programs of this machine: child processes that speak gRPC, as sdk/process and
// sdk/abi/ABI.md have it. Nothing confines such a program to its rights, which is why the operator has to trust it by
// name. What is guarded against is what goes wrong, not what is meant badly:
//
//	another file than was checked     the program is copied into memory that nobody can change, and run from there
//	a child that outlives its host    a session of its own, killed as a whole; the kernel kills the child when hearth dies
//	a child that ends                 it is started again, later each time; calls meanwhile fail at once, with the reason
//	a child that does not answer      deadlines; one that is still busy some time after them is killed
//	a child that takes memory         limits of the kernel for data, open files and processes; no core files
//	a child that floods the log       lines are counted, and reading slows down
//	an environment full of secrets    it is not inherited; secrets are files in a folder that only the child's user reads
//	other processes on this machine   a socket in that folder, and TLS with certificates made for this one start
//
// An Engine is what the processes of all plugins share, a Pool is one use of a plugin. A Pool keeps one process at least
// and starts more, up to its limit, while calls are waiting: a process answers one call at a time, as a module does.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options is what an Engine needs. The zero value is ready to use.
type Options struct {
	// Dir is where the folder with the sockets and secrets of all processes is made; empty: $RUNTIME_DIRECTORY,
	// $XDG_RUNTIME_DIR, or else the folder for temporary files.
	Dir    string
	Logger *slog.Logger // nil discards

	StartTimeout time.Duration // until a process says where it listens; 0 means 10 s
	Grace        time.Duration // for ending: a call after its deadline, a process that is to stop; 0 means 2 s
	Idle         time.Duration // after which a process that is not the last one is stopped; 0 means 2 min
	Backoff      Backoff
}

// Engine is what the processes of all plugins share. It is safe for concurrent use.
type Engine struct {
	o       Options
	starter starter

	mu struct {
		sync.Mutex
		dir      string   // made with the first pool
		lock     *os.File // held as long as dir is in use
		children uint64   // that were ever started
		programs map[string]*program
	}
}

// NewEngine returns an engine, which does nothing until a pool is opened. Close ends it.
func NewEngine(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 10 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 2 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = 2 * time.Minute
	}
	o.Backoff.setDefaults()
	e := &Engine{o: o}
	e.mu.programs = map[string]*program{}
	return e
}

// Close ends the engine and removes its folder. Pools are to be closed before.
func (e *Engine) Close() error {
	e.starter.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.dir == "" {
		return nil
	}
	err := errors.Join(os.RemoveAll(e.mu.dir), e.mu.lock.Close())
	e.mu.dir = ""
	return err
}

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

// Backoff says how long a process that has ended stays down. Each end that follows soon after a start doubles the time.
type Backoff struct {
	Least  time.Duration // 0 means 500 ms
	Most   time.Duration // 0 means 1 min
	Steady time.Duration // a process that lived as long, or has answered a call, ended for a new reason; 0 means 1 min
}

func (b *Backoff) setDefaults() {
	if b.Least == 0 {
		b.Least = 500 * time.Millisecond
	}
	if b.Most == 0 {
		b.Most = time.Minute
	}
	if b.Steady == 0 {
		b.Steady = time.Minute
	}
}

// delay returns how long to wait after so many failures in a row, at least 1. It is spread by a quarter to both sides,
// so that plugins which failed together are not started together.
func (b Backoff) delay(failures int) time.Duration {
	d := b.Most
	if failures < 32 && b.Least<<(failures-1) < b.Most {
		d = b.Least << (failures - 1)
	}
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}
