package sock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	wsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/wazerotest"
	"github.com/tetratelabs/wazero/sys"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers each connection with what it does; it ends with the test.
func server(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c.(*net.TCPConn))
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func echo(c *net.TCPConn) { io.Copy(c, c) }

func started(t *testing.T, c Config, granted ...string) *Net {
	t.Helper()
	n := New(c)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	n.Begin(ctx, Rules{Asked: []string{"*"}, Granted: granted})
	t.Cleanup(func() {
		cancel()
		n.Close()
	})
	return n
}

func open(n *Net, address, token string, flag wsys.Oflag) (wsys.File, wsys.Errno) {
	return n.Tree().OpenFile("tcp/"+address+"#"+token, wsys.O_RDWR|flag, 0)
}

// poll waits for subscriptions of (kind, fd or nanoseconds) and returns which were ready.
func poll1(t *testing.T, n *Net, subs ...[2]int64) []int {
	t.Helper()
	mem := wazerotest.NewFixedMemory(wazerotest.PageSize)
	for i, s := range subs {
		b := mem.Bytes[i*subscriptionSize:]
		b[0], b[8] = byte(i), byte(s[0])
		if s[0] == eventClock {
			binary.LittleEndian.PutUint32(b[16:], clockMonotonic)
			binary.LittleEndian.PutUint64(b[24:], uint64(s[1]))
		} else {
			binary.LittleEndian.PutUint32(b[16:], uint32(s[1]))
		}
	}
	before := string(mem.Bytes[:len(subs)*subscriptionSize])
	if errno := n.Poll(mem, 0, 8192, uint32(len(subs)), 4096); errno != 0 {
		t.Fatalf("poll: %d", errno)
	}
	if string(mem.Bytes[:len(subs)*subscriptionSize]) != before {
		t.Error("the guest's subscriptions have changed")
	}
	count, _ := mem.ReadUint32Le(4096)
	var ready []int
	for i := range count {
		ready = append(ready, int(mem.Bytes[8192+i*eventSize]))
	}
	return ready
}

func attach(t *testing.T, n *Net, token string, fd int32) {
	t.Helper()
	if errno := n.Attach(token, fd); errno != 0 {
		t.Fatalf("attach %s: %d", token, errno)
	}
}

func TestAConnectionThatBlocks(t *testing.T) {
	address := server(t, echo)
	n := started(t, Config{}, address)
	f, e := open(n, address, "1", 0)
	if e != 0 {
		t.Fatal(e)
	}
	text := strings.Repeat("hearth ", 100_000)
	sent, got, b := 0, 0, make([]byte, 1<<16)
	for got < len(text) {
		if sent < len(text) { // no more at a time than what the echo can hold
			w, e := f.Write([]byte(text[sent:min(sent+1<<14, len(text))]))
			if e != 0 {
				t.Fatal(e)
			}
			sent += w
		}
		r, e := f.Read(b)
		if e != 0 || r == 0 || string(b[:r]) != text[got:got+r] {
			t.Fatalf("after %d bytes: %d, %v", got, r, e)
		}
		got += r
	}
	if in, out := n.Transferred(); in != uint64(len(text)) || out != in {
		t.Errorf("counted %d in and %d out of %d", in, out, len(text))
	}
	if e := f.(*socket).Shutdown(1); e != 0 {
		t.Error(e)
	}
	if r, e := f.Read(b); r != 0 || e != 0 {
		t.Errorf("after the end: %d, %v", r, e)
	}
	for range 2 {
		if e := f.Close(); e != 0 {
			t.Error("close: ", e)
		}
	}
	if _, e := f.Read(b); e != wsys.EBADF {
		t.Errorf("read after close: %v", e)
	}
}

