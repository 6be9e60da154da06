// Command hearth is the monitoring server and its tools: `hearth serve` runs it, the other subcommands check a
// configuration, ask a running server, make and run plugins, or look into a data directory. The parts are built and joined by core/host.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintln(os.Stderr, "hearth:", err)
		}
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 for a command line that is wrong, 1 for all else that goes wrong.
func exitCode(err error) int {
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// errSaid ends the program with status 1 when the reason has been printed already.
var errSaid = errors.New("said")

func newRoot() *cobra.Command {
	serve := newServe()
	root := &cobra.Command{
		Use:   "hearth",
		Short: "A monitoring server: scrapes, stores, answers PromQL, alerts. Everything at its edges is a sandboxed plugin",
		Long: `hearth finds targets, scrapes their metrics, stores them, answers PromQL over the Prometheus HTTP API,
evaluates rules, routes alerts, and shows all of it in a web UI. Without a subcommand it is "hearth serve".`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          serve.RunE,
	}
	root.Flags().AddFlagSet(serve.Flags())
	root.AddCommand(serve, newCheck(), newQuery(), newPlugin(), newExporter(), newTSDB(), newVersion())
	return root
}
