// Command guest is a native plugin that does what its target's address says, good or bad; the tests of the process
// runtime run it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/metric"
	"github.com/hearth-project/hearth/sdk/process"
)

func init() { sdk.RegisterExporter(&plugin{}) }

func main() {
	if os.Getenv("RAW") == "" {
		sdk.Main()
		return
	}
	process.Serve(func(_ context.Context, op string, _ []byte) ([]byte, bool) { // without the SDK's limits
		if op == abi.OpCollect {
			return make([]byte, abi.MaxResult+1<<20), false
		}
		return nil, false
	})
}

type plugin struct {
	settings struct {
		Value string `json:"value"`
		Fail  string `json:"fail"` // code of the error Configure answers with
	}
	calls int
	kept  [][]byte
}

func (p *plugin) Configure(_ context.Context, c sdk.Config) error {
	if err := c.Decode(&p.settings); err != nil {
		return err
	}
	if p.settings.Fail != "" {
		return &sdk.Error{Code: p.settings.Fail, Message: "told to fail", Retryable: p.settings.Fail == sdk.CodeUnavailable}
	}
	return nil
}

func (p *plugin) Collect(ctx context.Context, t sdk.Target, w *metric.Writer) error {
	p.calls++
	say := func(what ...any) error {
		w.Gauge("said", "What there is to say.", "text").Sample(1, fmt.Sprint(what...))
		return nil
	}
	do, arg, _ := strings.Cut(t.Address, " ")
	switch do {
	case "calls":
		return say(p.calls)
	case "value":
		return say(p.settings.Value)
	case "pid":
		return say(os.Getpid())
	case "env":
		return say(strings.Join(os.Environ(), "|"))
	case "secret":
		s, err := sdk.Secret(arg)
		if err != nil {
			return err
		}
		return say(s)
	case "wait": // as long as there is time
		<-ctx.Done()
		return ctx.Err()
	case "hang": // and does not listen
		time.Sleep(time.Hour)
	case "sleep":
		d, err := time.ParseDuration(arg)
		if err != nil {
			return err
		}
		time.Sleep(d)
		return say("slept")
	case "exit":
		fmt.Fprintln(os.Stderr, "this is the end")
		time.Sleep(50 * time.Millisecond) // standard error goes over the connection
		os.Exit(3)
	case "trap":
		var nothing *int
		go func() { *nothing = 1 }() // in a goroutine nobody can recover it
		select {}
	case "panic":
		panic("told to")
	case "memory":
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			p.kept = append(p.kept, b)
		}
	case "log":
		for i := range 20_000 {
			sdk.Log().Info("flood", "n", i)
		}
		return say("done")
	case "say":
		sdk.Log().Error(arg, "key", "a b", "n", 7)
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
		return say("done")
	case "fork":
		return p.fork(say)
	case "limits":
		var data, files, core syscall.Rlimit
		syscall.Getrlimit(syscall.RLIMIT_DATA, &data)
		syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
		syscall.Getrlimit(syscall.RLIMIT_CORE, &core)
		return say(data.Max>>20, " ", files.Max, " ", core.Max)
	}
	return sdk.Errorf(sdk.CodeInvalidRequest, "what is that?")
}

// fork starts one process that stays in this one's session, one that leaves it, and one whose parent is gone.
func (p *plugin) fork(say func(...any) error) error {
	var pids []any
	for _, attr := range []*syscall.SysProcAttr{{}, {Setsid: true}} {
		cmd := exec.Command("sleep", "1000")
		cmd.SysProcAttr = attr
		if err := cmd.Start(); err != nil {
			return err
		}
		pids = append(pids, cmd.Process.Pid, " ")
	}
	out, err := exec.Command("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		return err
	}
	return say(append(pids, strings.TrimSpace(string(out)))...)
}
