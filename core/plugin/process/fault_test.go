package process

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// TestAProcessThatEndsIsStartedAgain has the plugin end in all the ways there are. The call says how; calls while it is
// down fail at once; then it serves again, in a new process.
func TestAProcessThatEndsIsStartedAgain(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Backoff.Least, o.Backoff.Most = time.Second, time.Second })
	p := w.pool(Plugin{Instances: 1})
	for i, tt := range []struct{ name, target, text string }{
		{"it exits", "exit", "it has ended itself with exit code 3: this is the end"},
		{"a goroutine panics", "trap", "it has ended itself with exit code 2: panic: runtime error: invalid memory address"},
		{"it panics in the call", "panic", "panic: told to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, err := say(p, "pid")
			if err != nil {
				t.Fatal(err)
			}
			if _, err = say(p, tt.target); err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			w.eventually("it is down", func() bool { return p.Status().NextTry != nil })
			_, err = say(p, "pid") // which does not wait
			w.fails(err, guest.NoStart, "it is not running: ")
			var f *guest.Fault
			if errors.As(err, &f) && (!strings.Contains(f.Message, tt.text) || !strings.Contains(f.Message, "it is started again in ") || f.RetryAfter <= 0) {
				t.Errorf("while it is down: %#v", f)
			}
			w.serves(p)
			after, err := say(p, "pid")
			if err != nil || after == before {
				t.Errorf("pid %s, then %s, %v", before, after, err)
			}
			if s := p.Status(); s.Restarts != uint64(i+1) || !strings.Contains(s.LastExit, tt.text) || s.ExitedAt == nil {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestAKilledProcessIsStartedAgain(t *testing.T) {
	w := newWorld(t)
	restarts := make(chan struct{}, 10)
	p := w.pool(Plugin{Restarted: func() { restarts <- struct{}{} }})
	pid, err := say(p, "pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.Status().PIDs[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.eventually("another process runs", func() bool { s := p.Status(); return len(s.PIDs) == 1 && fmt.Sprint(s.PIDs[0]) != pid })
	w.serves(p)
	if s := p.Status(); s.Restarts != 1 || s.LastExit != "it was ended by signal 9 (killed)" || len(restarts) != 1 {
		t.Errorf("status %+v, told of %d", s, len(restarts))
	}
	// In the middle of a call.
	failed := make(chan error)
	go func() { _, err := say(p, "hang"); failed <- err }()
	w.eventually("the call is under way", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.mu.idle) == 0 && len(p.mu.children) == 1 })
	if err := syscall.Kill(p.Status().PIDs[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.fails(<-failed, guest.Exit, "signal 9")
	w.serves(p)
}

func TestAProcessThatEndsAtOnceIsStartedLessAndLess(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Backoff = Backoff{Least: 20 * time.Millisecond, Most: time.Hour} })
	p := w.pool(Plugin{File: script(t, "#!/bin/sh\necho no luck >&2\nexit 7\n")})
	w.eventually("it has failed some times", func() bool { return p.Status().Restarts >= 4 })
	_, err := say(p, "pid")
	w.eventually("it is down", func() bool { _, err = say(p, "pid"); return err != nil && strings.Contains(err.Error(), "not running") })
	w.fails(err, guest.NoStart, "it is not running: it has ended itself with exit code 7: no luck; it is started again in ")
	s := p.Status()
	if s.NextTry == nil || s.NextTry.Sub(*s.ExitedAt) < 100*time.Millisecond || len(s.PIDs) != 0 {
		t.Errorf("status %+v", s)
	}
}

func TestStartsThatFail(t *testing.T) {
	for _, tt := range []struct{ name, text, says string }{
		{"garbage for a handshake", "#!/bin/sh\necho 'hello|world'\nexec sleep 1000\n", "the first line of its standard output is no handshake: hello|world"},
		{"garbage without end", "#!/bin/sh\nexec cat /dev/zero\n", `no handshake: \x00`},
		{"no handshake", "#!/bin/sh\necho thinking >&2\nexec sleep 1000\n", "it has not said within 1s where it listens: thinking"},
		{"an output that is closed", "#!/bin/sh\nexec >&-\nexec sleep 1000\n", "ended"},
		{"another protocol", "#!/bin/sh\necho '1|9|unix|/tmp/x|grpc|'\nexec sleep 1000\n", "incompatible API version"},
		{"a port of this machine without TLS", "#!/bin/sh\necho '1|1|tcp|127.0.0.1:1|grpc|'\nexec sleep 1000\n", "it listens on tcp 127.0.0.1:1 without TLS"},
		{"a socket outside of its folder without TLS", "#!/bin/sh\necho '1|1|unix|/tmp/x|grpc|'\nexec sleep 1000\n", "it listens on unix /tmp/x without TLS"},
		{"a socket where nobody listens", "#!/bin/sh\necho \"1|1|unix|$PLUGIN_UNIX_SOCKET_DIR/x|grpc|\"\nexec sleep 1000\n", "its connection has broken"},
		{"an interpreter that is not there", "#!/nowhere/sh\n", "no such file"},
		{"no program at all", "just text", "exec format error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(o *Options) {
				o.Backoff.Least, o.Backoff.Most = time.Hour, time.Hour
				if strings.Contains(tt.says, "within 1s") {
					o.StartTimeout = time.Second
				}
			})
			p := w.pool(Plugin{File: script(t, tt.text)})
			_, err := say(p, "pid")
			var f *guest.Fault
			if !errors.As(err, &f) || f.Kind != guest.NoStart || !strings.Contains(f.Message, tt.says) {
				t.Errorf("got %v, want %q", err, tt.says)
			}
		})
	}
}

