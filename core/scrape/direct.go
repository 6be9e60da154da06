package scrape

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	idleTimeout = 5 * time.Minute // after which a connection that is not used is closed
	mostHeader  = 1 << 20         // bytes of a header, those of interim answers included
	mostInterim = 5               // answers 1xx before the answer
)

var errHeader = errors.New("the header of the answer is too long")

// direct asks targets in plain HTTP/1.1. It writes the request and reads the answer on the goroutine that asks, where the
// transport of net/http has two more for each connection: handing an exchange from one to the other costs more than all
// the rest of it. What is not a plain question to a plain target goes to next.
type direct struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	next http.RoundTripper
	bufs sync.Pool // of *buffers
	mu   struct {
		sync.Mutex
		idle   map[string][]*conn // by address, the one that was used last at the end
		closer *time.Timer        // of those that nobody uses; runs while there are idle ones
	}
}

func newDirect(next http.RoundTripper) *direct {
	d := &direct{dial: new(net.Dialer).DialContext, next: next}
	d.bufs.New = func() any { return &buffers{in: bufio.NewReader(nil)} }
	d.mu.idle = map[string][]*conn{}
	return d
}

// conn is a connection to a target.
type conn struct {
	net.Conn
	address string
	left    int64 // bytes that may still be read
	read    bool  // something of the answer has been read
	since   time.Time
}

// Read implements io.Reader.
func (c *conn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeader
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	c.read = c.read || n > 0
	return n, err
}

// buffers are the memory of an exchange.
type buffers struct {
	in  *bufio.Reader
	out bytes.Buffer
}

// RoundTrip implements http.RoundTripper.
func (d *direct) RoundTrip(req *http.Request) (*http.Response, error) {
	if !isPlain(req) {
		return d.next.RoundTrip(req)
	}
	address := req.URL.Host
	if req.URL.Port() == "" {
		address = net.JoinHostPort(req.URL.Hostname(), "80")
	}
	if c := d.take(address); c != nil {
		resp, err := d.exchange(c, req)
		if err == nil || c.read || req.Context().Err() != nil {
			return resp, err
		}
		// The target closed it when it had been idle for long enough.
	}
	nc, err := d.dial(req.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return d.exchange(&conn{Conn: nc, address: address}, req)
}

// isPlain tells whether this transport can send the request.
func isPlain(req *http.Request) bool {
	for _, c := range []byte(req.URL.Host) {
		if c <= ' ' || c >= 0x7f { // a name to be put into ASCII
			return false
		}
	}
	return req.URL.Scheme == "http" && req.URL.Hostname() != "" && req.Method == http.MethodGet && (req.Body == nil || req.Body == http.NoBody)
}

// exchange sends a request and reads the header of its answer. The connection is its own until the body of the answer
// has been read or closed.
func (d *direct) exchange(c *conn, req *http.Request) (*http.Response, error) {
	w := d.bufs.Get().(*buffers)
	w.in.Reset(c)
	w.out.Reset()
	e := &exchange{direct: d, conn: c, bufs: w, ctx: req.Context()}
	e.stop = context.AfterFunc(e.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	resp, err := e.ask(req)
	if err != nil {
		e.end(false)
		return nil, e.because(err)
	}
	e.body, e.again = resp.Body, !resp.Close && !req.Close && resp.StatusCode != http.StatusSwitchingProtocols
	resp.Body = e
	if e.body == http.NoBody {
		e.end(e.again)
	}
	return resp, nil
}

// exchange is a request and its answer. It is the body of the answer.
type exchange struct {
	direct *direct
	conn   *conn
	bufs   *buffers // nil when it is over
	ctx    context.Context
	stop   func() bool // of cutting it off when ctx ends
	body   io.Reader
	again  bool // the target will take another request
}

// ask sends the request and reads the header of its answer.
func (e *exchange) ask(req *http.Request) (*http.Response, error) {
	e.conn.left, e.conn.read = mostHeader, false
	if err := req.Write(&e.bufs.out); err != nil {
		return nil, err
	}
	if _, err := e.conn.Write(e.bufs.out.Bytes()); err != nil {
		return nil, err
	}
	for range mostInterim + 1 {
		resp, err := http.ReadResponse(e.bufs.in, req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			e.conn.left = math.MaxInt64
			return resp, nil
		}
	}
	return nil, fmt.Errorf("the target sent more than %d interim answers", mostInterim)
}

// because returns why the exchange has failed: its context has ended, or else err.
func (e *exchange) because(err error) error {
	if ended := e.ctx.Err(); ended != nil {
		return ended
	}
	return err
}

// Read implements io.Reader.
func (e *exchange) Read(b []byte) (int, error) {
	if e.bufs == nil {
		return 0, io.EOF
	}
	n, err := e.body.Read(b)
	switch {
	case err == io.EOF:
		e.end(e.again)
	case err != nil:
		err = e.because(err)
	}
	return n, err
}

// Close implements io.Closer. A connection with something left to read is closed.
func (e *exchange) Close() error {
	if e.bufs != nil {
		e.end(false)
	}
	return nil
}

// end gives the connection back, if it can be used again, or closes it.
func (e *exchange) end(again bool) {
	w, c := e.bufs, e.conn
	again = e.stop() && again && w.in.Buffered() == 0
	e.bufs, e.body = nil, nil
	w.in.Reset(nil)
	e.direct.bufs.Put(w)
	if again {
		e.direct.put(c)
	} else {
		_ = c.Close()
	}
}

// take returns a connection that is idle; nil if there is none.
func (d *direct) take(address string) *conn {
	for {
		d.mu.Lock()
		idle := d.mu.idle[address]
		if len(idle) == 0 {
			d.mu.Unlock()
			return nil
		}
		c := idle[len(idle)-1]
		idle[len(idle)-1] = nil
		d.mu.idle[address] = idle[:len(idle)-1]
		d.mu.Unlock()
		if isQuiet(c.Conn) {
			return c
		}
		_ = c.Close()
	}
}

// put takes a connection that is idle now.
func (d *direct) put(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.since = time.Now()
	d.mu.idle[c.address] = append(d.mu.idle[c.address], c)
	if d.mu.closer == nil {
		d.mu.closer = time.AfterFunc(idleTimeout, d.closeUnused)
	}
}

// closeUnused closes what has been idle for long.
func (d *direct) closeUnused() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.closer = nil
	oldest := time.Now()
	for address, idle := range d.mu.idle {
		for len(idle) > 0 && time.Since(idle[0].since) >= idleTimeout {
			_ = idle[0].Close()
			idle[0], idle = nil, idle[1:]
		}
		d.mu.idle[address] = idle
		switch {
		case len(idle) == 0:
			delete(d.mu.idle, address)
		case idle[0].since.Before(oldest):
			oldest = idle[0].since
		}
	}
	if len(d.mu.idle) > 0 {
		d.mu.closer = time.AfterFunc(time.Until(oldest.Add(idleTimeout)), d.closeUnused)
	}
}

// CloseIdleConnections lets http.Client close them.
func (d *direct) CloseIdleConnections() {
	d.mu.Lock()
	for _, idle := range d.mu.idle {
		for _, c := range idle {
			_ = c.Close()
		}
	}
	clear(d.mu.idle)
	if d.mu.closer != nil {
		d.mu.closer.Stop()
		d.mu.closer = nil
	}
	d.mu.Unlock()
	if c, ok := d.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
