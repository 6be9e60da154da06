package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/internal/testlog"
)

// root is the top of the repository, where make puts bin/.
var root = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

// binary is the hearth under test: bin/hearth, or that which HEARTH_BIN names.
var binary = cmp.Or(os.Getenv("HEARTH_BIN"), filepath.Join(root, "bin", "hearth"))

// process is a program the test started; it ends with the test at the latest.
type process struct {
	name string
	cmd  *exec.Cmd
	log  testlog.Buffer
	done chan struct{}
	err  error // set when done is closed

	hushed bool // its output is of no interest any more
}

// start runs a program; its output is shown if the test fails.
func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(program), done: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v (run `make build deps` first)", program, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() && !p.hushed {
			t.Logf("output of %s:\n%s", p.name, tail(p.log.String(), 8000))
		}
	})
	return p
}

// kill ends the process as kill -9 does and waits.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// stop sends SIGTERM and waits; how the process ended is returned.
func (p *process) stop(t *testing.T) error {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-time.After(30 * time.Second):
		t.Fatalf("%s did not end within 30 s of SIGTERM", p.name)
		return nil
	}
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// hearth is a running server under test.
type hearth struct {
	*process
	url    string
	listen string
	config string
	data   string
	api    promv1.API
	args   []string
}

// serve writes the configuration and starts the server on a free port; it returns when the server is ready.
func serve(t *testing.T, config string, args ...string) *hearth {
	t.Helper()
	h := prepare(t, filepath.Join(t.TempDir(), "data"), config, args...)
	h.again(t)
	return h
}

// prepare writes the configuration of a server with its data in a directory of the caller, and starts nothing.
func prepare(t *testing.T, data, config string, args ...string) *hearth {
	t.Helper()
	h := &hearth{listen: freeAddr(t), config: filepath.Join(t.TempDir(), "config.toml"), data: data, args: args}
	h.url = "http://" + h.listen
	h.configure(t, config)
	client, err := api.NewClient(api.Config{Address: h.url})
	if err != nil {
		t.Fatal(err)
	}
	h.api = promv1.NewAPI(client)
	return h
}

// again starts the server on the same data after it has ended.
func (h *hearth) again(t *testing.T) {
	t.Helper()
	h.begin(t)
	h.awaitReady(t)
}

// begin starts the server and does not wait for it.
func (h *hearth) begin(t *testing.T) {
	t.Helper()
	args := append([]string{"serve", "--config", h.config, "--data", h.data, "--listen", h.listen}, h.args...)
	h.process = start(t, binary, args...)
}

// configure replaces the configuration file; {self} in it is the server's own address.
func (h *hearth) configure(t *testing.T, config string) {
	t.Helper()
	if err := os.WriteFile(h.config, []byte(strings.ReplaceAll(config, "{self}", h.listen)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *hearth) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, "hearth to be ready", func() error {
		select {
		case <-h.done:
			t.Fatalf("hearth ended: %v\n%s", h.err, tail(h.log.String(), 4000))
		default:
		}
		code, body := h.get(t, "/-/ready")
		if code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

// get asks a path and returns the status, 0 if there was no answer, and the body.
func (h *hearth) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Get(h.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// post sends an empty POST and returns the status and the body.
func (h *hearth) post(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := http.Post(h.url+path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(b)
}

// vector evaluates an expression now.
func (h *hearth) vector(expr string) (model.Vector, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	v, _, _, err := h.api.Query(ctx, expr, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	switch v := v.(type) {
	case model.Vector:
		return v, nil
	case *model.Scalar:
		return model.Vector{{Value: v.Value, Timestamp: v.Timestamp}}, nil
	}
	return nil, fmt.Errorf("%s: got a %s", expr, v.Type())
}

var errNothing = errors.New("no series yet")

// value evaluates an expression of one element.
func (h *hearth) value(expr string) (float64, error) {
	v, err := h.vector(expr)
	if err != nil {
		return 0, err
	}
	if len(v) == 0 {
		return 0, fmt.Errorf("%s: %w", expr, errNothing)
	}
	if len(v) > 1 {
		return 0, fmt.Errorf("%s: %d series, want one", expr, len(v))
	}
	return float64(v[0].Value), nil
}

// matrix evaluates a range selector now.
func (h *hearth) matrix(t *testing.T, expr string) model.Matrix {
	t.Helper()
	v, _, _, err := h.api.Query(t.Context(), expr, time.Now())
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	m, ok := v.(model.Matrix)
	if !ok {
		t.Fatalf("%s: got a %s", expr, v.Type())
	}
	return m
}

// eventually tries until try returns nil, and fails the test with the last error when the time is up.
func eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s: %v", limit, what, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// freeAddr returns a loopback address nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// nodeExporter starts Debian's node_exporter and returns its address.
func nodeExporter(t *testing.T) string {
	t.Helper()
	addr := freeAddr(t)
	start(t, "/usr/bin/prometheus-node-exporter", "--web.listen-address="+addr, "--log.level=warn")
	eventually(t, 20*time.Second, "node_exporter", func() error {
		res, err := http.Get("http://" + addr + "/metrics")
		if err != nil {
			return err
		}
		res.Body.Close()
		return nil
	})
	return addr
}
