package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	gorunner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hearth-project/hearth/core/plugin/guest"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/process"
)

// opStart names what goes before the first call.
const opStart = "start"

// child is one process of a pool. It makes one call at a time.
type child struct {
	pool    *Pool
	dir     string
	runner  *runner
	client  *goplugin.Client
	calls   *process.Client
	said    *said
	started time.Time
	release func() // of all that belongs to it

	// Guarded by Pool.mu:
	idle     time.Time // since when
	answered bool      // a call of the pool's
	doomed   bool      // it is ended, or has ended: what follows is to be seen before another takes its place

	mu struct {
		sync.Mutex
		why string // hearth has ended it; empty if it ended by itself
	}
}

// newChild starts a process, shakes hands with it and configures it. Errors are *guest.Fault, or the *guest.Error that
// configuring was answered with.
func (p *Pool) newChild() (_ *child, err error) {
	e := p.engine
	c := &child{pool: p, started: time.Now()}
	fault := func(err error) error {
		return &guest.Fault{Operation: opStart, Kind: guest.NoStart, Message: err.Error(), Err: err}
	}
	if c.dir, err = e.childDir(); err != nil {
		return nil, fault(err)
	}
	ended := make(chan struct{})
	c.said = &said{logger: p.logger, rate: p.rate, ended: ended}
	c.release = sync.OnceFunc(func() {
		close(ended)
		c.client.Kill() // waits for what reads the child's streams
		c.said.end()
		if err := os.RemoveAll(c.dir); err != nil {
			p.logger.Warn("the folder of a plugin's process can't be removed", "dir", c.dir, "err", err)
		}
	})
	giveUp := func() bool { return true } // what ends the start when the pool is closed
	config := &goplugin.ClientConfig{
		HandshakeConfig:  process.Handshake(),
		Plugins:          process.Plugins(),
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     e.o.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		Stderr:           c.said.stream(slog.LevelWarn),
		SyncStdout:       c.said.stream(slog.LevelInfo),
		SyncStderr:       c.said.stream(slog.LevelWarn),
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: c.dir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (gorunner.Runner, error) {
			var err error
			c.runner, err = e.run(p.program, c.dir, p.environment(c.dir, cmd.Env), p.plugin.Memory, c.said.stream(slog.LevelInfo))
			if err != nil {
				return nil, err
			}
			giveUp = context.AfterFunc(p.ctx, c.runner.kill)
			return c.runner, nil
		},
	}
	c.client = goplugin.NewClient(config)
	defer func() {
		giveUp()
		if err != nil {
			if c.runner != nil {
				_ = c.runner.Kill(context.Background())
			}
			c.release()
		}
	}()
	if err := writeSecrets(c.dir, p.readSecrets()); err != nil {
		return nil, fault(err)
	}
	if _, err := c.client.Start(); err != nil {
		return nil, fault(c.startError(err))
	}
	if !c.runner.hello.secure() { // a plugin that has no TLS: the folder keeps others away from its socket
		config.TLSConfig = nil
	}
	if c.calls, err = process.Dispense(c.client); err != nil {
		return nil, fault(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), e.o.StartTimeout)
	defer cancel()
	if _, err := c.call(ctx, abi.OpConfigure, p.plugin.Settings); err != nil {
		return nil, err
	}
	return c, nil
}

// startError says why there was no handshake.
func (c *child) startError(err error) error {
	if c.runner == nil { // it could not be started
		return err
	}
	c.client.Kill() // which waits for what reads the child's streams
	hello := c.runner.hello.line
	switch {
	case strings.HasPrefix(err.Error(), "timeout"):
		return fmt.Errorf("it has not said within %v where it listens%s", c.pool.engine.o.StartTimeout, c.words())
	case len(hello) == 0:
		return errors.New(c.exit())
	case strings.HasPrefix(err.Error(), "Unrecognized"):
		return fmt.Errorf("the first line of its standard output is no handshake: %s%s", guest.Printable(hello[:min(len(hello), 200)]), c.words())
	}
	return errors.New(guest.Printable([]byte(err.Error())) + c.words())
}

