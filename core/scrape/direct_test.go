package scrape

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/config"
)

// peer answers requests on a connection with the given texts in turn, and closes it after the last. In an answer, <close>
// at its end closes the connection.
type peer struct {
	answers []string
	dials   atomic.Int32 // connections that were made
}

func (p *peer) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for _, answer := range p.answers {
		if _, err := http.ReadRequest(in); err != nil {
			return
		}
		answer, last := strings.CutSuffix(answer, "<close>")
		if _, err := io.WriteString(c, answer); err != nil || last {
			return
		}
	}
}

// dial is a connection to the peer in memory.
func (p *peer) dial(context.Context, string, string) (net.Conn, error) {
	p.dials.Add(1)
	here, there := net.Pipe()
	go p.serve(there)
	return here, nil
}

// listen serves on loopback and returns the URL.
func (p *peer) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.dials.Add(1)
			go p.serve(c)
		}
	}()
	return "http://" + l.Addr().String() + "/metrics"
}

// directTo is a transport that only reaches the peer, and only by itself.
func directTo(p *peer) *direct {
	d := newDirect(nil)
	d.dial = p.dial
	return d
}

// ask reads all of an answer, as text: its status and body.
func ask(ctx context.Context, rt http.RoundTripper, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body), err
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// answers are what targets may say, what becomes of it, and how many connections two questions need.
var answers = []struct {
	name, answer string
	want         string // part of the error if it ends in !
	dials        int32
}{
	{"a body with a length", okAnswer, "200 ok", 1},
	{"a body in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200 ok", 1},
	{"chunks and a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", "200 ok", 1},
	{"no body", "HTTP/1.1 204 No Content\r\n\r\n", "204 ", 1},
	{"an empty body", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404 ", 1},
	{"a status that is none", "HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok", "99 ok", 1},
	{"HTTP/1.0 that keeps the connection", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "200 ok", 1},
	{"early hints", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okAnswer, "200 ok", 1},
	{"the target closes", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok<close>", "200 ok", 2},
	{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok<close>", "200 ok", 2},
	{"a body without a length", "HTTP/1.1 200 OK\r\n\r\nok<close>", "200 ok", 2},
	{"more than the answer", okAnswer + okAnswer, "200 ok", 2},
	{"a body that breaks off", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok<close>", "unexpected EOF!", 2},
	{"a chunk that breaks off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nok<close>", "unexpected EOF!", 2},
	{"no HTTP", "SSH-2.0-OpenSSH_9.6\r\n<close>", "malformed HTTP response!", 2},
	{"no answer", "<close>", "EOF!", 2},
	{"nothing but hints", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 7) + okAnswer + "<close>", "interim answers!", 2},
	{"a header without end", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", mostHeader) + "<close>", "header of the answer is too long!", 2},
	{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "101 ", 2},
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			p := &peer{answers: []string{tt.answer, tt.answer}}
			d := directTo(p)
			defer d.CloseIdleConnections()
			for range 2 {
				got, err := ask(t.Context(), d, "http://h/")
				if want, fails := strings.CutSuffix(tt.want, "!"); fails {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("error %v, want one with %q", err, want)
					}
				} else if err != nil || got != want {
					t.Errorf("%q and error %v, want %q", got, err, want)
				}
			}
			if n := p.dials.Load(); n != tt.dials {
				t.Errorf("%d connections for two questions, want %d", n, tt.dials)
			}
		})
	}
}

// FuzzAnswers lets net/http's transport read what a target says, too: the answers must be the same.
func FuzzAnswers(f *testing.F) {
	for _, tt := range answers {
		f.Add([]byte(strings.TrimSuffix(tt.answer, "<close>")))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		text := string(bytes.TrimSuffix(answer, []byte("<close>"))) + "<close>"
		if len(answer) > 4096 || strings.Count(text, "HTTP/1.") > mostInterim {
			t.Skip("limits differ")
		}
		p := &peer{answers: []string{text}}
		theirs := &http.Transport{DialContext: p.dial, DisableCompression: true}
		defer theirs.CloseIdleConnections()
		want, wantErr := ask(t.Context(), theirs, "http://h/")
		d := directTo(p)
		defer d.CloseIdleConnections()
		got, err := ask(t.Context(), d, "http://h/")
		if (err != nil) != (wantErr != nil) || err == nil && got != want {
			t.Errorf("%q is read as %q and error %v, by net/http as %q and error %v", text, got, err, want, wantErr)
		}
	})
}

