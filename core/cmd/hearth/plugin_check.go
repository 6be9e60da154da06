package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/plugin/check"
	"github.com/hearth-project/hearth/sdk/abi"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func newPluginCheck() *cobra.Command {
	var (
		u      pluginUse
		o      check.Options
		args   []string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "check PLUGIN",
		Short: "Hold a built plugin to the contract: what it does with right and wrong calls, what it asks for, its size and speed",
		Long: `Runs the contract suite on a built plugin: a .wasm file, a folder with a manifest, or the id of an installed one. It runs
in the sandbox and may do what the --grant flags say; what it needs besides to work, --settings and --target give. What
can't be looked at without them is skipped, and says so. Ends with 1 if something is wrong with the plugin.`,
		Example: `  hearth plugin check . --target localhost:7000 --grant-net localhost:7000
  hearth plugin check share.wasm --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			f, err := u.find(cmd.Context(), names[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			if f.manifest == nil {
				_, err := f.host.Open(cmd.Context(), f.use) // says what is wrong with it
				return err
			}
			o.Host, o.Use, o.Manifest, o.From = f.options, f.use, f.manifest, f.dir
			if o.Arguments, err = checkArgs(f.manifest.Functions, args); err != nil {
				return err
			}
			report, err := check.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = printReport(cmd.OutOrStdout(), report)
			}
			if err == nil && !report.Succeeded {
				err = errSaid
			}
			return err
		},
	}
	u.flags(cmd)
	cmd.Flags().StringVar(&o.Target, "target", "", "for exporters: address of something to measure")
	cmd.Flags().BoolVar(&o.Send, "send", false, "for notifiers: deliver test messages")
	cmd.Flags().StringArrayVar(&args, "args", nil, "for functions: NAME=1,2 are arguments besides the data with which one can be computed; may be repeated")
	cmd.Flags().IntVar(&o.Calls, "calls", 200, "calls to measure memory and speed with, at most 5 s")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// checkArgs reads NAME=1,2 for functions.
func checkArgs(functions []manifest.Function, given []string) (map[string][]abi.Arg, error) {
	out := map[string][]abi.Arg{}
	for _, text := range given {
		name, list, _ := strings.Cut(text, "=")
		i := slices.IndexFunc(functions, func(f manifest.Function) bool { return f.Name == name })
		if i < 0 {
			return nil, usagef("--args %q: the plugin has no function %q", text, name)
		}
		var texts []string
		if list != "" {
			texts = strings.Split(list, ",")
		}
		var err error
		if out[name], err = functionArgs(&functions[i], texts); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func printReport(w io.Writer, r *check.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s, %s\n\n", r.ID, r.Version, strings.Join(r.Kinds, ", "))
	for _, x := range r.Results {
		fmt.Fprintf(&b, "%-8s %s", x.Status, x.Name)
		if x.Detail != "" {
			fmt.Fprintf(&b, ": %s", x.Detail)
		}
		b.WriteByte('\n')
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\nasks for\t%s\n", strings.Join(rights(r.Asks), " "))
	fmt.Fprintf(t, "file\t%s, %s\n", r.File, size(r.Size))
	if r.ABI != "" {
		fmt.Fprintf(t, "built for\tABI %s\n", r.ABI)
		fmt.Fprintf(t, "start\t%s, %s once it is compiled\n", span(r.Start), span(r.Restart))
	}
	if r.Calls > 0 {
		fmt.Fprintf(t, "%s\t%s a call, answer %s\n", r.Measured, span(r.Call), size(int64(r.Answer)))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// span writes seconds with three digits.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}
