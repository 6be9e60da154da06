package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"
)

func newQuery() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Ask a running server",
	}
	var q querier
	cmd.PersistentFlags().StringVar(&q.server, "server", "http://127.0.0.1:9090", "URL of the server")
	cmd.PersistentFlags().StringVarP(&q.format, "output", "o", "text", "text or json")
	cmd.PersistentFlags().DurationVar(&q.timeout, "timeout", 2*time.Minute, "longest time to wait for the answer")
	cmd.AddCommand(q.instant(), q.ranged())
	return cmd
}

// querier asks one server and prints what it answers.
type querier struct {
	server, format string
	timeout        time.Duration
}

func (q *querier) instant() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:     "instant EXPR",
		Short:   "Evaluate an expression at one time",
		Example: `  hearth query instant 'sum by (job) (up)'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := parseTime(at, time.Now())
			if err != nil {
				return fmt.Errorf("--time: %w", err)
			}
			return q.run(cmd, func(ctx context.Context, c promv1.API) (model.Value, promv1.Warnings, promv1.Infos, error) {
				return c.Query(ctx, args[0], t)
			})
		},
	}
	cmd.Flags().StringVar(&at, "time", "", "evaluation time: RFC 3339, Unix seconds, or an age such as 1h; default now")
	return cmd
}

func (q *querier) ranged() *cobra.Command {
	var start, end string
	var step time.Duration
	cmd := &cobra.Command{
		Use:     "range EXPR",
		Short:   "Evaluate an expression over a range of time",
		Example: `  hearth query range --start 1h --step 1m 'rate(node_cpu_seconds_total[5m])'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			from, err := parseTime(start, now)
			if err != nil {
				return fmt.Errorf("--start: %w", err)
			}
			to, err := parseTime(end, now)
			if err != nil {
				return fmt.Errorf("--end: %w", err)
			}
			r := promv1.Range{Start: from, End: to, Step: step}
			if r.Step == 0 {
				r.Step = max(time.Second, to.Sub(from)/250).Truncate(time.Second)
			}
			return q.run(cmd, func(ctx context.Context, c promv1.API) (model.Value, promv1.Warnings, promv1.Infos, error) {
				return c.QueryRange(ctx, args[0], r)
			})
		},
	}
	cmd.Flags().StringVar(&start, "start", "1h", "first time: RFC 3339, Unix seconds, or an age such as 1h")
	cmd.Flags().StringVar(&end, "end", "", "last time; default now")
	cmd.Flags().DurationVar(&step, "step", 0, "distance of the points; default a 250th of the range")
	return cmd
}

func (q *querier) run(cmd *cobra.Command, ask func(context.Context, promv1.API) (model.Value, promv1.Warnings, promv1.Infos, error)) error {
	client, err := api.NewClient(api.Config{Address: q.server})
	if err != nil {
		return fmt.Errorf("--server %s: %w", q.server, err)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), q.timeout)
	defer cancel()
	v, warnings, infos, err := ask(ctx, promv1.NewAPI(client))
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	for _, i := range infos {
		fmt.Fprintln(cmd.ErrOrStderr(), "info:", i)
	}
	if err != nil {
		return fmt.Errorf("query at %s: %w", q.server, err)
	}
	return q.print(cmd.OutOrStdout(), v)
}

func (q *querier) print(w io.Writer, v model.Value) error {
	switch q.format {
	case "json":
		return json.NewEncoder(w).Encode(map[string]any{"resultType": v.Type().String(), "result": v})
	case "text":
		_, err := fmt.Fprintln(w, strings.TrimSuffix(v.String(), "\n"))
		return err
	}
	return fmt.Errorf("--output %s: must be text or json", q.format)
}

// parseTime reads RFC 3339, Unix seconds, or an age before now; empty is now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return time.UnixMilli(int64(f * 1000)), nil
	}
	return time.Time{}, fmt.Errorf("%q is not RFC 3339, Unix seconds, or an age such as 1h", s)
}
