// Command guest is a plugin that does what its target's address says, good or bad; the tests of the host run it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/metric"
)

func init() {
	sdk.RegisterExporter(guest)
	sdk.RegisterNotifier(guest)
	sdk.RegisterFunction("test_double", func(_ context.Context, b *sdk.Batch) error {
		for i := range b.Len() {
			out := b.Out(i)
			for k, v := range b.Values(i) {
				if !sdk.IsMissing(v) {
					out[k] = 2 * v * b.Number(0, k, 1)
				}
			}
		}
		return nil
	})
	sdk.RegisterFunction("test_do", func(_ context.Context, b *sdk.Batch) error {
		switch b.Text(0, "") {
		case "loop":
			for n := 0; ; n++ {
				if n < 0 {
					n = 0
				}
			}
		case "panic":
			panic("told to")
		case "memory":
			for keep := [][]byte{}; ; keep = append(keep, make([]byte, 1<<20)) {
				keep = append(keep, make([]byte, len(keep)))
			}
		}
		return sdk.Errorf(sdk.CodeInvalidRequest, "told to fail at %d", b.Time(0))
	})
}

func main() { sdk.Main() }

var guest = &plugin{}

type plugin struct {
	settings struct {
		Fail  string `json:"fail"` // code of an error Configure answers with
		Value string `json:"value"`
	}
	calls int
	kept  [][]byte
}

func (p *plugin) Configure(_ context.Context, c sdk.Config) error {
	if err := c.Decode(&p.settings); err != nil {
		return err
	}
	switch p.settings.Fail {
	case "":
		return nil
	case sdk.CodeUnavailable:
		return sdk.Retry(sdk.CodeUnavailable, 0, "not yet")
	}
	return sdk.Errorf(p.settings.Fail, "settings: told to fail")
}

func (p *plugin) Notify(_ context.Context, n sdk.Notification) error {
	switch n.Receiver {
	case "keep":
		return n.Keep(n.State + "<" + n.Texts["title"] + ">")
	case "drop":
		return n.Keep("")
	case "look":
		return sdk.Errorf(sdk.CodeInternal, "state %q, texts %v", n.State, n.Texts)
	case "keep too much":
		return n.Keep(strings.Repeat("x", abi.MaxState+1))
	case "keep and fail":
		return errors.Join(n.Keep("lost"), sdk.Errorf(sdk.CodeDenied, "no"))
	}
	return sdk.Retry(sdk.CodeUnavailable, 1500*time.Millisecond, "%s has %d alerts", n.Receiver, len(n.Alerts))
}

// said is what a call answers with: a metric whose label says it.
func said(w *metric.Writer, what string) {
	w.Gauge("said", "What there is to say.", "text").Sample(1, what)
}

func (p *plugin) Collect(ctx context.Context, t sdk.Target, w *metric.Writer) error {
	p.calls++
	do, arg, _ := strings.Cut(t.Address, " ")
	if i := strings.LastIndexByte(do, '/'); i >= 0 { // of a URL its path
		do = do[i+1:]
	}
	switch do {
	case "calls":
		said(w, fmt.Sprint(p.calls))
	case "value":
		said(w, p.settings.Value)
	case "loop":
		for n := 0; ; n++ {
			if n < 0 {
				n = 0
			}
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "trap":
		var nothing *int
		go func() { *nothing = 1 }() // in a goroutine nobody can recover it
		select {}
	case "panic":
		panic("told to")
	case "exit":
		os.Exit(3)
	case "recurse":
		return deeper(1)
	case "memory":
		for {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			p.kept = append(p.kept, b)
		}
	case "keep": // some memory, and go on
		p.kept = append(p.kept, make([]byte, 8<<20))
		said(w, "kept")
	case "much":
		line := strings.Repeat("x", 1<<20)
		g := w.Gauge("much", "A lot.", "n", "text")
		for i := range 17 {
			g.Sample(1, fmt.Sprint(i), line)
		}
	case "log":
		for i := range 100_000 {
			sdk.Log().Info("flood", "n", i)
		}
		said(w, "done")
	case "say":
		sdk.Log().Warn(arg)
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
		said(w, "done")
	case "read":
		b, err := os.ReadFile(arg)
		if err != nil {
			return err
		}
		said(w, string(b))
	case "write":
		return os.WriteFile(arg, []byte("x"), 0o644)
	case "list":
		entries, err := os.ReadDir(arg)
		if err != nil {
			return err
		}
		for _, e := range entries {
			said(w, e.Name())
		}
	case "open": // many files, and leave them open
		for i := 0; ; i++ {
			if _, err := os.Open(arg); err != nil {
				said(w, fmt.Sprint(i, " ", err))
				return nil
			}
		}
	case "secret":
		s, err := sdk.Secret(arg)
		if err != nil {
			return err
		}
		said(w, s)
	case "env":
		for _, e := range os.Environ() {
			said(w, e)
		}
	case "statfs":
		s, err := sdk.Statfs(arg)
		if err != nil {
			return err
		}
		said(w, fmt.Sprint(s.Blocks > 0))
	case "dial", "talk": // talk says hello and reads the answer
		c, err := sdk.DialContext(ctx, "tcp", arg)
		if err != nil {
			return err
		}
		defer c.Close()
		if do == "talk" {
			if _, err := io.WriteString(c, "hello\n"); err != nil {
				return err
			}
			b, err := io.ReadAll(c)
			if err != nil {
				return err
			}
			said(w, string(b))
		}
	case "dials": // many, and leave them open
		for i := 0; ; i++ {
			if _, err := sdk.DialContext(ctx, "tcp", arg); err != nil {
				said(w, fmt.Sprint(i, " ", err))
				return nil
			}
		}
	case "clock":
		now := time.Now()
		time.Sleep(2 * time.Millisecond)
		out, err := json.Marshal([]any{now.UnixNano(), time.Since(now) >= 2*time.Millisecond})
		if err != nil {
			return err
		}
		said(w, string(out))
	case "nothing":
	default:
		return sdk.Errorf(sdk.CodeInvalidRequest, "target %q: what is that?", t.Address)
	}
	return nil
}

func deeper(n int) error {
	var room [512]byte
	room[n%512] = byte(n)
	if err := deeper(n + int(room[n%512])&1 + 1); err != nil {
		return fmt.Errorf("%d: %w", n, err)
	}
	return nil
}
