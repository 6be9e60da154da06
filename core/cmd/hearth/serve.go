package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/host"
)

// overrides are the flags that stand above the configuration file.
type overrides struct {
	config string
	data   string
	listen string
	level  string

	features []string // comma-separated lists
}

func newServe() *cobra.Command {
	var o overrides
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server (what hearth does without a subcommand)",
		Long: `Runs the server until SIGTERM. SIGHUP and POST /-/reload read the configuration file again; a bad one
leaves the old in force. --config also takes a prometheus.yml as it is. Without --config, config.toml in the working
directory is used if it exists, else a built-in configuration that monitors hearth itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.config, "config", "", "configuration file, TOML or prometheus.yml")
	cmd.Flags().StringVar(&o.data, "data", "", "data directory, in place of [storage] path")
	cmd.Flags().StringVar(&o.listen, "listen", "", "listen address, in place of [server] listen")
	cmd.Flags().StringVar(&o.level, "log-level", "", "debug, info, warn or error, in place of [log] level")
	cmd.Flags().StringArrayVar(&o.features, "enable-feature", nil, "what to switch on besides enable_features of [query] and [global], by the names Prometheus has, comma-separated")
	return cmd
}

func serve(ctx context.Context, o overrides) error {
	paceHeap()
	cfg, err := o.load()
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log)
	h, err := host.New(ctx, host.Options{
		Load:    o.load,
		Logger:  log,
		Version: version.Version,
		Flags:   o.flags(),
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	wg.Go(func() {
		defer signal.Stop(hup)
		for {
			select {
			case <-hup:
				h.Reload(ctx) // logs what is wrong
			case <-ctx.Done():
				return
			}
		}
	})
	err = h.Run(ctx)
	cancel()
	wg.Wait()
	return err
}

// load reads the configuration and puts the flags above it.
func (o overrides) load() (*config.Config, error) {
	file := o.config
	if file == "" {
		if _, err := os.Stat("config.toml"); err == nil {
			file = "config.toml"
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	cfg := config.Default()
	if file != "" {
		var err error
		if cfg, err = config.Load(file); err != nil {
			return nil, err
		}
	}
	cfg.Storage.Path = cmp.Or(o.data, cfg.Storage.Path)
	cfg.Log.Level = cmp.Or(o.level, cfg.Log.Level)
	if o.listen != "" {
		if err := cfg.SetListen(o.listen); err != nil {
			return nil, fmt.Errorf("--listen: %w", err)
		}
	}
	for _, list := range o.features {
		cfg.EnableFeatures(list)
	}
	if cfg.Plugins.Dir == "" {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("where is this binary? %w: set [plugins] dir", err)
		}
		cfg.Plugins.Dir = filepath.Join(filepath.Dir(exe), "plugins")
	}
	if cfg.Plugins.Cache == "" {
		cfg.Plugins.Cache = filepath.Join(cfg.Storage.Path, "plugin-cache")
	}
	return cfg, nil
}

func (o overrides) flags() map[string]string {
	return map[string]string{"config": o.config, "data": o.data, "listen": o.listen, "log-level": o.level, "enable-feature": strings.Join(o.features, ",")}
}

func newLogger(cfg config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}
