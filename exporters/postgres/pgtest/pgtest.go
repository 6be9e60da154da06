// Package pgtest runs this machine's PostgreSQL for tests: a new server in a folder of its own, on a free port of the
// loopback interface, with TLS, ended with the test. PostgreSQL refuses to be run by root, so root's tests run it as the
// user postgres.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// hba lets the superuser in from this machine, user "tls" with TLS only, and everybody else with a password.
const hba = `host all postgres 127.0.0.1/32 trust
hostssl all tls 127.0.0.1/32 scram-sha-256
hostnossl all tls 127.0.0.1/32 reject
host all clear 127.0.0.1/32 password
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
`

// Server is a PostgreSQL server. Its superuser postgres needs no password.
type Server struct {
	Address string // host:port
	CA      string // PEM certificate of the authority of its certificate, which is for localhost
	OtherCA string // PEM certificate of another

	t    testing.TB
	dir  string
	cred *syscall.Credential // nil: this process' own
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// BinEnv is the environment variable with the folder of the server's programs; without it they are looked for where
// Debian has them, and in PATH. The tests can so be run with any version.
const BinEnv = "HEARTH_POSTGRES_BIN"

// Binary returns the path of one of the server's programs, or an empty string if there is none.
func Binary(name string) string {
	if dir := os.Getenv(BinEnv); dir != "" {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			return ""
		}
		return path
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name) // the pattern is well-formed
	if len(paths) > 0 {
		return paths[len(paths)-1]
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// Installed tells whether this machine has a PostgreSQL that these tests can run.
func Installed() bool {
	if Binary("postgres") == "" || Binary("initdb") == "" {
		return false
	}
	_, err := credential()
	return err == nil
}

// Extension tells whether the server has an extension of that name.
func Extension(name string) bool {
	for _, dir := range []string{"lib", "lib/postgresql"} {
		if _, err := os.Stat(filepath.Join(filepath.Dir(Binary("postgres")), "..", dir, name+".so")); err == nil {
			return true
		}
	}
	return false
}

// Initialize makes an empty cluster in a new folder, of which Start makes servers sooner than without.
func Initialize(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	cred, err := credential()
	if err != nil {
		return err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return err
		}
	}
	if out, err := command(cred, Binary("initdb"), "-D", dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Start makes a server and starts it; the test is skipped where there is none. cluster is a folder that Initialize made,
// or empty.
func Start(t testing.TB, cluster string) *Server {
	t.Helper()
	if !Installed() {
		t.Skip("there is no PostgreSQL here, or root has no user postgres to run it as")
	}
	s := &Server{t: t}
	dir, err := os.MkdirTemp("", "hearth-postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if s.cred, err = credential(); err != nil {
		t.Fatal(err)
	}
	s.dir = filepath.Join(dir, "data")
	if cluster == "" {
		err = Initialize(s.dir)
	} else {
		err = exec.Command("cp", "-a", "--reflink=auto", cluster, s.dir).Run()
	}
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := s.certificates()
	s.write("pg_hba.conf", hba)
	s.write("server.crt", certificate)
	s.write("server.key", key)
	port := freePort(t)
	s.Address = net.JoinHostPort("127.0.0.1", port)
	conf := "listen_addresses = '127.0.0.1'\nport = " + port + "\nunix_socket_directories = ''\nssl = on\npassword_encryption = 'scram-sha-256'\nfsync = off\nautovacuum = off\n" +
		"shared_buffers = '32MB'\nmax_connections = 40\nwal_level = logical\nlogging_collector = off\n"
	if Extension("pg_stat_statements") {
		conf += "shared_preload_libraries = 'pg_stat_statements'\n"
	}
	s.write("postgresql.auto.conf", conf)
	t.Cleanup(s.Stop)
	s.Run()
	return s
}

// Standby starts a server that follows this one; the test is skipped where there is no pg_basebackup.
func (s *Server) Standby() *Server {
	s.t.Helper()
	program := Binary("pg_basebackup")
	if program == "" {
		s.t.Skip("pg_basebackup is not installed")
	}
	s.Exec("postgres", "CREATE ROLE standby REPLICATION LOGIN PASSWORD 'follow'")
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &Server{t: s.t, cred: s.cred, CA: s.CA, OtherCA: s.OtherCA, dir: filepath.Join(filepath.Dir(s.dir), "standby")}
	if err := errors.Join(os.Mkdir(b.dir, 0o700), b.own(b.dir)); err != nil {
		s.t.Fatal(err)
	}
	conn := fmt.Sprintf("host=%s port=%s user=standby password=follow", host, port)
	if out, err := command(s.cred, program, "-d", conn, "-D", b.dir, "-R", "-C", "-S", "standby", "-c", "fast", "--no-sync").CombinedOutput(); err != nil {
		s.t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	port = freePort(s.t)
	b.Address = net.JoinHostPort(host, port)
	f, err := os.OpenFile(filepath.Join(b.dir, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = fmt.Fprintf(f, "port = %s\n", port)
	if err := errors.Join(err, f.Close()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(b.Stop)
	b.Run()
	return b
}

// Run starts the server again after Kill or Stop, and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	log, err := os.OpenFile(s.dir+".log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := command(s.cred, Binary("postgres"), "-D", s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait() // how it ended does not matter
	}()
	s.cmd, s.done = cmd, done
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := s.connect("postgres")
		if err == nil {
			c.Close(context.Background())
			return
		}
		select {
		case <-done:
			err = errors.New("it has ended")
		default:
			if time.Now().Before(deadline) {
				continue
			}
		}
		text, _ := os.ReadFile(log.Name()) // empty if it can't be read
		s.t.Fatalf("PostgreSQL does not start: %v\n%s", err, text)
	}
}

// Stop ends the server in order; it may have ended already.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server as a power failure would, as far as clients see it.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(signal os.Signal) {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(signal)
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		<-s.done
	}
	s.cmd = nil
}

// Exec runs SQL as the superuser, in a database.
func (s *Server) Exec(database, sql string) {
	s.t.Helper()
	s.Text(database, sql)
}

// Text runs SQL as the superuser and returns the first value of the last answer, as text.
func (s *Server) Text(database, sql string) string {
	s.t.Helper()
	c, err := s.connect(database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close(context.Background())
	results, err := c.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		s.t.Fatalf("%.200s: %v", sql, err)
	}
	if last := results[len(results)-1]; len(last.Rows) > 0 && len(last.Rows[0]) > 0 {
		return string(last.Rows[0][0])
	}
	return ""
}

// Connect opens a connection as the superuser, which ends with the test.
func (s *Server) Connect(database string) *pgconn.PgConn {
	s.t.Helper()
	c, err := s.connect(database)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func (s *Server) connect(database string) (*pgconn.PgConn, error) {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, err
	}
	return pgconn.Connect(context.Background(), fmt.Sprintf("host=%s port=%s user=postgres dbname='%s' sslmode=disable application_name=pgtest connect_timeout=20", host, port, database))
}

func (s *Server) write(name, text string) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := s.own(file); err != nil {
		s.t.Fatal(err)
	}
}

// own gives a file to the server's user.
func (s *Server) own(file string) error {
	if s.cred == nil {
		return nil
	}
	return os.Chown(file, int(s.cred.Uid), int(s.cred.Gid))
}

// command is a program run as the server's user, which ends with this process.
func command(cred *syscall.Credential, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGQUIT}
	return cmd
}

// credential is who runs the server: nil is this process' own user.
func credential() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
