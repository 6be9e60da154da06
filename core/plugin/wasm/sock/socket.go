package sock

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"sync/atomic"
	"syscall"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/sys/unix"
)

// socket is one connection, from the opening of its path on. It has the methods of wazero's TCPConn, by which wazero
// takes it for a stream socket.
type socket struct {
	wsys.UnimplementedFile
	n        *Net
	token    string
	fd       int32 // -1 until attached
	nonblock bool
	closed   bool
	told     bool
	cancel   context.CancelFunc

	dialled  chan struct{}   // closed when dialling has ended; then
	err      error           // why it has failed,
	conn     *net.TCPConn    // or the connection,
	raw      syscall.RawConn // and its descriptor
	watching [2]atomic.Bool  // whether a goroutine waits for it to become readable, writable
}

type direction int

const (
	reading direction = iota
	writing
)

func (s *socket) connected(conn *net.TCPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		s.err = err
		return
	}
	s.conn, s.raw = conn, raw
}

// dialError leaves out what the guest knows: what it has dialled.
func dialError(address string, err error) error {
	var special *SpecialError
	if errors.As(err, &special) {
		return special
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errors.New("connecting took too long")
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		return sys
	}
	return err
}

// failure returns why dialling has failed, or nil. A refusal of the address is told once.
func (s *socket) failure() error {
	var special *SpecialError
	if !s.told && errors.As(s.err, &special) {
		s.told = true
		s.n.c.Refused(special.Address, special)
	}
	return s.err
}

// do repeats a system call that does not block until it has done something; in blocking mode it waits in between.
func (s *socket) do(d direction, call func(fd int) (int, error)) (int, wsys.Errno) {
	for {
		switch {
		case s.closed:
			return 0, wsys.EBADF
		case s.n.call.ctx.Err() != nil:
			return 0, wsys.EINTR // the meter stops the guest
		}
		select {
		case <-s.dialled:
			if s.failure() != nil {
				return 0, wsys.EIO
			}
			var n int
			var err error
			if cerr := s.raw.Control(func(fd uintptr) { n, err = call(int(fd)) }); cerr != nil {
				return 0, wsys.EIO
			}
			switch err {
			case nil:
				return n, 0
			case syscall.EINTR:
				continue
			case syscall.EAGAIN:
			default:
				return 0, wsys.EIO // a reset or broken connection; WASI through wazero has no number for it
			}
		default:
		}
		if s.nonblock {
			return 0, wsys.EAGAIN
		}
		s.watch(d)
		select {
		case <-s.n.wake:
		case <-s.n.call.ctx.Done():
		}
	}
}

// Read implements sys.File.
func (s *socket) Read(p []byte) (int, wsys.Errno) { return s.receive(p, 0) }

// Recvfrom implements wazero's TCPConn; of the flags it knows MSG_PEEK.
func (s *socket) Recvfrom(p []byte, flags int) (int, wsys.Errno) {
	if flags&^unix.MSG_PEEK != 0 {
		return 0, wsys.ENOTSUP
	}
	return s.receive(p, flags)
}

func (s *socket) receive(p []byte, flags int) (int, wsys.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	n, e := s.do(reading, func(fd int) (int, error) {
		n, _, err := unix.Recvfrom(fd, p, flags)
		return n, err
	})
	if flags == 0 {
		s.n.bytesIn += uint64(n)
	}
	return n, e
}

// Write implements sys.File.
func (s *socket) Write(p []byte) (int, wsys.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	n, e := s.do(writing, func(fd int) (int, error) { return unix.Write(fd, p) })
	s.n.bytesOut += uint64(n)
	return n, e
}

// Shutdown implements wazero's TCPConn.
func (s *socket) Shutdown(how int) wsys.Errno {
	select {
	case <-s.dialled:
	default:
		return wsys.EAGAIN
	}
	if s.closed || s.err != nil {
		return wsys.EBADF
	}
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), how) }); cerr != nil || err != nil {
		return wsys.EIO
	}
	return 0
}

// Close implements sys.File. It may be called twice.
func (s *socket) Close() wsys.Errno {
	if s.closed {
		return 0
	}
	s.closed = true
	s.cancel()
	s.n.forget(s)
	select {
	case <-s.dialled:
		if s.conn != nil {
			s.conn.Close()
		}
	default:
		s.n.tasks.Go(func() { // dialling ends soon: it was cancelled
			<-s.dialled
			if s.conn != nil {
				s.conn.Close()
			}
		})
	}
	return 0
}

// ready tells whether a read or write would do something now, if only fail.
func (s *socket) ready(d direction) bool {
	if s.closed {
		return true
	}
	select {
	case <-s.dialled:
	default:
		return false
	}
	if s.err != nil {
		return true
	}
	ready := true
	if err := s.raw.Control(func(fd uintptr) { ready = pollNow(fd, d) }); err != nil {
		return true
	}
	return ready
}

// watch makes the socket wake its Net once, when it is ready. While dialling, the end of that does.
func (s *socket) watch(d direction) {
	select {
	case <-s.dialled:
	default:
		return
	}
	if s.closed || s.err != nil {
		s.n.signal()
		return
	}
	if s.watching[d].Swap(true) {
		return
	}
	wait := s.raw.Read
	if d == writing {
		wait = s.raw.Write
	}
	s.n.tasks.Go(func() {
		// The poller tells of changes only, so the state is asked for first; a closed connection ends the wait.
		_ = wait(func(fd uintptr) bool { return pollNow(fd, d) })
		s.watching[d].Store(false)
		s.n.signal()
	})
}

// pollNow asks the kernel whether a descriptor is ready; errors and the other end's leaving count.
func pollNow(fd uintptr, d direction) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if d == writing {
		p[0].Events = unix.POLLOUT
	}
	n, err := unix.Poll(p, 0)
	return err != nil || n > 0
}

func (s *socket) Stat() (sys.Stat_t, wsys.Errno) { return sys.Stat_t{Mode: fs.ModeSocket, Nlink: 1}, 0 }
func (s *socket) Ino() (sys.Inode, wsys.Errno)   { return 1, 0 }
func (s *socket) Dev() (uint64, wsys.Errno)      { return 0, 0 }
func (s *socket) IsDir() (bool, wsys.Errno)      { return false, 0 }
func (s *socket) IsNonblock() bool               { return s.nonblock }

// SetNonblock implements sys.PollableFile.
func (s *socket) SetNonblock(on bool) wsys.Errno {
	s.nonblock = on
	return 0
}

// Poll implements sys.Pollable, for wazero's own poll_oneoff, in whose place Poll of a Net stands.
func (s *socket) Poll(flag wsys.Pflag, _ int32) (bool, wsys.Errno) {
	return flag&wsys.POLLIN != 0 && s.ready(reading) || flag&wsys.POLLOUT != 0 && s.ready(writing), 0
}
