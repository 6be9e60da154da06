package plugin

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/sdk/abi"
)

// failsWith makes a call that must fail with a code and a text.
func failsWith(t *testing.T, c *Client, target, code, text string) {
	t.Helper()
	got, err := say(t, c, target)
	call, ok := err.(*CallError)
	if !ok || call.Code != code || !strings.Contains(call.Message, text) {
		t.Errorf("%s: got %q, %v; want %s with %q", target, got, err, code, text)
	}
}

func answers(t *testing.T, c *Client, target, want string) {
	t.Helper()
	got, err := say(t, c, target)
	if err != nil || strings.Join(got, "|") != want {
		t.Errorf("%s: got %q, %v; want %q", target, got, err, want)
	}
}

func TestFiles(t *testing.T) {
	t.Setenv("HEARTH_TEST_SECRET", "visible")
	dir, err := os.MkdirTemp("/tmp", "hearth-plugin-files")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.WriteFile(dir+"/a", []byte("A"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	_, c := openGuest(t, Grant{Files: []string{"/proc", dir}})
	answers(t, c, "read "+dir+"/a", "A")
	answers(t, c, "list "+dir, "a|link")
	failsWith(t, c, "write "+dir+"/b", abi.CodeInternal, "ead-only")
	failsWith(t, c, "read /etc/passwd", abi.CodeDenied, `add "/etc" to files of the plugin's grant`)
	failsWith(t, c, "read /root/x", abi.CodeDenied, "the plugin's manifest does not ask for it")
	failsWith(t, c, "read "+dir+"/../../etc/passwd", abi.CodeDenied, "denied")
	failsWith(t, c, "read "+dir+"/link", abi.CodeDenied, "denied")
	for _, p := range []string{"self/environ", "self/root/etc/passwd", "self/cwd/go.mod", "self/exe", "self/fd/0", "self/mem", "self/maps", "self/task/1/../../environ", "1/environ", "kcore"} {
		failsWith(t, c, "read /proc/"+p, abi.CodeDenied, "denied")
	}
	if got, err := say(t, c, "read /proc/loadavg"); err != nil || len(got) != 1 || got[0] == "" {
		t.Errorf("a file that may be read: %q, %v", got, err)
	}
	if got, err := say(t, c, "open "+dir+"/a"); err != nil || !strings.HasPrefix(got[0], "63 ") { // the root of the tree is the 64th
		t.Errorf("after how many files: %q, %v", got, err)
	}
}

func TestNothingIsGrantedByDefault(t *testing.T) {
	w, c := openGuest(t, Grant{})
	failsWith(t, c, "read /proc/stat", abi.CodeDenied, `add "/proc" to files`)
	failsWith(t, c, "secret password", abi.CodeDenied, "not granted")
	failsWith(t, c, "statfs /", abi.CodeDenied, `add "/" to statfs`)
	failsWith(t, c, "dial 127.0.0.1:1", abi.CodeDenied, `add "127.0.0.1:1" to net`)
	answers(t, c, "list /", "net")
	answers(t, c, "env", "GOMEMLIMIT=100663296")
	for _, want := range []string{`plugin=test/guest`, `net = [\"*\"]`, `files = [\"/proc\"]`, "secrets.password", "env.TZ"} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log does not tell of %s:\n%s", want, w.log)
		}
	}
	if n := strings.Count(w.log.String(), "asks for more"); n != 1 {
		t.Errorf("the log tells of it %d times", n)
	}
}

func TestSecretsAndEnvironment(t *testing.T) {
	t.Setenv("TZ", "Nowhere/Secret")
	value := "one"
	w, c := openGuest(t, Grant{
		Secrets: map[string]func() (string, error){
			"password": func() (string, error) { return value, nil },
			"token":    func() (string, error) { return "", fmt.Errorf("file:/gone: %w", os.ErrNotExist) },
		},
		Env: map[string]string{"GREETING": "hello"},
	})
	answers(t, c, "secret password", "one")
	value = "two\n"
	answers(t, c, "secret password", "two")
	failsWith(t, c, "secret token", abi.CodeInternal, "token")
	if log := w.log.String(); !strings.Contains(log, "file:/gone") || strings.Contains(log, "two") {
		t.Errorf("the log is\n%s", log)
	}
	got, err := say(t, c, "env")
	slices.Sort(got)
	if want := []string{"GOMEMLIMIT=100663296", "GREETING=hello"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("environment: %q, %v", got, err)
	}
}

