package sdk

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

//go:wasmimport hearth_v1 net_attach
func netAttach(token unsafe.Pointer, n uint32, fd uint32) int32

//go:wasmimport hearth_v1 net_status
func netStatus(fd uint32, buf unsafe.Pointer, n uint32) int32

const stillDialling = -1

var dials atomic.Uint64

var errTooMany = errors.New("too many connections are open")

// Dial connects to an address on TCP; the host resolves the name. See DialContext.
func Dial(network, address string) (net.Conn, error) {
	return DialContext(context.Background(), network, address)
}

// DialContext connects to an address on TCP and returns a connection with all of net.Conn, deadlines included. The
// manifest must ask for the address and the operator grant it, else the error is fs.ErrPermission.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return fail(net.UnknownNetworkError(network))
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	token := []byte(strconv.FormatUint(dials.Add(1), 10))
	fd, err := syscall.Open("/net/tcp/"+address+"#"+string(token), syscall.O_RDWR, 0)
	if err == syscall.EAGAIN {
		return fail(errTooMany)
	}
	if err != nil {
		return fail(os.NewSyscallError("open", err))
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return fail(os.NewSyscallError("setnonblock", err))
	}
	if errno := netAttach(unsafe.Pointer(&token[0]), uint32(len(token)), uint32(fd)); errno != 0 {
		syscall.Close(fd)
		return fail(os.NewSyscallError("net_attach", syscall.Errno(max(errno, -errno))))
	}
	f := os.NewFile(uintptr(fd), address)
	c, err := net.FileConn(f) // keeps a descriptor of its own
	f.Close()
	if err != nil {
		return fail(err)
	}
	if err := connected(ctx, c); err != nil {
		c.Close()
		return fail(err)
	}
	return &conn{Conn: c, remote: addr(address)}, nil
}

// connected waits until the host has dialled.
func connected(ctx context.Context, c net.Conn) error {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return err
	}
	if d, ok := ctx.Deadline(); ok {
		c.SetDeadline(d)
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	var status int32
	reason := make([]byte, 512)
	err = raw.Write(func(fd uintptr) bool {
		status = netStatus(uint32(fd), unsafe.Pointer(&reason[0]), uint32(len(reason)))
		return status != stillDialling
	})
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	if status > 0 {
		return errors.New(string(reason[:min(int(status), len(reason))]))
	}
	if status < 0 {
		return os.NewSyscallError("net_status", syscall.Errno(-status))
	}
	return c.SetDeadline(time.Time{})
}

// addr is the address that was asked for; the host alone knows what it resolved to.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

type conn struct {
	net.Conn
	remote addr
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }
func (c *conn) LocalAddr() net.Addr  { return addr("0.0.0.0:0") }