func TestWhatConfiguringAnswersIsTold(t *testing.T) {
	w := newWorld(t)
	p := w.pool(Plugin{Settings: []byte(`{"fail":"unavailable"}`)})
	for range 3 {
		var answer *guest.Error
		if _, err := say(p, "pid"); !errors.As(err, &answer) || answer.Code != abi.CodeUnavailable || answer.Operation != abi.OpConfigure || !answer.Retryable {
			t.Errorf("got %v", err)
		}
	}
}

func TestOnlyTheFileThatWasCheckedIsRun(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "guest")
	text, err := os.ReadFile(guestProgram(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := digest(t, path)
	p := w.pool(Plugin{File: path, SHA256: sum})
	w.answers(p, "calls", "1")
	// Another program takes its place: in use is what was checked, also after a restart.
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if _, err := say(p, "exit"); err == nil {
		t.Error("it did not exit")
	}
	w.serves(p)
	for range 2 { // whether or not it is in memory already
		if _, err := w.Open(Plugin{ID: "test/guest", File: path, SHA256: sum}); !errors.Is(err, manifest.ErrDigest) || !strings.Contains(err.Error(), "install the plugin again") {
			t.Errorf("another file than the manifest's: %v", err)
		}
		p.Close()
	}
	if _, err := w.Open(Plugin{ID: "test/guest", File: path}); err == nil || !strings.Contains(err.Error(), "seal the package") {
		t.Errorf("no digest: %v", err)
	}
	if n := len(w.mu.programs); n != 0 {
		t.Errorf("%d programs stay in memory", n)
	}
}

func TestDeadlines(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Grace = 3 * time.Second })
	p := w.pool(Plugin{Instances: 1})
	pid, err := say(p, "pid")
	if err != nil {
		t.Fatal(err)
	}
	within := func(d time.Duration, target string) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, err := sayIn(ctx, p, target)
		return err
	}
	// One that sees the deadline answers in time; one that answers a little late is kept.
	var answer *guest.Error
	_, _, err = p.Call(t.Context(), guest.Request{Operation: abi.OpCollect, Body: func() ([]byte, error) { return []byte(`{"address":"wait","deadline_ms":100}`), nil }})
	if !errors.As(err, &answer) || answer.Code != abi.CodeTimeout {
		t.Errorf("a call that gives up: %v", err)
	}
	w.fails(within(100*time.Millisecond, "sleep 300ms"), guest.Deadline, "no answer until the deadline")
	w.fails(within(10*time.Millisecond, "pid"), guest.Deadline, "deadline")
	w.answers(p, "pid", pid)
	// One that never answers is ended.
	w.fails(within(100*time.Millisecond, "hang"), guest.Deadline, "no answer until the deadline")
	w.eventually("it was ended", func() bool { return !alive(pid) })
	w.serves(p)
	if s := p.Status(); !strings.Contains(s.LastExit, "still busy with a call, collect, 3s after it was told to give up") {
		t.Errorf("status %+v", s)
	}
	// The caller gives up.
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, _, err = p.Call(ctx, guest.Request{Operation: abi.OpCollect, Body: func() ([]byte, error) { return []byte(`{"address":"wait"}`), nil }})
	w.fails(err, guest.Cancelled, "the caller has given up")
	if _, err := say(p, "pid"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if s := p.Status(); s.Restarts != 1 {
		t.Errorf("a call that was given up costs the process: %+v", s)
	}
}

