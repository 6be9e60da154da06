//go:build unix

package scrape

import (
	"net"
	"syscall"
)

// isQuiet tells whether an idle connection is open and its peer has said nothing: what it says unasked, such as 408 before
// it closes, is no answer to the next request.
func isQuiet(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, err := syscall.Read(int(fd), b[:])
		quiet = err == syscall.EAGAIN
		return true
	})
	return err == nil && quiet
}
