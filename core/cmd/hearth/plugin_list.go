package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/sdk/abi"
)

func newPluginList() *cobra.Command {
	var (
		u      pluginUse
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the installed plugins: what they are and what they ask to be allowed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := u.options()
			if err != nil {
				return err
			}
			h, err := plugin.NewHost(o)
			if err != nil {
				return err
			}
			defer h.Close()
			list := h.List()
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s holds no plugins\n", o.Dir)
				return err
			}
			return printPlugins(cmd.OutOrStdout(), list)
		},
	}
	u.folderFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func printPlugins(w io.Writer, list []plugin.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tVERSION\tKINDS\tRUNTIME\tSTATE\tASKS FOR")
	for _, s := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, orNone(s.Version), orNone(strings.Join(s.Kinds, ",")), orNone(s.Runtime), s.State, strings.Join(rights(s.Asks), " "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range list {
		if s.Error != "" {
			if _, err := fmt.Fprintf(w, "\n%s: %s\n", s.ID, s.Error); err != nil {
				return err
			}
		}
	}
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// rights writes what a plugin asks for as words, net:HOST:PORT and so on.
func rights(a plugin.Asks) []string {
	var out []string
	for _, l := range []struct {
		key   string
		items []string
	}{{"net", a.Net}, {"files", a.Files}, {"statfs", a.Statfs}, {"secret", a.Secrets}, {"env", a.Env}} {
		for _, item := range l.items {
			out = append(out, l.key+":"+item)
		}
	}
	if out == nil {
		return []string{"nothing"}
	}
	return out
}

// isMissing tells whether a function has no value.
func isMissing(v float64) bool { return math.Float64bits(v) == abi.MissingBits }
