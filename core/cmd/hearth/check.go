package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/host"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{Use: "check", Short: "Check files without running anything"}
	var quiet bool
	cfg := &cobra.Command{
		Use:   "config FILE",
		Short: "Check a configuration and its rule files, and print what was read, with defaults filled in and secrets hidden",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err == nil {
				err = host.CheckRules(c)
			}
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errSaid
			}
			for _, w := range c.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			if !quiet {
				fmt.Fprint(cmd.OutOrStdout(), c.TOML())
			}
			return nil
		},
	}
	cfg.Flags().BoolVarP(&quiet, "quiet", "q", false, "print problems only")
	cmd.AddCommand(cfg)
	return cmd
}
