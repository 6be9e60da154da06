package main

import (
	"context"
	"fmt"
	"os"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

// defaultServer is where hearth listens when nobody says otherwise.
const defaultServer = "http://127.0.0.1:9090"

// newQuery is `hearth query`: it asks a running server, hearth or another with the same API. query_ask.go talks to it,
// query_print.go and what it calls print the answer.
func newQuery() *cobra.Command {
	q := querier{now: time.Now}
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask a running server",
		Long: `Asks a running server and prints its answer. It ends with 0, with 1 when the server cannot be asked or refuses the
query, and with 2 when the command itself is wrong.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := cmd.PersistentFlags()
	server := os.Getenv("HEARTH_SERVER")
	if server == "" {
		server = defaultServer
	}
	f.StringVar(&q.server, "server", server, "URL of the server; HEARTH_SERVER stands in for it")
	f.StringVarP(&q.format, "output", "o", "", "table, text, json, csv, or graph for a range; default table on a terminal, else text")
	f.DurationVar(&q.timeout, "timeout", 2*time.Minute, "longest time to wait for the answer")
	f.Uint64Var(&q.limit, "limit", 0, "print at most so many series or names; 0 is all")
	cmd.AddCommand(q.instant(), q.ranged(), q.series(), q.labels(), q.labelValues())
	return cmd
}

// querier asks one server and prints what it answers.
type querier struct {
	server, format string
	timeout        time.Duration
	limit          uint64
	width, height  int // of a graph; 0 is as the terminal
	explain        bool
	now            func() time.Time
}

func (q *querier) instant() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:     "instant EXPR",
		Short:   "Evaluate an expression at one time",
		Example: `  hearth query instant 'sum by (job) (up)'`,
		Args:    usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTime(at, q.now())
			if err != nil {
				return usagef("--time: %w", err)
			}
			return q.run(cmd, args[0], func(ctx context.Context, c promv1.API, o ...promv1.Option) reply {
				return replyOf[model.Value](c.Query(ctx, args[0], t, o...))
			})
		},
	}
	q.explainFlag(cmd)
	cmd.Flags().StringVar(&at, "time", "", "evaluation time: RFC 3339, Unix seconds, or an age such as 1h; default now")
	return cmd
}

func (q *querier) explainFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&q.explain, "explain", false, "say on stderr what each part of the query did and took; of hearth only")
}

func (q *querier) ranged() *cobra.Command {
	var start, end, step string
	cmd := &cobra.Command{
		Use:   "range EXPR",
		Short: "Evaluate an expression over a range of time",
		Example: `  hearth query range --start 6h 'rate(node_cpu_seconds_total[5m])'
  hearth query range -o graph 'sum(rate(http_requests_total[5m]))'`,
		Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to, err := q.span(start, end)
			if err != nil {
				return err
			}
			r := promv1.Range{Start: from, End: to, Step: defaultStep(to.Sub(from))}
			if step != "" {
				if r.Step, err = parseStep(step); err != nil {
					return usagef("--step: %w", err)
				}
			}
			return q.run(cmd, args[0], func(ctx context.Context, c promv1.API, o ...promv1.Option) reply {
				a := replyOf[model.Value](c.QueryRange(ctx, args[0], r, o...))
				if m, ok := a.v.(model.Matrix); ok {
					a.v = ranged{m, r}
				}
				return a
			})
		},
	}
	q.explainFlag(cmd)
	cmd.Flags().StringVar(&start, "start", "1h", "first time: RFC 3339, Unix seconds, or an age such as 1h")
	cmd.Flags().StringVar(&end, "end", "", "last time; default now")
	cmd.Flags().StringVar(&step, "step", "", "distance of the points, such as 15s; default a round one that gives some 250 points")
	cmd.Flags().IntVar(&q.width, "width", 0, "columns of a graph; default the terminal's")
	cmd.Flags().IntVar(&q.height, "height", 0, "lines of a graph; default 16, or what the terminal has room for")
	return cmd
}

func (q *querier) series() *cobra.Command {
	return q.list(&cobra.Command{
		Use:     "series SELECTOR...",
		Short:   "List the series that a selector finds",
		Example: `  hearth query series 'up{job="node"}'`,
		Args:    usageArgs(cobra.MinimumNArgs(1)),
	}, func(ctx context.Context, c promv1.API, from, to time.Time, args []string, o ...promv1.Option) reply {
		return replyOf[[]model.LabelSet](c.Series(ctx, args, from, to, o...))
	})
}

func (q *querier) labels() *cobra.Command {
	return q.list(&cobra.Command{
		Use:     "labels [SELECTOR...]",
		Short:   "List the names of labels, of all series or of those a selector finds",
		Example: `  hearth query labels 'up'`,
	}, func(ctx context.Context, c promv1.API, from, to time.Time, args []string, o ...promv1.Option) reply {
		return replyOf[model.LabelNames](c.LabelNames(ctx, args, from, to, o...))
	})
}

func (q *querier) labelValues() *cobra.Command {
	return q.list(&cobra.Command{
		Use:   "label-values NAME [SELECTOR...]",
		Short: "List the values of a label; those of __name__ are the metrics",
		Example: `  hearth query label-values __name__
  hearth query label-values instance 'up{job="node"}'`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
	}, func(ctx context.Context, c promv1.API, from, to time.Time, args []string, o ...promv1.Option) reply {
		return replyOf[model.LabelValues](c.LabelValues(ctx, args[0], args[1:], from, to, o...))
	})
}

// list completes a command that looks for what there is in a span of time, by default in all of it.
func (q *querier) list(cmd *cobra.Command, find func(context.Context, promv1.API, time.Time, time.Time, []string, ...promv1.Option) reply) *cobra.Command {
	var start, end string
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var from time.Time // before all samples
		to := q.now()
		if start != "" || end != "" {
			var err error
			if from, to, err = q.span(start, end); err != nil {
				return err
			}
			if start == "" {
				from = time.Time{}
			}
		}
		text := args
		if cmd.Name() == "label-values" {
			text = args[1:]
		}
		expr := ""
		if len(text) == 1 {
			expr = text[0]
		}
		return q.run(cmd, expr, func(ctx context.Context, c promv1.API, o ...promv1.Option) reply {
			return find(ctx, c, from, to, args, o...)
		})
	}
	cmd.Flags().StringVar(&start, "start", "", "only what has samples from this time on: RFC 3339, Unix seconds, or an age such as 1h")
	cmd.Flags().StringVar(&end, "end", "", "and up to this one; default now")
	return cmd
}

// usageError is a mistake in the command line; the program ends with 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// usageArgs makes an error of check one of usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w\nusage: %s", err, cmd.UseLine())
		}
		return nil
	}
}