func TestAConnectionThatDoesNotBlock(t *testing.T) {
	say := make(chan string)
	address := server(t, func(c *net.TCPConn) {
		for s := <-say; s != ""; s = <-say {
			io.WriteString(c, s)
		}
	})
	n := started(t, Config{}, address)
	f, e := open(n, address, "abc", 0)
	if e != 0 {
		t.Fatal(e)
	}
	f.(*socket).SetNonblock(true)
	attach(t, n, "abc", 5)
	if got := poll1(t, n, [2]int64{eventWrite, 5}); len(got) != 1 {
		t.Fatalf("ready: %v", got)
	}
	if status, err := n.Status(5); status != 0 || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	b := make([]byte, 64)
	if r, e := f.Read(b); r != 0 || e != wsys.EAGAIN {
		t.Errorf("nothing to read: %d, %v", r, e)
	}
	if got := poll1(t, n, [2]int64{eventRead, 5}, [2]int64{eventClock, 1e6}); len(got) != 1 || got[0] != 1 {
		t.Errorf("after a millisecond: %v", got)
	}
	go func() { say <- "hello" }()
	if got := poll1(t, n, [2]int64{eventClock, 1e13}, [2]int64{eventRead, 5}); len(got) != 1 || got[0] != 1 {
		t.Errorf("after a word: %v", got)
	}
	if r, e := f.(*socket).Recvfrom(b, 2); string(b[:r]) != "hello" || e != 0 {
		t.Errorf("peek: %q, %v", b[:r], e)
	}
	if r, e := f.Read(b); string(b[:r]) != "hello" || e != 0 {
		t.Errorf("read: %q, %v", b[:r], e)
	}
	say <- ""
	if got := poll1(t, n, [2]int64{eventRead, 5}); len(got) != 1 {
		t.Errorf("at the end: %v", got)
	}
	if r, e := f.Read(b); r != 0 || e != 0 {
		t.Errorf("the end: %d, %v", r, e)
	}
	f.Close()
	if status, _ := n.Status(5); status != -errnoBadf {
		t.Errorf("status after close: %d", status)
	}
}

func TestASlowReaderSlowsTheWriter(t *testing.T) {
	release := make(chan struct{})
	total := make(chan int64, 1)
	address := server(t, func(c *net.TCPConn) {
		<-release
		n, _ := io.Copy(io.Discard, c)
		total <- n
	})
	n := started(t, Config{}, address)
	f, e := open(n, address, "1", wsys.O_NONBLOCK)
	if e != 0 {
		t.Fatal(e)
	}
	attach(t, n, "1", 3)
	poll1(t, n, [2]int64{eventWrite, 3})
	chunk, sent := make([]byte, 1<<20), int64(0)
	for {
		w, e := f.Write(chunk)
		sent += int64(w)
		if e == wsys.EAGAIN {
			break
		}
		if e != 0 || sent > 1<<30 {
			t.Fatalf("after %d bytes: %v", sent, e)
		}
	}
	close(release)
	if got := poll1(t, n, [2]int64{eventWrite, 3}); len(got) != 1 {
		t.Errorf("ready: %v", got)
	}
	f.Close() // what was written is sent all the same
	if got := <-total; got != sent {
		t.Errorf("%d of %d bytes arrived", got, sent)
	}
}

func TestDiallingFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	n := started(t, Config{}, address)
	f, e := open(n, address, "1", wsys.O_NONBLOCK)
	if e != 0 {
		t.Fatal(e)
	}
	attach(t, n, "1", 3)
	poll1(t, n, [2]int64{eventWrite, 3})
	if status, err := n.Status(3); status != 0 || err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("status %d, %v", status, err)
	}
	if _, e := f.Write([]byte("x")); e != wsys.EIO {
		t.Errorf("write: %v", e)
	}
}

func TestWhatIsNotAllowed(t *testing.T) {
	var refused []string
	n := started(t, Config{Max: 2, Refused: func(a string, _ error) { refused = append(refused, a) }}, "127.0.0.1:1", "[::1]:*")
	for _, tt := range []struct {
		name, path string
		want       wsys.Errno
	}{
		{"an address that is not granted", "tcp/10.0.0.1:80#1", wsys.EACCES},
		{"a port that is not granted", "tcp/127.0.0.1:2#1", wsys.EACCES},
		{"the same address by another name", "tcp/localhost:1#1", wsys.EACCES},
		{"no port", "tcp/127.0.0.1#1", wsys.EINVAL},
		{"a port out of range", "tcp/127.0.0.1:70000#1", wsys.EINVAL},
		{"port zero", "tcp/127.0.0.1:0#1", wsys.EINVAL},
		{"no host", "tcp/:80#1", wsys.EINVAL},
		{"no token", "tcp/127.0.0.1:1", wsys.EINVAL},
		{"a token with a slash", "tcp/127.0.0.1:1#a/b", wsys.EINVAL},
		{"another protocol", "udp/127.0.0.1:1#1", wsys.ENOENT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, e := n.Tree().OpenFile(tt.path, wsys.O_RDWR, 0); e != tt.want {
				t.Errorf("got %v, want %v", e, tt.want)
			}
		})
	}
	if len(refused) != 4 {
		t.Errorf("told of %q", refused)
	}
	var folders []wsys.File
	for range maxFolders {
		f, e := n.Tree().OpenFile("tcp", wsys.O_RDONLY, 0)
		if e != 0 {
			t.Fatal(e)
		}
		folders = append(folders, f)
	}
	if _, e := n.Tree().OpenFile(".", wsys.O_RDONLY, 0); e != wsys.EAGAIN {
		t.Errorf("one folder too many: %v", e)
	}
	folders[0].Close()
	if _, e := n.Tree().OpenFile(".", wsys.O_RDONLY, 0); e != 0 {
		t.Errorf("after a close: %v", e)
	}
	a, e1 := open(n, "127.0.0.1:1", "a", 0)
	_, again := open(n, "127.0.0.1:1", "a", 0)
	_, e2 := open(n, "[::1]:1", "b", 0)
	_, e3 := open(n, "127.0.0.1:1", "c", 0)
	if e1 != 0 || again != wsys.EINVAL || e2 != 0 || e3 != wsys.EAGAIN {
		t.Errorf("got %v, %v, %v, %v", e1, again, e2, e3)
	}
	a.Close()
	if _, e := open(n, "127.0.0.1:1", "c", 0); e != 0 {
		t.Errorf("after a close: %v", e)
	}
}

