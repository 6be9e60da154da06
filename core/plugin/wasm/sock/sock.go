// Package sock gives guests TCP connections as WASI descriptors: opening /net/tcp/HOST:PORT#TOKEN dials, reading and
// writing the descriptor reads and writes the connection, and poll_oneoff waits for it. The host resolves names and
// checks the allow-list twice: for what was asked, and for each address that it is about to connect to.
//
// Data is not kept here: reads and writes are the kernel's, without blocking, so that a slow peer slows its guest and
// what a guest has written is sent even when the guest is gone. Go's own poller tells when a connection is ready.
package sock

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
)

// Config is what the sockets of one instance need.
type Config struct {
	Max         int                             // sockets at the same time; 0 means 16
	DialTimeout time.Duration                   // of one connection, resolving included; 0 means 30 s
	Resolver    *net.Resolver                   // nil is the system's
	Refused     func(address string, why error) // told of what was not allowed; may be nil
}

// Net is the sockets of one instance. Its methods are called by the goroutine that runs the guest, except Close.
type Net struct {
	c     Config
	wake  chan struct{} // something may have become ready
	tasks sync.WaitGroup
	start time.Time // of the guest's monotonic clock

	call struct { // of the call at hand
		ctx   context.Context
		rules Rules
	}
	pending  map[string]*socket // by token: opened, not attached yet
	attached map[int32]*socket  // by descriptor
	count    int
	folders  int // open
	closed   bool

	bytesIn, bytesOut uint64
	subs              []byte // of the last Poll
}

// New returns the sockets of an instance that has none yet.
func New(c Config) *Net {
	if c.Max == 0 {
		c.Max = 16
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 30 * time.Second
	}
	if c.Refused == nil {
		c.Refused = func(string, error) {}
	}
	n := &Net{c: c, wake: make(chan struct{}, 1), start: time.Now(), pending: map[string]*socket{}, attached: map[int32]*socket{}}
	n.Begin(context.Background(), Rules{})
	return n
}

// Begin starts a call: it may dial what the rules allow, and waits no longer than ctx.
func (n *Net) Begin(ctx context.Context, rules Rules) {
	n.call.ctx, n.call.rules = ctx, rules
	n.bytesIn, n.bytesOut = 0, 0
}

// Transferred returns the bytes of the current call.
func (n *Net) Transferred() (in, out uint64) { return n.bytesIn, n.bytesOut }

// Close closes all connections and waits for what runs on their behalf. The instance must not run.
func (n *Net) Close() {
	n.closed = true
	for _, s := range n.pending {
		s.Close()
	}
	for _, s := range n.attached {
		s.Close()
	}
	n.tasks.Wait()
}

// Nanotime is the guest's monotonic clock, in nanoseconds.
func (n *Net) Nanotime() int64 { return int64(time.Since(n.start)) }

// Attach says which descriptor the guest has for a token. The number it returns is WASI's, as are those below.
func (n *Net) Attach(token string, fd int32) uint32 {
	s := n.pending[token]
	if s == nil {
		return errnoInval
	}
	if old := n.attached[fd]; old != nil { // the guest has moved descriptors about
		return errnoExist
	}
	delete(n.pending, token)
	s.fd = fd
	n.attached[fd] = s
	return 0
}

// Numbers of WASI's that wazero's Errno does not have by these values.
const (
	errnoBadf  = 8
	errnoExist = 20
	errnoInval = 28
)

// Status tells how dialling went: 0 and nil is connected, StillDialling, 0 and the reason it failed for, or the negative
// number of an error.
func (n *Net) Status(fd int32) (int32, error) {
	s := n.attached[fd]
	if s == nil {
		return -errnoBadf, nil
	}
	select {
	case <-s.dialled:
		return 0, s.failure()
	default:
		return StillDialling, nil
	}
}

// StillDialling is what net_status answers meanwhile.
const StillDialling = -1

// open makes a socket and dials in the background.
func (n *Net) open(address, token string) (*socket, wsys.Errno) {
	if n.closed || n.pending[token] != nil {
		return nil, wsys.EINVAL
	}
	rules := n.call.rules
	if err := rules.Name(address); err != nil {
		n.c.Refused(address, err)
		return nil, wsys.EACCES
	}
	if n.count >= n.c.Max {
		return nil, wsys.EAGAIN
	}
	n.count++
	// The connection may outlive the call, dialling may not: nobody would wait for it.
	ctx, cancel := context.WithTimeout(n.call.ctx, n.c.DialTimeout)
	s := &socket{n: n, token: token, fd: -1, cancel: cancel, dialled: make(chan struct{})}
	n.pending[token] = s
	dialer := net.Dialer{Resolver: n.c.Resolver, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		return rules.Address(resolved)
	}}
	n.tasks.Go(func() {
		defer cancel()
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			s.connected(conn.(*net.TCPConn))
		} else {
			s.err = dialError(address, err)
		}
		close(s.dialled)
		n.signal()
	})
	return s, 0
}

func (n *Net) signal() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// forget takes a closed socket out of the books.
func (n *Net) forget(s *socket) {
	n.count--
	if n.pending[s.token] == s {
		delete(n.pending, s.token)
	}
	if n.attached[s.fd] == s {
		delete(n.attached, s.fd)
	}
}
