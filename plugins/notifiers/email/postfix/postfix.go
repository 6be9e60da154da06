// Package postfix runs a Postfix for tests: the system's programs with a configuration, queue, mailboxes, users and
// certificates of the test's own, on loopback. Nothing of the system's mail is touched.
//
// It has a mailbox for ops@example.test and dev@example.test. grey@example.test is refused with 450, gone@example.test with
// 550. The user is ann, the password Password.
package postfix

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// Password of the user ann.
const Password = "corr3ct-horse"

//go:embed main.cf master.cf
var files embed.FS

// Server is a Postfix that runs.
type Server struct {
	Submission string // address with STARTTLS and authentication, PLAIN and LOGIN
	CRAM       string // the same with CRAM-MD5 only
	Login      string // the same with LOGIN only
	TLS        string // address with TLS from the first byte
	Plain      string // address without TLS
	CA         string // PEM certificate of the authority that signed the server's, for localhost
	OtherCA    string // PEM certificate of another authority
	ClientCert string // PEM certificate of a client that the server knows
	ClientKey  string

	dir string
}

// Start runs a server until the test ends. Without Postfix or the right to run it the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	for _, program := range []string{"postfix", "saslpasswd2"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: %v", program, err)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("Postfix runs as root only")
	}
	dir, err := os.MkdirTemp("", "postfix")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{dir: dir}
	if err := s.configure(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("log of Postfix:\n%s", log)
		}
	})
	stop, err := s.start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	for _, address := range []string{s.Submission, s.CRAM, s.TLS, s.Plain, s.Login} {
		if err := listens(address); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// start runs the server as a child that ends with the test, however that ends.
func (s *Server) start() (stop func() error, err error) {
	if err := run("", "postfix", "-c", s.path("etc"), "check"); err != nil { // makes the queue's folders
		return nil, err
	}
	daemons, err := exec.Command("postconf", "-c", s.path("etc"), "-h", "daemon_directory").Output()
	if err != nil {
		return nil, err
	}
	said, err := os.Create(s.path("said"))
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd := exec.Command(filepath.Join(strings.TrimSpace(string(daemons)), "master"), "-c", s.path("etc"), "-d")
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true} // it ends its group
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			return err
		}
		return nil
	}, nil
}

// listens waits until the server does.
func listens(address string) (err error) {
	var conn net.Conn
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if conn, err = net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("postfix does not listen: %w", err)
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) configure() error {
	if err := os.Chmod(s.dir, 0o755); err != nil { // other users' processes look into it
		return err
	}
	for _, d := range []string{"etc", "etc/sasl", "spool", "data", "mail"} {
		if err := os.MkdirAll(s.path(d), 0o755); err != nil {
			return err
		}
	}
	postfix, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return err
	}
	if err := own(s.path("data"), postfix); err != nil {
		return err
	}
	if err := own(s.path("mail"), nobody); err != nil {
		return err
	}
	if err := s.certify(); err != nil {
		return err
	}
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	for i, address := range []*string{&s.Submission, &s.CRAM, &s.TLS, &s.Plain, &s.Login} {
		*address = "localhost:" + ports[i]
	}
	values := map[string]any{"Dir": s.dir, "UID": nobody.Uid, "GID": nobody.Gid, "Ports": ports}
	for _, name := range []string{"main.cf", "master.cf"} {
		text, err := template.ParseFS(files, name)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := text.Execute(&out, values); err != nil {
			return err
		}
		if err := os.WriteFile(s.path("etc/"+name), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	for name, mechanisms := range map[string]string{"smtpd": "PLAIN LOGIN", "cram": "CRAM-MD5", "login": "LOGIN"} {
		text := fmt.Sprintf("pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s\nmech_list: %s\n", s.path("users"), mechanisms)
		if err := os.WriteFile(s.path("etc/sasl/"+name+".conf"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := run(Password, "saslpasswd2", "-p", "-c", "-f", s.path("users"), "-u", "example.test", "ann"); err != nil {
		return err
	}
	return own(s.path("users"), postfix)
}

func own(path string, u *user.User) error {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

// freePorts finds ports that are free on loopback at the moment.
func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

func run(input, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return nil
}

// Mails returns what is in a mailbox, ops or dev, oldest first.
func (s *Server) Mails(t testing.TB, box string) []*mail.Message {
	t.Helper()
	names, err := filepath.Glob(s.path("mail/" + box + "/new/*"))
	if err != nil {
		t.Fatal(err)
	}
	type file struct {
		at   time.Time
		text []byte
	}
	var all []file
	for _, name := range names {
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, file{st.ModTime(), text})
	}
	slices.SortFunc(all, func(a, b file) int { return a.at.Compare(b.at) })
	var mails []*mail.Message
	for _, f := range all {
		m, err := mail.ReadMessage(bytes.NewReader(f.text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, f.text)
		}
		mails = append(mails, m)
	}
	return mails
}

// Wait returns the mails of a mailbox as soon as there are n.
func (s *Server) Wait(t testing.TB, box string, n int) []*mail.Message {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := s.Mails(t, box)
		if len(got) >= n {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails have arrived at %s, want %d", len(got), box, n)
		}
	}
}

// Empty removes the mails of all mailboxes.
func (s *Server) Empty(t testing.TB) {
	t.Helper()
	names, err := filepath.Glob(s.path("mail/*/new/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}