func TestStatfsAndClock(t *testing.T) {
	_, c := openGuest(t, Grant{Statfs: []string{"/"}})
	answers(t, c, "statfs /", "true")
	failsWith(t, c, "statfs /tmp", abi.CodeDenied, `add "/tmp" to statfs`)
	got, err := say(t, c, "clock")
	var ns int64
	var slept bool
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(got[0], "[%d,%t]", &ns, &slept); err != nil || !slept || time.Since(time.Unix(0, ns)).Abs() > time.Minute {
		t.Errorf("clock says %q, %v", got, err)
	}
}

// lineServer answers one line with another, in capitals, and hangs up.
func lineServer(t *testing.T) string {
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
			line, err := bufio.NewReader(c).ReadString('\n')
			if err == nil {
				fmt.Fprint(c, strings.ToUpper(line))
			}
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestConnections(t *testing.T) {
	address := lineServer(t)
	_, port, _ := net.SplitHostPort(address)
	_, c := openGuest(t, Grant{Net: []string{address, "127.0.0.1:1", "name.invalid:80"}})
	answers(t, c, "talk "+address, "HELLO\n")
	failsWith(t, c, "dial 127.0.0.1:1", abi.CodeUnavailable, "connection refused")
	failsWith(t, c, "dial localhost:"+port, abi.CodeDenied, `add "localhost:`+port+`" to net`)
	failsWith(t, c, "dial 169.254.169.254:80", abi.CodeDenied, "169.254.169.254:80")
	failsWith(t, c, "dial name.invalid:80", abi.CodeUnavailable, "name.invalid")

	_, wide := openGuest(t, Grant{Net: []string{"*"}})
	failsWith(t, wide, "dial "+address, abi.CodeUnavailable, `is a loopback address, which a name alone does not open: if it is meant, add "`+address+`"`)

	_, named := openGuest(t, Grant{Net: []string{"localhost:" + port}})
	answers(t, named, "talk localhost:"+port, "HELLO\n")
	failsWith(t, named, "dial "+address, abi.CodeDenied, "denied")
}

func TestTheTargetMayBeGranted(t *testing.T) {
	address := lineServer(t)
	_, c := openGuest(t, Grant{Net: []string{"${target}"}})
	// The guest takes the whole target for what to do, so it is a URL here whose address is the server's.
	failsWith(t, c, "dial "+address, abi.CodeDenied, "denied")
	got, err := say(t, c, "talk "+address)
	if err == nil {
		t.Errorf("a target that is no address opened one: %q", got)
	}
	answers(t, c, "http://"+address+"/talk "+address, "HELLO\n")
	failsWith(t, c, "http://127.0.0.1:1/talk "+address, abi.CodeDenied, "denied")
}

func TestManyConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // nobody accepts: the kernel does
	w, c := openGuest(t, Grant{Net: []string{l.Addr().String()}})
	got, err := say(t, c, "dials "+l.Addr().String())
	if err != nil || !strings.HasPrefix(got[0], "16 ") || !strings.Contains(got[0], "too many connections are open") {
		t.Errorf("after how many connections: %q, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := w.engine.Instances(); n != 0 {
		t.Errorf("%d instances after close", n)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	w, c := openGuest(t, Grant{})
	answers(t, c, "say break\nout\x1b[31m \u202eof this line", "done")
	for _, want := range []string{`break\\nout\\x1b[31m \\u202eof this line`, `level=INFO msg="to standard output" plugin=test/guest`, `level=WARN msg="to standard error" plugin=test/guest`} {
		if !strings.Contains(w.log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, w.log)
		}
	}
	before := len(w.log.String())
	answers(t, c, "log", "done")
	answers(t, c, "log", "done")
	log := w.log.String()[before:]
	if n := strings.Count(log, "\n"); n > 300 || !strings.Contains(log, "lines were dropped") {
		t.Errorf("200,000 lines became %d; %s", n, log[max(0, len(log)-200):])
	}
}

func TestCacheFolderOfOthersIsRefused(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, installGuest(t), func(o *Options) { o.Cache = cache })
	if _, err := w.Open(t.Context(), Use{ID: "test/guest"}); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v", err)
	}
}
