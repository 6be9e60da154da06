package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hearth-project/hearth/sdk/process"
)

// runner is how go-plugin starts, watches and kills a child through this package.
type runner struct {
	name string
	dir  string
	pid  int

	input       *os.File // the end that is written to, which nothing is: it ends with hearth
	out, errOut *os.File // the ends that are read
	hello       *handshake

	kill func() // once is enough; the kernel knows the child until done is closed

	done  chan struct{}    // closed when the child and all that it has started are gone
	heard chan struct{}    // closed when its standard error has been read to the end
	state *os.ProcessState // then
}

// run starts a program in its folder with limits.
func (e *Engine) run(p *program, dir string, env []string, memory int64, rest io.Writer) (_ *runner, err error) {
	if err := p.verify(); err != nil {
		return nil, err
	}
	path, err := p.path(dir)
	if err != nil {
		return nil, err
	}
	var pipes []*os.File
	closeAll := func(files []*os.File) {
		for _, f := range files {
			f.Close()
		}
	}
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(pipes)
			return nil, err
		}
		pipes = append(pipes, r, w)
	}
	theirs := []*os.File{pipes[0], pipes[3], pipes[5]}
	ours := []*os.File{pipes[1], pipes[2], pipes[4]}
	child, err := e.starter.start(path, []string{p.name}, &os.ProcAttr{Dir: filepath.Join(dir, tmpName), Env: env, Files: append(theirs[:3:3], p.file)})
	closeAll(theirs)
	if err != nil {
		closeAll(ours)
		switch denied := errors.Is(err, syscall.EACCES); {
		case denied && p.script:
			err = fmt.Errorf("%w: is %s on a file system that is mounted noexec? Name another folder in runtime of [plugins]", err, dir)
		case denied:
			err = fmt.Errorf("%w: is it forbidden to run programs from memory (sysctl vm.memfd_noexec)?", err)
		}
		return nil, err
	}
	r := &runner{name: p.name, dir: dir, pid: child.Pid, input: ours[0], out: ours[1], errOut: ours[2], done: make(chan struct{}), heard: make(chan struct{})}
	r.hello = &handshake{from: r.out, rest: rest}
	r.kill = sync.OnceFunc(func() { _ = child.Kill() })
	// The child runs for a moment without limits: they are for what goes wrong later.
	if err := limit(r.pid, memory); err != nil {
		r.kill()
		e.o.Logger.Warn("a plugin's process can't be limited", "program", p.name, "err", err)
	}
	go r.watch(child)
	return r, nil
}

// watch waits for the end of the child and clears up behind it.
func (r *runner) watch(child *os.Process) {
	waitEnd(r.pid)
	process.EndRemains(r.pid, r.dir)
	r.state, _ = child.Wait()
	r.input.Close()
	// What has been said is still in the pipes. Nobody is there any more to add to it.
	deadline := time.Now().Add(time.Second)
	_ = r.out.SetReadDeadline(deadline)
	_ = r.errOut.SetReadDeadline(deadline)
	close(r.done)
}

// Start is go-plugin's; the child has been started.
func (r *runner) Start(context.Context) error { return nil }

// Wait is go-plugin's.
func (r *runner) Wait(context.Context) error {
	<-r.done
	r.out.Close()
	r.errOut.Close()
	return nil
}

// Kill is go-plugin's.
func (r *runner) Kill(context.Context) error {
	r.kill()
	<-r.done
	return nil
}

// Stdout is go-plugin's, which reads the handshake from it.
func (r *runner) Stdout() io.ReadCloser { return r.hello }

// Stderr is go-plugin's, which reads it on one goroutine.
func (r *runner) Stderr() io.ReadCloser {
	return &listened{File: r.errOut, end: sync.OnceFunc(func() { close(r.heard) })}
}

// listened is a stream of which it is known when it has been read to the end.
type listened struct {
	*os.File
	end func()
}

// Read implements io.Reader.
func (l *listened) Read(b []byte) (int, error) {
	n, err := l.File.Read(b)
	if err != nil {
		l.end()
	}
	return n, err
}

// Name is go-plugin's.
func (r *runner) Name() string { return r.name }

// ID is go-plugin's.
func (r *runner) ID() string { return strconv.Itoa(r.pid) }

// Diagnose is go-plugin's.
func (r *runner) Diagnose(context.Context) string { return "" }

// PluginToHost is go-plugin's. Without certificates only the folder keeps others away, so the socket must be in it.
func (r *runner) PluginToHost(network, address string) (string, string, error) {
	if !r.hello.secure() && (network != "unix" || !strings.HasPrefix(filepath.Clean(address), r.dir+"/")) {
		return "", "", fmt.Errorf("it listens on %s %s without TLS, where others may reach it: it must listen on a Unix socket in $PLUGIN_UNIX_SOCKET_DIR", network, address)
	}
	return network, address, nil
}

// HostToPlugin is go-plugin's.
func (r *runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// exit says how the child has ended.
func (r *runner) exit() string {
	if r.state == nil {
		return "it has ended"
	}
	if status, ok := r.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Sprintf("it was ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("it has ended itself with exit code %d", r.state.ExitCode())
}
