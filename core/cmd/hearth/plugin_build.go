package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/plugin/project"
)

func newPluginBuild() *cobra.Command {
	var (
		dist   string
		native bool
	)
	cmd := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Build the plugin in a folder into a package: its .wasm file and its manifest, sealed",
		Long: `Builds the plugin in DIR, or in the working directory, into dist/NAMESPACE/NAME: the module and the manifest with its
digest. A server runs it if dist is its folder of plugins, or has a copy of dist/NAMESPACE there.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			b, err := project.Build(cmd.Context(), dir, dist, native)
			if err != nil {
				return err
			}
			for _, f := range b.Files {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", filepath.Join(b.Dir, f.Name), size(f.Size)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dist, "out", "", "folder of plugins to put it in, in place of DIR/dist")
	cmd.Flags().BoolVar(&native, "native", false, "build the program for this machine as well, for servers that trust it")
	return cmd
}
