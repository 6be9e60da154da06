package main

import (
	"github.com/spf13/cobra"
)

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Begin a plugin, build it, check it, run it, list those that are installed",
	}
	cmd.AddCommand(newPluginNew(), newPluginBuild(), newPluginCheck(), newPluginRun(), newPluginList())
	return cmd
}
