package wasm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/tetratelabs/wazero/api"
)

const (
	statfsPatience = time.Second // that a guest has for a file system that does not answer, as one of a server that is gone
	maxHanging     = 8           // system calls that have not returned: each holds a thread
)

// mounts asks for the figures of mounted file systems. The system call may hang for ever, so each has a goroutine of its
// own, one for a path: who asks meanwhile waits for the same answer.
type mounts struct {
	sync.Mutex
	asked map[string]*answerOfMount
}

type answerOfMount struct {
	done    chan struct{}
	figures [8]uint64
	err     error
}

var errHanging = errors.New("too many file systems do not answer")

// ask returns the figures of the file system at path, or ctx's error.
func (m *mounts) ask(ctx context.Context, path string) ([8]uint64, error) {
	m.Lock()
	a := m.asked[path]
	switch {
	case a == nil && len(m.asked) >= maxHanging:
		m.Unlock()
		return [8]uint64{}, errHanging
	case a == nil:
		a = &answerOfMount{done: make(chan struct{})}
		if m.asked == nil {
			m.asked = map[string]*answerOfMount{}
		}
		m.asked[path] = a
		go func() {
			a.figures, a.err = statfs(path)
			m.Lock()
			delete(m.asked, path)
			m.Unlock()
			close(a.done)
		}()
	}
	m.Unlock()
	select {
	case <-a.done:
		return a.figures, a.err
	case <-ctx.Done():
		return [8]uint64{}, ctx.Err()
	}
}

// statfs is hearth_v1.statfs.
func (i *instance) statfs(ctx context.Context, mem api.Memory, ptr, size, out uint32) uint32 {
	b, ok := mem.Read(ptr, size)
	if !ok || size > maxPath {
		return errnoFault
	}
	path := string(b)
	if !i.pool.rights.mayStatfs(path) {
		i.refuse(fmt.Sprintf("statfs of %s is not granted: add %q to statfs of the plugin's grant", path, path))
		return errnoAccess
	}
	ctx, cancel := context.WithTimeout(ctx, statfsPatience)
	defer cancel()
	figures, err := i.pool.module.e.mounts.ask(ctx, path)
	if err != nil {
		return statfsErrno(err)
	}
	for n, v := range figures {
		if !mem.WriteUint64Le(out+uint32(n)*8, v) {
			return errnoFault
		}
	}
	return 0
}

func statfsErrno(err error) uint32 {
	switch err {
	case context.DeadlineExceeded, context.Canceled, errHanging:
		return errnoTimedOut
	case syscall.ENOENT:
		return errnoNoEntry
	case syscall.EACCES, syscall.EPERM:
		return errnoAccess
	case syscall.ENOSYS:
		return errnoNoSystem
	case syscall.EINVAL, syscall.ENOTDIR, syscall.ENAMETOOLONG:
		return errnoInval
	}
	return errnoIO
}