func TestAConnectionThatWasClosedWhileIdle(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string
		want    string // of the second question; an error if it ends in !
		dials   int32
	}{
		{"is not used again", []string{okAnswer + "<close>"}, "200 ok", 2},
		{"with a parting word, which is no answer", []string{okAnswer + "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n<close>"}, "200 ok", 2},
		{"by the time the request comes is replaced by another", []string{okAnswer, "<close>"}, "200 ok", 2},
		{"half way through an answer is an error", []string{okAnswer, "HTTP/1.1 200 O<close>"}, "EOF!", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &peer{answers: tt.answers}
			url := p.listen(t)
			d := newDirect(nil)
			defer d.CloseIdleConnections()
			if got, err := ask(t.Context(), d, url); err != nil || got != "200 ok" {
				t.Fatalf("%q, error %v", got, err)
			}
			if strings.HasSuffix(tt.answers[0], "<close>") { // until this end knows
				d.mu.Lock()
				for _, idle := range d.mu.idle {
					for isQuiet(idle[0].Conn) {
						time.Sleep(time.Millisecond)
					}
				}
				d.mu.Unlock()
			}
			got, err := ask(t.Context(), d, url)
			if want, fails := strings.CutSuffix(tt.want, "!"); fails {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want one with %q", err, want)
				}
			} else if err != nil || got != want {
				t.Errorf("%q, error %v", got, err)
			}
			if n := p.dials.Load(); n != tt.dials {
				t.Errorf("%d connections, want %d", n, tt.dials)
			}
		})
	}
}

func TestAnExchangeEndsWithItsContext(t *testing.T) {
	for _, tt := range []struct{ name, answer string }{
		{"before the answer", ""},
		{"in the header", "HTTP/1.1 200 OK\r\n"},
		{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closed := make(chan error)
				d := newDirect(nil)
				d.dial = func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					go func() {
						_, _ = http.ReadRequest(bufio.NewReader(there))
						_, _ = io.WriteString(there, tt.answer)
						_, err := there.Read(make([]byte, 1))
						closed <- err
					}()
					return here, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				start := time.Now()
				if _, err := ask(ctx, d, "http://h/"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("it took %v", took)
				}
				if err := <-closed; err != io.EOF {
					t.Errorf("the target sees %v", err)
				}
			})
		})
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{answers: []string{okAnswer, okAnswer, okAnswer, okAnswer}}
		d := directTo(p)
		idle := func() int {
			synctest.Wait()
			d.mu.Lock()
			defer d.mu.Unlock()
			n := 0
			for _, of := range d.mu.idle {
				n += len(of)
			}
			return n
		}
		question := func(url string) {
			if _, err := ask(t.Context(), d, url); err != nil {
				t.Error(err)
			}
		}
		question("http://a/")
		question("http://b/")
		time.Sleep(idleTimeout - time.Second)
		question("http://b/")
		if n := idle(); n != 2 {
			t.Errorf("%d idle connections before their time", n)
		}
		time.Sleep(time.Second)
		if n := idle(); n != 1 {
			t.Errorf("%d idle connections when one had not been used for its time", n)
		}
		time.Sleep(idleTimeout)
		if n := idle(); n != 0 || d.mu.closer != nil {
			t.Errorf("%d idle connections after their time, timer %v", n, d.mu.closer)
		}
		question("http://a/")
		d.CloseIdleConnections()
		if n := idle(); n != 0 || d.mu.closer != nil {
			t.Errorf("%d idle connections when all were closed", n)
		}
		if n := p.dials.Load(); n != 3 {
			t.Errorf("%d connections were made", n)
		}
	}) // which fails if the peer of a connection still waits
}

