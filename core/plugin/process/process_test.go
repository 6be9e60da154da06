package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hearth-project/hearth/core/internal/testlog"
	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
)

// built is the test's plugin, built once.
var built struct {
	dir  string
	once sync.Once
}

func TestMain(m *testing.M) {
	if file := os.Getenv(hostEnv); file != "" {
		beHost(file)
	}
	dir, err := os.MkdirTemp("", "hearth-process-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// guestProgram returns the path of the test's plugin.
func guestProgram(t testing.TB) string {
	t.Helper()
	path := filepath.Join(built.dir, "guest")
	built.once.Do(func() {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./testdata/guest")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	})
	return path
}

// script writes a program of its own.
func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func digest(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// world is an engine with a log.
type world struct {
	*Engine
	t   testing.TB
	log *testlog.Buffer
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, log: &testlog.Buffer{}}
	o := Options{
		Dir: t.TempDir(), StartTimeout: 20 * time.Second, Grace: 500 * time.Millisecond, Backoff: Backoff{Least: 50 * time.Millisecond, Most: 200 * time.Millisecond},
		Logger: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	// The name of the test's own folder may be too long for sockets.
	short, err := os.MkdirTemp("", "hp")
	if err != nil {
		t.Fatal(err)
	}
	o.Dir = short
	t.Cleanup(func() {
		if left, err := os.ReadDir(short); err != nil || len(left) > 0 {
			t.Errorf("%v is left, %v", left, err)
		}
		os.RemoveAll(short)
	})
	for _, f := range change {
		f(&o)
	}
	w.Engine = NewEngine(o)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the log is\n%s", w.log)
		}
	})
	return w
}

// pool opens a use of a plugin; without a file it is the test's.
func (w *world) pool(p Plugin) *Pool {
	w.t.Helper()
	if p.File == "" {
		p.File = guestProgram(w.t)
	}
	if p.SHA256 == "" {
		p.SHA256 = digest(w.t, p.File)
	}
	p.ID = "test/guest"
	pool, err := w.Open(p)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { pool.Close() })
	return pool
}

// say makes a call and returns what the plugin has said.
func say(p *Pool, target string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return sayIn(ctx, p, target)
}

func sayIn(ctx context.Context, p *Pool, target string) (string, error) {
	deadline, _ := ctx.Deadline()
	out, _, err := p.Call(ctx, guest.Request{Operation: abi.OpCollect, Body: func() ([]byte, error) {
		return json.Marshal(abi.CollectRequest{Address: target, DeadlineMS: abi.DeadlineMS(time.Until(deadline))})
	}})
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(line, `said{text="`); ok {
			return text[:strings.LastIndex(text, `"`)], nil
		}
	}
	return "", fmt.Errorf("nothing was said in %q", out)
}

func (w *world) answers(p *Pool, target, want string) {
	w.t.Helper()
	if got, err := say(p, target); err != nil || got != want {
		w.t.Errorf("%s: %q, %v; want %q", target, got, err, want)
	}
}

// fails makes a call that must end in a fault of a kind with a text.
func (w *world) fails(err error, kind guest.Kind, text string) {
	w.t.Helper()
	var f *guest.Fault
	if !errors.As(err, &f) || f.Kind != kind || !strings.Contains(f.Message, text) {
		w.t.Errorf("got %v (%#v), want a fault of kind %d with %q", err, err, kind, text)
	}
}

// eventually waits for something to become true.
func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it never came that %s", what)
		}
	}
}

// serves waits until a call succeeds again.
func (w *world) serves(p *Pool) {
	w.t.Helper()
	w.eventually("the plugin serves again", func() bool { _, err := say(p, "pid"); return err == nil })
}

