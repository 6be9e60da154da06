//go:build !wasip1

package sdk

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/metric"
	"github.com/hearth-project/hearth/sdk/process"
)

// The native program's state: where its log goes and where its secrets are; Main sets both before it serves.
var (
	logger     = slog.New(slog.NewTextHandler(os.Stderr, nil))
	secretsDir = cmp.Or(os.Getenv(process.SecretsEnv), "/run/secrets")
)

// Main serves the plugin: to the host that started this program, or else as the flags say (see -help).
func Main() {
	if process.Started() {
		logger = slog.New(processLog(os.Stderr))
		i := NewInstance(registered)
		process.Serve(func(ctx context.Context, op string, in []byte) ([]byte, bool) {
			out, err := i.Call(ctx, op, in)
			if err != nil {
				return AsError(err).body(), true
			}
			return out, false
		})
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := standAlone(ctx, registered, os.Args[1:], os.Stdin, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// processLog makes the lines go-plugin's host reads from a child's standard error.
func processLog(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			return slog.Attr{}
		case slog.LevelKey:
			return slog.String("@level", strings.ToLower(a.Value.String()))
		case slog.MessageKey:
			return slog.Attr{Key: "@message", Value: a.Value}
		}
		return a
	}})
}

// standAlone runs the plugin without a host, as its flags say.
func standAlone(ctx context.Context, p Plugin, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("plugin", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprint(out, "This is a hearth plugin. hearth starts it by itself; without hearth it does one of these:\n\n")
		flags.PrintDefaults()
	}
	var (
		listen   = flags.String("listen", "", "serve the exporter's metrics at http://`ADDR`/metrics")
		once     = flags.Bool("once", false, "print the exporter's metrics")
		notify   = flags.Bool("notify", false, "deliver the webhook message (version 4) on standard input")
		describe = flags.Bool("describe", false, "print what the plugin serves")
		address  = flags.String("target", "", "with -once: the `ADDRESS` to measure")
		settings = flags.String("settings", "", "the plugin's settings as a JSON object, or @`FILE` with one")
		secrets  = flags.String("secrets", secretsDir, "`FOLDER` with the plugin's secrets, a file each")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -help", flags.Arg(0))
	}
	secretsDir = *secrets
	if file, ok := strings.CutPrefix(*settings, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		*settings = string(b)
	}
	i := NewInstance(p)
	if *describe {
		b, err := i.Call(ctx, abi.OpDescribe, nil)
		return errors.Join(err, printLine(out, b))
	}
	if _, err := i.Call(ctx, abi.OpConfigure, []byte(*settings)); err != nil {
		return err
	}
	switch {
	case *listen != "" && p.Exporter != nil:
		return serve(ctx, i, *listen, out)
	case *once && p.Exporter != nil:
		b, err := i.collect(ctx, Target{Address: *address}, metric.Text)
		if err == nil {
			_, err = out.Write(b)
		}
		return err
	case *notify && p.Notifier != nil:
		payload, err := io.ReadAll(io.LimitReader(in, abi.MaxRequest))
		if err != nil {
			return err
		}
		req, err := json.Marshal(abi.NotifyRequest{Payload: payload})
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		_, err = i.Call(ctx, abi.OpNotify, req)
		return err
	}
	flags.Usage()
	return errors.New("nothing to do, or nothing this plugin does")
}

func printLine(w io.Writer, b []byte) error {
	_, err := fmt.Fprintf(w, "%s\n", b)
	return err
}
