package wasm

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve answers connections until the test ends.
func serve(t *testing.T, answer func(net.Conn)) (address, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				answer(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return l.Addr().String(), port
}

func echo(c net.Conn) { io.Copy(c, c) }

// rebinding is a resolver of one name server, which leads every name to the next of its addresses, the last for good.
func rebinding(t *testing.T, addresses ...[4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			question := b[12:n]
			end := strings.IndexByte(string(question), 0) + 5 // name, type, class
			answer := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[:end]...)
			if question[end-3] == 1 { // type A
				answer[7] = 1
				answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), addresses[0][:]...)
				addresses = addresses[min(1, len(addresses)-1):]
			}
			pc.WriteTo(answer, from)
		}
	}()
	t.Cleanup(func() {
		pc.Close()
		<-done
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

func TestHostileGuestsConnectOnlyWhereTheyMay(t *testing.T) {
	address, port := serve(t, echo)
	h := newHostile(t, func(o *Options) { o.Resolver = rebinding(t, [4]byte{127, 0, 0, 1}) })
	const failed = "failed 29 " // and the reason
	const loopback = "is a loopback address, which a name alone does not open"
	for _, tt := range []struct {
		name, dial string
		granted    []string
		want, log  string
	}{
		{"an address that is granted", address, []string{address}, "read hello\n", ""},
		{"its neighbour", "127.0.0.2:" + port, []string{address}, "open 2", "it is not granted"},
		{"another port", "127.0.0.1:1", []string{address}, "open 2", "it is not granted"},
		{"nothing is granted", address, nil, "open 2", "it is not granted"},
		{"a name that is not granted", "db.example.org:" + port, []string{address}, "open 2", "it is not granted"},
		{"a name that leads home", "db.example.org:" + port, []string{"db.example.org:" + port}, failed, loopback},
		{"everything is granted, and a name leads home", "db.example.org:" + port, []string{"*"}, failed, loopback},
		{"everything is granted, and it asks for home", address, []string{"*"}, failed, loopback},
		{"by a name for it", "localhost:" + port, []string{"*"}, failed, loopback},
		{"home as one number", "2130706433:" + port, []string{"*"}, failed, "" /* no name, so nobody is asked */},
		{"in base sixteen", "0x7f000001:" + port, []string{"*"}, failed, loopback},
		{"in base eight", "017700000001:" + port, []string{"*"}, failed, "" /* no name, so nobody is asked */},
		{"in two parts", "127.1:" + port, []string{"*"}, failed, "" /* no name, so nobody is asked */},
		{"with zeros in front", "127.000.000.001:" + port, []string{"*"}, failed, "" /* no name, so nobody is asked */},
		{"as an IPv6 address", "[::ffff:127.0.0.1]:" + port, []string{"*"}, failed, loopback},
		{"as an IPv6 address in base sixteen", "[::ffff:7f00:1]:" + port, []string{"*"}, failed, loopback},
		{"as an old IPv6 address", "[::7f00:1]:" + port, []string{"*"}, failed, loopback},
		{"the IPv6 one", "[::1]:" + port, []string{"*"}, failed, loopback},
		{"no address at all", "0.0.0.0:" + port, []string{"*"}, failed, loopback},
		{"no IPv6 address at all", "[::]:" + port, []string{"*"}, failed, loopback},
		{"where clouds tell credentials", "169.254.169.254:80", []string{"*"}, failed, "is a link-local address"},
		{"the same as an IPv6 address", "[::ffff:169.254.169.254]:80", []string{"*"}, failed, "is a link-local address"},
		{"where Amazon's does", "[fd00:ec2::254]:80", []string{"*"}, failed, "is a cloud metadata address"},
		{"a neighbour on the link", "[fe80::1%lo]:80", []string{"*"}, failed, "is a link-local address"},
		{"many at once", "224.0.0.1:80", []string{"*"}, failed, "is a multicast address"},
		{"a name that steers terminals", "\x1b7\n.example.org:80", nil, "open 2", `\\x1b7\\n.example`},
		{"a name that is too long", strings.Repeat("x", 300) + ":80", []string{"*"}, "open 28", ""},
		{"a port by name", "127.0.0.1:http", []string{"*"}, "open 28", ""},
		{"two addresses in one", "127.0.0.1:80@evil:80", []string{"*"}, "open 28", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.guest, Rights{Asked: everything, Net: tt.granted})
			out, err := a.ends(t, "net dial "+tt.dial)
			if strings.HasPrefix(out, failed) {
				out = failed
			}
			if out != tt.want || err != nil {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
			a.logs(t, tt.log)
			h.goesOn(t)
		})
	}
}

func TestANameThatLeadsElsewhereTheNextTime(t *testing.T) {
	address, port := serve(t, echo)
	h := newHostile(t, func(o *Options) { o.Resolver = rebinding(t, [4]byte{127, 0, 0, 1}, [4]byte{169, 254, 169, 254}) })
	a := h.attempt(t, h.guest, Rights{Asked: everything, Net: []string{address, "rebound.example.org:" + port}})
	if out, err := a.ends(t, "net dial rebound.example.org:"+port); out != "read hello\n" || err != nil {
		t.Errorf("where it may go: %q, %v", out, err)
	}
	if out, err := a.ends(t, "net dial rebound.example.org:"+port); !strings.HasPrefix(out, "failed 29 169.254.169.254") || err != nil {
		t.Errorf("where it may not: %q, %v", out, err)
	}
	a.logs(t, "is a link-local address")
}

func TestHostileGuestsAndSockets(t *testing.T) {
	address, _ := serve(t, echo)
	h := newHostile(t)
	r := Rights{Asked: everything, Net: []string{address, "127.0.0.1:1"}}
	other := h.attempt(t, h.guest, r)
	if out, err := other.ends(t, "net keep "+address); out != "0" || err != nil { // its token is 0000003
		t.Fatalf("%q, %v", out, err)
	}
	for _, tt := range []struct{ name, do, want string }{
		{"ten thousand at once", "net sockets " + address, "opened 16 6"},
		{"ten thousand one after the other", "net churn 127.0.0.1:1", "opened 10000 0"},
		{"a token of somebody else's", "net token " + address, "other's 28 own 0 again 28"},
		{"the socket of another instance", "net kept", "2"}, // its own number 0 is standard input, at its end
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := h.attempt(t, h.guest, r)
			out, err := a.ends(t, tt.do)
			if out != tt.want && !(tt.do == "net kept" && out == "read ") || err != nil {
				t.Errorf("got %q, %v, want %q", out, err, tt.want)
			}
			h.goesOn(t)
		})
	}
	t.Run("one that is kept between calls ends with its instance", func(t *testing.T) {
		gone := make(chan struct{})
		address, _ := serve(t, func(c net.Conn) {
			echo(c)
			close(gone)
		})
		a := h.attempt(t, h.guest, Rights{Asked: everything, Net: []string{address}})
		for _, step := range []struct{ do, want string }{{"net keep " + address, "0"}, {"net kept", "read hello\n"}} {
			if out, err := a.ends(t, step.do); out != step.want || err != nil {
				t.Errorf("%s: %q, %v", step.do, out, err)
			}
		}
		_, err := a.ends(t, "trap")
		wantFault(t, err, Trap, "unreachable")
		<-gone
	})
	t.Run("a server that drips", func(t *testing.T) {
		address, _ := serve(t, func(c net.Conn) {
			for {
				if _, err := fmt.Fprint(c, "."); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		})
		a := h.attempt(t, h.guest, Rights{Asked: everything, Net: []string{address}})
		wantFault(t, h.endsWhenTold(t, a, "net drip "+address), Cancelled, "given up")
	})
	t.Run("a server that hangs", func(t *testing.T) {
		stop := make(chan struct{})
		address, _ := serve(t, func(net.Conn) { <-stop })
		defer close(stop)
		a := h.attempt(t, h.guest, Rights{Asked: everything, Net: []string{address}})
		wantFault(t, h.endsWhenTold(t, a, "net drip "+address), Cancelled, "given up")
	})
}
