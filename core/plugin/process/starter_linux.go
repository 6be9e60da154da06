package process

import (
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// starter starts children from one thread that lives as long as the engine. The kernel kills a child when its parent
// dies, and by parent it means the thread: one of Go's own may end at any time.
type starter struct {
	mu       sync.Mutex
	requests chan startRequest
	done     sync.WaitGroup
	stopped  bool
}

type startRequest struct {
	path  string
	argv  []string
	attr  *os.ProcAttr
	reply chan<- startReply
}

type startReply struct {
	process *os.Process
	err     error
}

// start starts a child in a session of its own.
func (s *starter) start(path string, argv []string, attr *os.ProcAttr) (*os.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, os.ErrClosed
	}
	if s.requests == nil {
		s.requests = make(chan startRequest)
		s.done.Go(func() { serveStarts(s.requests) })
	}
	attr.Sys = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	reply := make(chan startReply)
	s.requests <- startRequest{path, argv, attr, reply}
	r := <-reply
	return r.process, r.err
}

func serveStarts(requests <-chan startRequest) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for r := range requests {
		p, err := os.StartProcess(r.path, r.argv, r.attr)
		r.reply <- startReply{p, err}
	}
}

// stop ends the thread. Children it has started must be gone.
func (s *starter) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests != nil && !s.stopped {
		close(s.requests)
		s.done.Wait()
	}
	s.stopped = true
}

// waitEnd returns when a child has ended, and leaves it a zombie, so that its number still means it and its session.
func waitEnd(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

// takeLock opens a file and takes its lock, which the kernel frees with the process at the latest.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return f, nil
}
