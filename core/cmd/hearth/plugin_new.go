package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/plugin/project"
	"github.com/hearth-project/hearth/sdk"
)

// sdkEnv names a checkout of hearth where --sdk is not given.
const sdkEnv = "HEARTH_SDK"

func newPluginNew() *cobra.Command {
	var (
		s   project.Spec
		sdk string
	)
	cmd := &cobra.Command{
		Use:   "new KIND NAMESPACE/NAME",
		Short: "Begin a plugin: a folder with one that works, its tests and its manifest",
		Long: `Makes a folder with a plugin that can be built and tested at once: change it into yours. KIND is exporter, notifier or
function. The namespace is yours or your organization's, as in acme/room.

A project in Go requires hearth's module, at the version of this binary. As long as that is not published, --sdk names a
checkout of hearth's source to take instead. Left out, it is that which HEARTH_SDK names, or that in which this binary
lies.`,
		Example: `  hearth plugin new exporter acme/room
  hearth plugin new function acme/share --lang c --dir ~/src/share`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.Kind, s.ID = args[0], args[1]
			if s.Dir == "" {
				s.Dir = path.Base(s.ID)
			}
			if err := s.Check(); err != nil {
				return usageError{err}
			}
			var err error
			if s.SDK, err = findSDK(sdk); err != nil && s.Language == "go" {
				return err
			}
			files, err := project.New(s)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s has %s.\n", s.Dir, strings.Join(files, ", "))
			if s.Language == "go" {
				tidy(cmd.Context(), cmd.ErrOrStderr(), s.Dir)
			}
			_, err = fmt.Fprintf(out, "Next: cd %s && hearth plugin build\n", s.Dir)
			return err
		},
	}
	cmd.Flags().StringVar(&s.Language, "lang", "go", "language: "+strings.Join(project.Languages(), ", "))
	cmd.Flags().StringVar(&s.Dir, "dir", "", "folder to make, in place of NAME")
	cmd.Flags().StringVar(&sdk, "sdk", "", "checkout of hearth's source to take the SDK from, in place of the published module")
	return cmd
}

// findSDK chooses where a project takes the SDK from.
func findSDK(flag string) (project.SDK, error) {
	sdk := project.SDK{Version: version.Version, Guests: sdk.Languages()}
	if flag == "" {
		flag = os.Getenv(sdkEnv)
	}
	if flag != "" {
		dir, err := filepath.Abs(flag)
		if err != nil {
			return sdk, err
		}
		if project.FindCheckout(dir) != dir {
			return sdk, usagef("--sdk: %s is not a checkout of %s", dir, project.Module)
		}
		sdk.Checkout = dir
		return sdk, nil
	}
	if exe, err := os.Executable(); err == nil {
		sdk.Checkout = project.FindCheckout(filepath.Dir(exe))
	}
	if sdk.Checkout == "" && (sdk.Version == "" || strings.Contains(sdk.Version, "-dev")) {
		return sdk, errors.New("this hearth is a build between versions, for which no SDK is published: name a checkout of its source with --sdk")
	}
	return sdk, nil
}

// tidy leaves in go.mod what the project needs. Without it the project can be built all the same, if it takes the SDK
// from a checkout.
func tidy(ctx context.Context, remarks io.Writer, dir string) {
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(remarks, "go mod tidy: %v: run it there again when there is Go and a network\n%s", err, out)
	}
}