func TestAddressesThatNamesLeadTo(t *testing.T) {
	for _, tt := range []struct {
		granted, resolved string
		kind              string // empty: allowed
	}{
		{"db:5432", "10.1.2.3:5432", ""},
		{"*", "192.168.0.1:80", ""},
		{"*", "8.8.8.8:53", ""},
		{"db:5432", "127.0.0.1:5432", "loopback"},
		{"*", "127.0.0.1:80", "loopback"},
		{"*:80", "[::1]:80", "loopback"},
		{"*", "0.0.0.0:80", "loopback"},
		{"*", "[::]:80", "loopback"},
		{"*", "0.1.2.3:80", "loopback"},
		{"*", "[::ffff:127.0.0.1]:80", "loopback"},
		{"*", "[64:ff9b::7f00:1]:80", "loopback"},
		{"*", "[2002:7f00:1::]:80", "loopback"},
		{"*", "[::127.0.0.1]:80", "loopback"},
		{"*", "[::a9fe:a9fe]:80", "link-local"},
		{"*", "169.254.169.254:80", "link-local"},
		{"*", "[fe80::1%eth0]:80", "link-local"},
		{"*", "[fd00:ec2::254]:80", "cloud metadata"},
		{"*", "100.100.100.200:80", "cloud metadata"},
		{"*", "[64:ff9b:1::1]:80", "translated"},
		{"*", "224.0.0.1:80", "multicast"},
		{"*", "255.255.255.255:80", "multicast"},
		{"127.0.0.1:80", "127.0.0.1:80", ""},
		{"127.0.0.1:*", "[::ffff:127.0.0.1]:80", ""},
		{"127.0.0.1:80", "127.0.0.1:81", "loopback"},
		{"127.0.0.1:80", "127.0.0.2:80", "loopback"},
		{"localhost:80", "127.0.0.1:80", ""},
		{"localhost:80", "[::1]:80", ""},
		{"localhost:80", "[::1]:81", "loopback"},
		{"localhost:80", "169.254.169.254:80", "link-local"},
		{"169.254.169.254:80", "169.254.169.254:80", ""},
	} {
		err := Rules{Asked: []string{"*"}, Granted: []string{tt.granted}}.Address(tt.resolved)
		var special *SpecialError
		if errors.As(err, &special); (special == nil) != (tt.kind == "") || (special != nil && special.Kind != tt.kind) {
			t.Errorf("%s granted, %s reached: %v, want %q", tt.granted, tt.resolved, err, tt.kind)
		}
	}
}