func TestABodyThatIsNotReadClosesTheConnection(t *testing.T) {
	p := &peer{answers: []string{okAnswer, okAnswer}}
	d := directTo(p)
	defer d.CloseIdleConnections()
	req, _ := http.NewRequest(http.MethodGet, "http://h/", http.NoBody)
	resp, err := d.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("after the end: %d bytes, error %v", n, err)
	}
	if len(d.mu.idle) != 0 {
		t.Error("the connection waits for another question")
	}
}

func TestWhoIsAsked(t *testing.T) {
	for _, tt := range []struct{ url, address, host string }{
		{"http://h/metrics", "h:80", "h"},
		{"http://h:9100/metrics", "h:9100", "h:9100"},
		{"http://[::1]/metrics", "[::1]:80", "[::1]"},
		{"http://[fe80::1%25eth0]:9100/metrics", "[fe80::1%eth0]:9100", "[fe80::1]:9100"},
	} {
		d := newDirect(nil)
		var address, host string
		d.dial = func(_ context.Context, _, a string) (net.Conn, error) {
			address = a
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				if r, err := http.ReadRequest(bufio.NewReader(there)); err == nil {
					host = r.Host
					_, _ = io.WriteString(there, okAnswer)
				}
			}()
			return here, nil
		}
		if _, err := ask(t.Context(), d, tt.url); err != nil || address != tt.address || host != tt.host {
			t.Errorf("%s: connected to %s, Host: %s, error %v", tt.url, address, host, err)
		}
		d.CloseIdleConnections()
	}
}

// elsewhere notes what is passed on.
type elsewhere struct{ asked []string }

func (e *elsewhere) RoundTrip(req *http.Request) (*http.Response, error) {
	e.asked = append(e.asked, req.Method+" "+req.URL.String())
	return nil, errors.New("elsewhere")
}

func TestOtherRequestsArePassedOn(t *testing.T) {
	next := &elsewhere{}
	d := newDirect(next)
	for _, tt := range []struct{ method, url, body string }{
		{"GET", "https://h/", ""}, {"GET", "http://münchen.example/", ""}, {"POST", "http://h/", "a"}, {"HEAD", "http://h/", ""}, {"GET", "http:///", ""},
	} {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		req, err := http.NewRequest(tt.method, tt.url, body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.RoundTrip(req); err == nil || err.Error() != "elsewhere" {
			t.Errorf("%s %s: %v", tt.method, tt.url, err)
		}
	}
	if len(next.asked) != 5 {
		t.Errorf("passed on: %v", next.asked)
	}
}

func TestAJobUsesItsConnectionsAgain(t *testing.T) {
	p := &peer{}
	for range 10 {
		p.answers = append(p.answers, okAnswer)
	}
	url := p.listen(t)
	c, err := newClient(&config.HTTPClient{FollowRedirects: true, EnableHTTP2: true}, "j")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for range 10 {
		if got, err := ask(t.Context(), c.Transport, url); err != nil || got != "200 ok" {
			t.Fatalf("%q, error %v", got, err)
		}
	}
	if n := p.dials.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestTheEndOfAJobClosesItsConnections(t *testing.T) {
	closed := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a 1\n") }))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			close(closed)
		}
	}
	s.Start()
	defer s.Close()
	h, err := newHTTPSource(testConfig(), features{}, "hearth/test")
	if err != nil {
		t.Fatal(err)
	}
	var a reply
	if err := h.fetch(t.Context(), &target{url: s.URL, timeout: time.Second}, &a); err != nil || string(a.body) != "a 1\n" {
		t.Fatalf("%q, error %v", a.body, err)
	}
	select {
	case <-closed:
		t.Fatal("the connection does not wait for the next scrape")
	default:
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	<-closed
}