func TestAStoppedProcessIsEnded(t *testing.T) {
	w := newWorld(t)
	p := w.pool(Plugin{})
	pid, err := say(p, "pid")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(p.Status().PIDs[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 10*time.Second || alive(pid) {
		t.Errorf("closing took %v", d)
	}
}

func TestAnswersThatAreTooLong(t *testing.T) {
	w := newWorld(t)
	raw := w.pool(Plugin{Env: map[string]string{"RAW": "1"}})
	_, err := say(raw, "much")
	w.fails(err, guest.Malformed, "more than 16777216 bytes")
	w.eventually("it is ended for it", func() bool {
		return strings.Contains(raw.Status().LastExit, "it was ended after a call, collect: its answer has more")
	})
	p := w.pool(Plugin{})
	var answer *guest.Error
	_, _, err = p.Call(t.Context(), guest.Request{Operation: abi.OpCollect, Body: func() ([]byte, error) { return make([]byte, abi.MaxRequest+1), nil }})
	if !errors.As(err, &answer) || answer.Code != abi.CodeInvalidRequest || !strings.Contains(answer.Message, "at most 16777216 are allowed") {
		t.Errorf("a request that is too long: %v", err)
	}
	want := errors.New("no request")
	if _, _, err := p.Call(t.Context(), guest.Request{Operation: abi.OpCollect, Body: func() ([]byte, error) { return nil, want }}); !errors.Is(err, want) {
		t.Errorf("no request: %v", err)
	}
	if _, err := say(p, "pid"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestNothingIsLeftOfAPlugin has it start processes and looks for them after it has ended, in two ways.
func TestNothingIsLeftOfAPlugin(t *testing.T) {
	w := newWorld(t)
	for _, how := range []string{"it exits", "it is stopped"} {
		p := w.pool(Plugin{})
		got, err := say(p, "fork")
		pids := strings.Fields(got)
		if err != nil || len(pids) != 3 {
			t.Fatalf("fork: %q, %v", got, err)
		}
		for _, pid := range pids {
			if !alive(pid) {
				t.Errorf("%s: %s is not there", how, pid)
			}
		}
		if how == "it exits" {
			if _, err := say(p, "exit"); err == nil {
				t.Error("it did not exit")
			}
		} else if err := p.Close(); err != nil {
			t.Error(err)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("%s: process %s is left", how, pid)
			}
		}
	}
}

// hostEnv names the program that this test's own program is to be the host of.
const hostEnv = "HEARTH_TEST_HOST"

// beHost is a host whose plugin starts processes. It prints their numbers, and waits to be killed.
func beHost(file string) {
	text, err := os.ReadFile(file)
	if err == nil {
		sum := sha256.Sum256(text)
		var p *Pool
		if p, err = NewEngine(Options{}).Open(Plugin{File: file, SHA256: hex.EncodeToString(sum[:])}); err == nil {
			var forked string
			if forked, err = say(p, "fork"); err == nil {
				fmt.Println(p.Status().PIDs[0], forked)
				select {}
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestNothingIsLeftOfAHostThatIsKilled(t *testing.T) {
	w := newWorld(t)
	dir, err := os.MkdirTemp("", "hp")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), hostEnv+"="+guestProgram(t), "TMPDIR="+dir, "RUNTIME_DIRECTORY=", "XDG_RUNTIME_DIR=")
	host.Stderr = os.Stderr
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pids := strings.Fields(line)
	if err != nil || len(pids) != 4 {
		t.Errorf("the host says %q, %v", line, err)
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %s is not there", pid)
		}
	}
	_ = host.Process.Kill()
	_ = host.Wait()
	for _, pid := range pids {
		w.eventually("process "+pid+" is gone", func() bool { return !alive(pid) })
	}
}