// nameServer answers every question for an address with 127.0.0.1.
func nameServer(t *testing.T) *net.Resolver {
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
			q := b[12:n]
			end := strings.IndexByte(string(q), 0) + 5 // name, type, class
			answer := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[:end]...)
			if q[end-3] == 1 { // type A
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
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

func TestANameThatLeadsHomeIsRefused(t *testing.T) {
	address := server(t, echo)
	port := netip.MustParseAddrPort(address).Port()
	name := net.JoinHostPort("rebound.example.org", fmt.Sprint(port))
	resolver := nameServer(t)

	var told error
	n := started(t, Config{Resolver: resolver, Refused: func(_ string, why error) { told = why }}, name)
	_, e := open(n, name, "1", wsys.O_NONBLOCK)
	if e != 0 {
		t.Fatal(e)
	}
	attach(t, n, "1", 3)
	poll1(t, n, [2]int64{eventWrite, 3})
	_, err := n.Status(3)
	if err == nil || !strings.Contains(err.Error(), "loopback") || told == nil || !strings.Contains(told.Error(), address) {
		t.Errorf("got %v, told %v", err, told)
	}

	n = started(t, Config{Resolver: resolver}, name, address)
	if _, e = open(n, name, "1", wsys.O_NONBLOCK); e != 0 {
		t.Fatal(e)
	}
	attach(t, n, "1", 3)
	poll1(t, n, [2]int64{eventWrite, 3})
	if _, err := n.Status(3); err != nil {
		t.Errorf("with the address granted too: %v", err)
	}
}

func TestTheEndOfTheCallEndsEveryWait(t *testing.T) {
	address := server(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	n := New(Config{})
	defer n.Close()
	ctx, cancel := context.WithCancel(t.Context())
	n.Begin(ctx, Rules{Asked: []string{"*"}, Granted: []string{address}})
	f, e := open(n, address, "1", 0)
	if e != 0 {
		t.Fatal(e)
	}
	attach(t, n, "1", 3)
	poll1(t, n, [2]int64{eventWrite, 3})
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, e := f.Read(make([]byte, 1)); e != wsys.EINTR {
		t.Errorf("a read that blocks: %v", e)
	}
	func() {
		defer func() {
			if exit, ok := recover().(*sys.ExitError); !ok || exit.ExitCode() != sys.ExitCodeContextCanceled {
				t.Errorf("poll ended otherwise: %v", exit)
			}
		}()
		poll1(t, n, [2]int64{eventRead, 3})
	}()
}

func TestClocksOfAllKinds(t *testing.T) {
	n := started(t, Config{})
	for _, tt := range []struct {
		name            string
		clock, absolute uint16
		ns              uint64
	}{
		{"a span", clockMonotonic, 0, 1000},
		{"no span", clockRealtime, 0, 0},
		{"a moment of the monotonic clock", clockMonotonic, 1, uint64(n.Nanotime()) + 1000},
		{"a moment of the monotonic clock that is over", clockMonotonic, 1, 0},
		{"a moment", clockRealtime, 1, uint64(time.Now().UnixNano()) + 1000},
		{"a moment before the guest began", clockRealtime, 1, 1},
	} {
		mem := wazerotest.NewFixedMemory(wazerotest.PageSize)
		binary.LittleEndian.PutUint16(mem.Bytes[16:], tt.clock)
		binary.LittleEndian.PutUint64(mem.Bytes[24:], tt.ns)
		binary.LittleEndian.PutUint16(mem.Bytes[40:], tt.absolute)
		errno := n.Poll(mem, 0, 1024, 1, 512)
		if ready, _ := mem.ReadUint32Le(512); errno != 0 || ready != 1 {
			t.Errorf("%s: %d, %d ready", tt.name, errno, ready)
		}
	}
}

func TestPollRefusesNonsense(t *testing.T) {
	n := started(t, Config{})
	mem := wazerotest.NewFixedMemory(wazerotest.PageSize)
	mem.Bytes[8] = 9
	for name, tt := range map[string]struct{ in, count, want uint32 }{
		"no subscription": {0, 0, errnoInval}, "too many": {0, 1 << 31, errnoInval}, "beyond the memory": {65530, 1, errnoFault}, "a kind nobody knows": {0, 1, errnoInval},
	} {
		if errno := n.Poll(mem, tt.in, 1024, tt.count, 0); errno != tt.want {
			t.Errorf("%s: %d, want %d", name, errno, tt.want)
		}
	}
}

func FuzzPoll(f *testing.F) {
	clock := make([]byte, subscriptionSize)
	f.Add(clock, uint32(0), uint32(1024), uint32(1), uint32(512))
	f.Add(append(clock, clock...), uint32(0), uint32(16), uint32(2), uint32(40)) // events over subscriptions
	f.Add(clock, uint32(65500), uint32(1<<31), uint32(1<<30), uint32(1<<32-1))
	f.Fuzz(func(t *testing.T, subs []byte, in, out, count, events uint32) {
		n := New(Config{})
		defer n.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nothing is waited for
		n.Begin(ctx, Rules{})
		mem := wazerotest.NewFixedMemory(wazerotest.PageSize)
		copy(mem.Bytes, subs)
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(*sys.ExitError); !ok {
					panic(r)
				}
			}
		}()
		if errno := n.Poll(mem, in, out, count, events); errno == 0 {
			if ready, ok := mem.ReadUint32Le(events); !ok || ready == 0 || ready > count {
				t.Errorf("%d of %d are ready", ready, count)
			}
		}
	})
}