func alive(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestACallAndItsAnswer(t *testing.T) {
	w := newWorld(t)
	p := w.pool(Plugin{Settings: []byte(`{"value":"x"}`)})
	w.answers(p, "calls", "1")
	w.answers(p, "calls", "2")
	w.answers(p, "value", "x")
	var answer *guest.Error
	if _, err := say(p, "nonsense"); !errors.As(err, &answer) || answer.Code != abi.CodeInvalidRequest || answer.Message != "what is that?" {
		t.Errorf("nonsense: %v", err)
	}
	w.answers(p, "calls", "5")
	s := p.Status()
	if len(s.PIDs) != 1 || s.Resident < 1<<20 || s.Restarts != 0 || s.LastExit != "" || s.NextTry != nil {
		t.Errorf("status %+v", s)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	_, err := say(p, "calls")
	w.fails(err, guest.NoStart, "not in use any more")
	if alive(fmt.Sprint(s.PIDs[0])) {
		t.Error("the process lives on")
	}
}

func TestOnlyWhatIsGrantedIsSeen(t *testing.T) {
	t.Setenv("HEARTH_TEST_SECRET", "visible")
	value := "one"
	var mu sync.Mutex
	w := newWorld(t)
	p := w.pool(Plugin{
		Env: map[string]string{"GREETING": "hello", "HEARTH_SECRETS": "/etc"},
		Secrets: map[string]func() (string, error){
			"password": func() (string, error) { mu.Lock(); defer mu.Unlock(); return value, nil },
			"token":    func() (string, error) { return "", errors.New("file:/gone: no such file") },
		},
	})
	got, err := say(p, "env")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, kv := range strings.Split(got, "|") {
		name, v, _ := strings.Cut(kv, "=")
		names[name] = v
	}
	for _, name := range []string{"GREETING", "GOMEMLIMIT", "HEARTH_PLUGIN", "HEARTH_RUNTIME", "HEARTH_SECRETS", "HOME", "PATH", "TMPDIR"} {
		if names[name] == "" {
			t.Errorf("no %s", name)
		}
		delete(names, name)
	}
	for name := range names {
		if !strings.HasPrefix(name, "PLUGIN_") {
			t.Errorf("it sees %s", name)
		}
	}
	w.answers(p, "secret password", "one")
	if _, err := say(p, "secret token"); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("a secret that can't be read: %v", err)
	}
	mu.Lock()
	value = "two"
	mu.Unlock()
	p.refreshSecrets()
	w.answers(p, "secret password", "two")
	if log := w.log.String(); strings.Count(log, "file:/gone") != 1 || strings.Contains(log, "two") {
		t.Error("the log tells of secrets what it should not, or not what it should")
	}
	dir := p.dirs()[0]
	for _, d := range []string{filepath.Dir(dir), dir, filepath.Join(dir, secretsName)} {
		if fi, err := os.Stat(d); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", d, fi, err)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, secretsName, "password")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the secret: %v, %v", fi, err)
	}
}

// dirs returns the folders of the processes.
func (p *Pool) dirs() (dirs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.mu.children {
		dirs = append(dirs, c.dir)
	}
	return dirs
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	p := w.pool(Plugin{Memory: 64 << 20})
	w.answers(p, "limits", "128 1024 0")
	score, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.Status().PIDs[0]))
	if err != nil || strings.TrimSpace(string(score)) != oomScore {
		t.Errorf("score %q, %v", score, err)
	}
	_, err = say(p, "memory")
	w.fails(err, guest.Exit, "it has ended itself with exit code 2")
	if !strings.Contains(err.Error(), "memory") {
		t.Errorf("no word of memory: %v", err)
	}
	w.serves(p)
}

func TestMoreProcessesWhileCallsWait(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Idle = time.Hour })
	p := w.pool(Plugin{Instances: 2})
	w.answers(p, "calls", "1")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { w.answers(p, "sleep 200ms", "slept") })
	}
	wg.Wait()
	if n := len(p.Status().PIDs); n != 2 {
		t.Fatalf("%d processes", n)
	}
	p.engine.o.Idle = 0
	p.tend()
	w.eventually("one is stopped", func() bool { return len(p.Status().PIDs) == 1 })
	w.serves(p)
	if s := p.Status(); s.Restarts != 0 || s.LastExit != "" {
		t.Errorf("a process that was not needed any more counts as one that failed: %+v", s)
	}
}
