package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/cobra"

	"github.com/hearth-project/hearth/core/plugin/expose"
	"github.com/hearth-project/hearth/sdk/manifest"
)

func newExporter() *cobra.Command {
	cmd := &cobra.Command{Use: "exporter", Short: "Run an exporter plugin by itself, for Prometheus or another server"}
	cmd.AddCommand(newExporterRun())
	return cmd
}

// exporterRun serves one exporter.
type exporterRun struct {
	pluginUse
	listen, target, webConfig string
	timeout                   time.Duration
}

func newExporterRun() *cobra.Command {
	var r exporterRun
	cmd := &cobra.Command{
		Use:   "run PLUGIN",
		Short: "Serve what an exporter plugin collects at /metrics, in the same sandbox as in the server",
		Long: `Serves what an exporter plugin collects until SIGTERM: at /metrics of --target, at /probe?target=ADDRESS of any address
that --grant-net allows. PLUGIN is the id of an installed plugin, a .wasm file, or the folder of a plugin.
--web.config.file has TLS, basic authentication and HTTP headers as Prometheus's exporters have them:
https://prometheus.io/docs/prometheus/latest/configuration/https/`,
		Example: `  hearth exporter run hearth/node --listen :9100 --grant-files /proc,/sys --grant-statfs '*'
  hearth exporter run room.wasm --listen :9187 --target localhost:7000 --grant-net localhost:7000 --web.config.file web.yml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args[0]) },
	}
	f := cmd.Flags()
	r.flags(cmd)
	f.StringVar(&r.listen, "listen", "127.0.0.1:9100", "address to listen on")
	f.StringVar(&r.target, "target", "", "address that /metrics measures")
	f.StringVar(&r.webConfig, "web.config.file", "", "TLS and authentication, in the format of Prometheus's exporter toolkit")
	f.DurationVar(&r.timeout, "timeout", 10*time.Second, "of a scrape that does not say how long it may take")
	return cmd
}

func (r *exporterRun) run(ctx context.Context, arg string) (err error) {
	if err := web.Validate(r.webConfig); err != nil {
		return fmt.Errorf("--web.config.file %s: %w", r.webConfig, err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	registry := prometheus.NewRegistry()
	r.registry = registry
	f, err := r.find(ctx, arg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	client, err := f.host.Open(ctx, f.use)
	if err != nil {
		return err
	}
	if !slices.Contains(f.manifest.Kinds, manifest.KindExporter) {
		return fmt.Errorf("plugin %s is not an exporter, it is a %s", f.use.ID, f.manifest.Kinds[0])
	}
	l, err := net.Listen("tcp", r.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: expose.New(expose.Options{
			Collector: client, ID: f.use.ID, Target: r.target, Timeout: r.timeout, Gatherer: registry, Logger: log,
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(grace)
	})
	log.Info("an exporter serves", "plugin", f.use.ID, "version", f.manifest.Version, "address", l.Addr().String())
	err = web.Serve(l, server, &web.FlagConfig{WebConfigFile: &r.webConfig}, log)
	if !stop() {
		err = <-stopped
	}
	return err
}
