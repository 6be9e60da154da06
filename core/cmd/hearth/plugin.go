package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/host"
	"github.com/hearth-project/hearth/core/plugin"
)

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Work with plugins"}
	cmd.AddCommand(newPluginRun())
	return cmd
}

// pluginRun calls one plugin once, with what the flags grant it.
type pluginRun struct {
	overrides
	dir, settings, target string
	use                   config.PluginUse
	secrets               map[string]string
	timeout               time.Duration
}

func newPluginRun() *cobra.Command {
	var r pluginRun
	cmd := &cobra.Command{
		Use:   "run PLUGIN",
		Short: "Call a plugin once: an exporter prints its metrics, a notifier sends the message on standard input",
		Example: `  hearth plugin run hearth/node --grant-files /proc,/sys --grant-statfs '*'
  hearth plugin run hearth/webhook --settings '{"url":"http://127.0.0.1:8080/"}' --grant-net 127.0.0.1:8080 < message.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.use.Plugin = args[0]
			return r.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.config, "config", "", "configuration file to take [plugins] from")
	f.StringVar(&r.dir, "dir", "", "folder of the plugins, in place of [plugins] dir")
	f.StringVar(&r.settings, "settings", "{}", "the plugin's own settings, a JSON object")
	f.StringVar(&r.target, "target", "", "address of the target, for exporters")
	f.StringVar(&r.use.Runtime, "runtime", "", "wasm or native: the plugin's module or its program; default wasm if there is one")
	f.StringVar(&r.use.Trust, "trust", "", "native: the plugin's program may run, which its grant does not confine; sha256:DIGEST: that one")
	f.StringSliceVar(&r.use.Grant.Net, "grant-net", nil, "addresses it may connect to, host:port")
	f.StringSliceVar(&r.use.Grant.Files, "grant-files", nil, "files and folders it may read")
	f.StringSliceVar(&r.use.Grant.Statfs, "grant-statfs", nil, "mount points whose size it may ask for; * is every one")
	f.StringToStringVar(&r.use.Grant.Env, "grant-env", nil, "environment variables it sees, NAME=VALUE")
	f.StringToStringVar(&r.secrets, "grant-secret", nil, "secrets it may read, NAME=file:PATH")
	f.DurationVar(&r.timeout, "timeout", 30*time.Second, "of the call, compiling included")
	return cmd
}

// compiledModules is where compiled modules are kept: with the server's, or, where no server has been run, in the user's
// cache, so that trying a plugin leaves nothing in the working directory.
func compiledModules(cfg *config.Config) string {
	if _, err := os.Stat(cfg.Storage.Path); err == nil || filepath.Dir(cfg.Plugins.Cache) != filepath.Clean(cfg.Storage.Path) {
		return cfg.Plugins.Cache
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "" // compiled anew each time
	}
	return filepath.Join(dir, "hearth", "plugin-cache")
}

func (r *pluginRun) run(cmd *cobra.Command) error {
	if err := json.Unmarshal([]byte(r.settings), &r.use.Config); err != nil {
		return fmt.Errorf("--settings must be a JSON object: %w", err)
	}
	r.use.Grant.Secrets = map[string]config.Secret{}
	for name, v := range r.secrets {
		var s config.Secret
		if err := s.UnmarshalText([]byte(v)); err != nil {
			return fmt.Errorf("--grant-secret %s: %w", name, err)
		}
		r.use.Grant.Secrets[name] = s
	}
	cfg, err := r.load()
	if err != nil {
		return err
	}
	dir := cfg.Plugins.Dir
	if r.dir != "" {
		if dir, err = filepath.Abs(r.dir); err != nil {
			return err
		}
	}
	plugins, err := plugin.NewHost(plugin.Options{
		Dir: dir, Cache: compiledModules(cfg), Memory: int64(cfg.Plugins.Memory), Runtime: cfg.Plugins.Runtime, Logger: newLogger(config.Log{Level: "warn"}),
	})
	if err != nil {
		return err
	}
	defer plugins.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), r.timeout)
	defer cancel()
	client, err := plugins.Open(ctx, host.PluginUse(r.use))
	if err != nil {
		return err
	}
	defer client.Close()
	if client.Notifies() {
		message, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 16<<20))
		if err != nil {
			return err
		}
		return client.Notify(ctx, message)
	}
	body, _, err := client.Collect(ctx, r.target)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(body)
	return err
}