// exit says how the child has ended, and its last words.
func (c *child) exit() string {
	c.mu.Lock()
	why := c.mu.why
	c.mu.Unlock()
	return cmp.Or(why, c.runner.exit()) + c.words()
}

func (c *child) words() string {
	if w := c.said.lastWords(); w != "" {
		return ": " + w
	}
	return ""
}

// environment is the child's whole environment: what is granted, what it needs to run, what go-plugin gives it.
func (p *Pool) environment(dir string, more []string) []string {
	env := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	maps.Copy(env, p.plugin.Env)
	tmp := filepath.Join(dir, tmpName)
	env["HOME"], env["TMPDIR"] = tmp, tmp
	env["GOMEMLIMIT"] = strconv.FormatInt(p.plugin.Memory/100*memoryTarget, 10)
	env[process.SecretsEnv] = filepath.Join(dir, secretsName)
	env[process.RuntimeEnv] = dir
	for _, kv := range more {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// call makes one call. Errors are *guest.Error or *guest.Fault.
func (c *child) call(ctx context.Context, op string, body []byte) ([]byte, error) {
	if len(body) > abi.MaxRequest {
		return nil, &guest.Error{Operation: op, Failure: abi.Failure{Code: abi.CodeInvalidRequest,
			Message: fmt.Sprintf("the request has %d bytes, at most %d are allowed", len(body), abi.MaxRequest)}}
	}
	out, failed, err := c.calls.Call(ctx, op, body)
	switch {
	case err != nil:
		return nil, c.fault(ctx, op, err)
	case failed:
		return nil, guest.Failed(op, out)
	case len(out) > abi.MaxResult:
		return nil, &guest.Fault{Operation: op, Kind: guest.Malformed, Message: fmt.Sprintf("its answer has %d bytes, at most %d are allowed", len(out), abi.MaxResult)}
	}
	return out, nil
}

// fault says why a call has no answer.
func (c *child) fault(ctx context.Context, op string, err error) *guest.Fault {
	f := &guest.Fault{Operation: op, Kind: guest.Malformed}
	if f.Err = ctx.Err(); f.Err != nil {
		if errors.Is(f.Err, context.Canceled) {
			f.Kind, f.Message = guest.Cancelled, "stopped: the caller has given up"
		} else {
			f.Kind, f.Message = guest.Deadline, "no answer until the deadline; a longer timeout helps if it is only slow"
		}
		return f
	}
	s := status.Convert(err)
	switch s.Code() {
	case codes.DeadlineExceeded: // the connection knows it before the context does
		f.Kind, f.Err, f.Message = guest.Deadline, context.DeadlineExceeded, "no answer until the deadline; a longer timeout helps if it is only slow"
	case codes.Unavailable, codes.Canceled: // the other end is gone, the process is about to be
		t := time.NewTimer(c.pool.engine.o.Grace)
		defer t.Stop()
		select {
		case <-c.runner.done:
			select { // its last words may be on their way
			case <-c.runner.heard:
			case <-t.C:
			}
			f.Kind, f.Message = guest.Exit, c.exit()
		case <-t.C:
			f.Kind, f.Message = guest.Trap, "its connection has broken: "+guest.Printable([]byte(s.Message()))
		}
	case codes.ResourceExhausted:
		f.Message = fmt.Sprintf("its answer has more than %d bytes, which are allowed", abi.MaxResult)
	case codes.Unimplemented:
		f.Message = "it does not serve the method of plugins: " + guest.Printable([]byte(s.Message()))
	default:
		f.Message = "its answer breaks the rules: " + guest.Printable([]byte(s.Message()))
	}
	return f
}

// end kills the child for a reason.
func (c *child) end(why string) {
	select {
	case <-c.runner.done: // it has been quicker
		return
	default:
	}
	c.mu.Lock()
	if c.mu.why == "" {
		c.mu.why = why
	}
	c.mu.Unlock()
	c.runner.kill()
}

// stop asks the child to end, kills it if it does not, and waits until all of it is gone.
func (c *child) stop() {
	grace := c.pool.engine.o.Grace
	t := time.AfterFunc(grace, c.runner.kill)
	defer t.Stop()
	c.runner.input.Close()
	c.release() // go-plugin asks first and then waits for 2 s at most before it kills
	<-c.runner.done
}
