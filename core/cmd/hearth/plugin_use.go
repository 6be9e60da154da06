package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/host"
	"github.com/hearth-project/hearth/core/plugin"
	"github.com/hearth-project/hearth/core/plugin/local"
	"github.com/hearth-project/hearth/sdk/manifest"
)

// pluginUse is one use of a plugin by flags: which, with what settings, and what it may touch.
type pluginUse struct {
	overrides
	dir, settings string
	use           config.PluginUse
	secrets       map[string]string
	registry      prometheus.Registerer // of the host's own metrics; nil keeps them to itself
}

func (u *pluginUse) flags(cmd *cobra.Command) {
	u.folderFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&u.settings, "settings", "{}", "the plugin's own settings, a JSON object, or @FILE with one")
	f.StringVar(&u.use.Runtime, "runtime", "", "wasm or native: the plugin's module or its program; default wasm if there is one")
	f.StringVar(&u.use.Trust, "trust", "", "native: the plugin's program may run, which its grant does not confine; sha256:DIGEST: that one")
	f.StringSliceVar(&u.use.Grant.Net, "grant-net", nil, "addresses it may connect to, host:port")
	f.StringSliceVar(&u.use.Grant.Files, "grant-files", nil, "files and folders it may read")
	f.StringSliceVar(&u.use.Grant.Statfs, "grant-statfs", nil, "mount points whose size it may ask for; * is every one")
	f.StringToStringVar(&u.use.Grant.Env, "grant-env", nil, "environment variables it sees, NAME=VALUE")
	f.StringToStringVar(&u.secrets, "grant-secret", nil, "secrets it may read, NAME=file:PATH")
}

func (u *pluginUse) folderFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&u.config, "config", "", "configuration file to take [plugins] from")
	f.StringVar(&u.dir, "dir", "", "folder of the plugins, in place of [plugins] dir")
}

// options are those of a plugin host of which this is the only use.
func (u *pluginUse) options() (plugin.Options, error) {
	cfg, err := u.load()
	if err != nil {
		return plugin.Options{}, err
	}
	dir := cfg.Plugins.Dir
	if u.dir != "" {
		if dir, err = filepath.Abs(u.dir); err != nil {
			return plugin.Options{}, err
		}
	}
	return plugin.Options{
		Dir: dir, Cache: compiledModules(cfg), Memory: int64(cfg.Plugins.Memory), Runtime: cfg.Plugins.Runtime, Logger: newLogger(config.Log{Level: "warn"}), Registerer: u.registry,
	}, nil
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

// read completes the use with what the flags say in their own words.
func (u *pluginUse) read() error {
	text := []byte(u.settings)
	if file, ok := strings.CutPrefix(u.settings, "@"); ok {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return usagef("--settings: %w", err)
		}
	}
	if err := json.Unmarshal(text, &u.use.Config); err != nil {
		return usagef("--settings must be a JSON object: %w", err)
	}
	u.use.Grant.Secrets = map[string]config.Secret{}
	for name, v := range u.secrets {
		var s config.Secret
		if err := s.UnmarshalText([]byte(v)); err != nil {
			return usagef("--grant-secret %s: %w", name, err)
		}
		u.use.Grant.Secrets[name] = s
	}
	return nil
}

// asks is what a module without a manifest asks for: what it is granted.
func (u *pluginUse) asks() manifest.Capabilities {
	g := u.use.Grant
	c := manifest.Capabilities{Net: g.Net, Files: g.Files, Statfs: g.Statfs}
	for name := range g.Secrets {
		c.Secrets = append(c.Secrets, name)
	}
	for name := range g.Env {
		c.Env = append(c.Env, name)
	}
	return c
}

// found is a plugin that the command line names, and the host that runs it.
type found struct {
	host     *plugin.Host
	options  plugin.Options
	use      plugin.Use
	manifest *manifest.Manifest
	dir      string // of its artifacts
	pack     *local.Package
}

// find reads the flags and finds the plugin: by its id among those that are installed, or a file or folder.
func (u *pluginUse) find(ctx context.Context, arg string) (*found, error) {
	if err := u.read(); err != nil {
		return nil, err
	}
	o, err := u.options()
	if err != nil {
		return nil, err
	}
	f := &found{}
	u.use.Plugin = arg
	if local.IsPath(arg) {
		settings, err := json.Marshal(u.use.Config)
		if err != nil {
			return nil, err
		}
		if f.pack, err = local.Open(arg, u.asks(), local.DescribeModule(ctx, o.Cache, settings)); err != nil {
			return nil, err
		}
		o.Dir, u.use.Plugin, f.manifest, f.dir = f.pack.Dir, f.pack.Manifest.ID, f.pack.Manifest, f.pack.From
	} else {
		f.dir = filepath.Join(o.Dir, filepath.FromSlash(arg))
		f.manifest, _ = manifest.Load(f.dir) // the host says what is wrong
	}
	f.use, f.options = host.PluginUse(u.use), o
	if f.host, err = plugin.NewHost(o); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Close ends the host.
func (f *found) Close() error {
	var errs []error
	if f.host != nil {
		errs = append(errs, f.host.Close())
	}
	if f.pack != nil {
		errs = append(errs, f.pack.Close())
	}
	return errors.Join(errs...)
}
