package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/tools"
)

// database names the data directory of the tsdb commands, and how they print.
type database struct {
	overrides
	format string
}

func newTSDB() *cobra.Command {
	var d database
	cmd := &cobra.Command{
		Use:   "tsdb",
		Short: "Look into a data directory, verify it, mend it, copy it",
		Long: `Works on the data directory itself, without asking a server. The directory is --data, else the [storage] path of
--config, else that of config.toml in the working directory.

list, verify, analyze and dump only look: they change nothing and may be run beside a running server or on a
read-only disk. repair and snapshot need the directory for themselves.`,
	}
	f := cmd.PersistentFlags()
	f.StringVar(&d.config, "config", "", "configuration file to take [storage] path from")
	f.StringVar(&d.data, "data", "", "data directory, in place of [storage] path")
	f.StringVarP(&d.format, "output", "o", "text", "text or json; dump: openmetrics, text or json")
	cmd.AddCommand(d.list(), d.verify(), d.analyze(), d.dump(), d.repair(), d.snapshot())
	return cmd
}

// dir returns the data directory.
func (d *database) dir() (string, error) {
	if d.data != "" {
		return d.data, nil
	}
	cfg, err := d.load()
	if err != nil {
		return "", err
	}
	return cfg.Storage.Path, nil
}

// show prints v as JSON, or what text prints.
func (d *database) show(w io.Writer, v any, text func(w io.Writer) error) error {
	switch d.format {
	case "json":
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "text":
		return text(w)
	}
	return fmt.Errorf("--output %s: must be text or json", d.format)
}

func (d *database) list() *cobra.Command {
	var load bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the parts and the head: times, series, samples, bytes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := d.dir()
			if err != nil {
				return err
			}
			l, err := tools.List(cmd.Context(), vfs.OS{}, dir, load)
			if err != nil {
				return err
			}
			return d.show(cmd.OutOrStdout(), l, func(w io.Writer) error { return printListing(w, l) })
		},
	}
	cmd.Flags().BoolVar(&load, "load-head", true, "load the head to count its series and samples; takes as much memory as the server's head")
	return cmd
}

func (d *database) verify() *cobra.Command {
	var decode bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every byte that has a checksum; ends with 1 if any is damaged",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := d.dir()
			if err != nil {
				return err
			}
			v, err := tools.Verify(cmd.Context(), vfs.OS{}, dir, decode)
			if err != nil {
				return err
			}
			if err := d.show(cmd.OutOrStdout(), v, func(w io.Writer) error { return printVerified(w, v) }); err != nil {
				return err
			}
			if len(v.Findings) > 0 {
				return errSaid
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&decode, "decode", false, "decode every sample of the parts, too")
	return cmd
}

func (d *database) analyze() *cobra.Command {
	var top int
	cmd := &cobra.Command{
		Use:   "analyze",
		Short: "What takes the space: series, labels, churn, bytes by metric",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := d.dir()
			if err != nil {
				return err
			}
			a, err := tools.Analyze(cmd.Context(), vfs.OS{}, dir, top)
			if err != nil {
				return err
			}
			return d.show(cmd.OutOrStdout(), a, func(w io.Writer) error { return printAnalysis(w, a) })
		},
	}
	cmd.Flags().IntVar(&top, "top", 10, "how many metrics and labels are shown; 0 is all")
	return cmd
}

func (d *database) dump() *cobra.Command {
	var start, end string
	cmd := &cobra.Command{
		Use:   "dump [SELECTOR]...",
		Short: "Print samples: those of the selectors, or all",
		Example: `  hearth tsdb dump --start 2h 'node_load1{instance="db:9100"}'
  hearth tsdb dump -o text '{job="api"}' '{job="web"}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := d.dir()
			if err != nil {
				return err
			}
			format := d.format
			if !cmd.Flags().Changed("output") {
				format = tools.OpenMetrics
			}
			mint, maxt := int64(math.MinInt64), int64(math.MaxInt64)
			now := time.Now()
			for _, f := range []struct {
				name, text string
				to         *int64
			}{{"--start", start, &mint}, {"--end", end, &maxt}} {
				if f.text == "" {
					continue
				}
				t, err := parseTime(f.text, now)
				if err != nil {
					return fmt.Errorf("%s: %w", f.name, err)
				}
				*f.to = t.UnixMilli()
			}
			var selectors [][]*labels.Matcher
			for _, a := range args {
				ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(a)
				if err != nil {
					return fmt.Errorf("selector %s: %w", a, err)
				}
				selectors = append(selectors, ms)
			}
			return dump(cmd, dir, format, mint, maxt, selectors)
		},
	}
	cmd.Flags().StringVar(&start, "start", "", "first time: RFC 3339, Unix seconds, or an age such as 1h; default all")
	cmd.Flags().StringVar(&end, "end", "", "last time; default all")
	return cmd
}

func dump(cmd *cobra.Command, dir, format string, mint, maxt int64, selectors [][]*labels.Matcher) error {
	db, notes, err := tools.Open(vfs.OS{}, dir)
	if err != nil {
		return err
	}
	defer db.Close() // nothing was written
	for _, n := range notes {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", n)
	}
	return tools.Dump(cmd.Context(), db, cmd.OutOrStdout(), format, mint, maxt, selectors...)
}

func (d *database) repair() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Set damage aside so that the rest is served, and say what is lost",
		Long: `Sets damaged parts aside and writes what can be read of them into new ones, writes what can be read of the head
into a new checkpoint, cuts a torn end off the log, writes the manifest anew, and says what is lost. Damaged files are
kept under the name .damaged; delete them when you do not need them any more.
The server must be stopped. Ends with 1 if damage remains.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := d.dir()
			if err != nil {
				return err
			}
			r, err := tools.Repair(cmd.Context(), vfs.OS{}, dir, dry)
			if err != nil {
				return err
			}
			if err := d.show(cmd.OutOrStdout(), r, func(w io.Writer) error { return printRepaired(w, r) }); err != nil {
				return err
			}
			if len(r.Remain) > 0 {
				return errSaid
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, and do it in memory only; works beside a running server")
	return cmd
}

func (d *database) snapshot() *cobra.Command {
	return &cobra.Command{
		Use:   "snapshot DIR",
		Short: "Copy a database that is not running into a new directory, linking what never changes",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := d.dir()
			if err != nil {
				return err
			}
			c, err := tools.Snapshot(cmd.Context(), vfs.OS{}, dir, args[0])
			if err != nil {
				return err
			}
			return d.show(cmd.OutOrStdout(), c, func(w io.Writer) error { return printCopied(w, c) })
		},
	}
}
