package host

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"golang.org/x/net/netutil"

	"github.com/hearth-project/hearth/core/api"
	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/remote"
	"github.com/hearth-project/hearth/core/web"
)

// handler builds the HTTP side over the parts.
func (h *Host) handler() (http.Handler, error) {
	cfg := h.Config()
	o := api.Options{
		Engine:      h.engine,
		Queries:     h.engine,
		Storage:     h.db,
		Targets:     h.scrape,
		Rules:       h.rules,
		Gatherer:    h.registry,
		Ready:       h.ready.Load,
		Stopping:    h.stopping.Load,
		Config:      func() string { return h.Config().TOML() },
		Flags:       h.opts.Flags,
		Runtime:     h.runtime,
		Head:        h.head,
		Cardinality: h.db.Cardinality,
		Exemplars:   h.exemplars,
		Metadata:    h.metadata,
		Limits:      h.limitsReport,
		Listen:      h.listener.Addr().String(),
		Plugins:     func() any { return h.plugins.List() },
		ExternalURL: h.external,
		RoutePrefix: cfg.Server.RoutePrefix,
		CORSOrigin:  cfg.Server.CORSOrigin,
		Logger:      h.part("api"),
		Registerer:  h.registry,
	}
	if cfg.Server.RemoteWrite {
		o.Write = remote.NewReceiver(remote.Options{
			Storage:    h.db,
			Exemplars:  h.exemplars,
			Metadata:   h.metadata,
			MaxBytes:   int64(cfg.Server.MaxRequestBytes),
			Series:     func() int { return h.db.Stats().Head.Series },
			Logger:     h.part("remote"),
			Registerer: h.registry,
		})
	}
	if cfg.Server.EnableLifecycle {
		o.Reload = h.Reload
		o.Quit = func() { h.quitOnce.Do(func() { close(h.quit) }) }
	}
	if cfg.Server.EnableAdminAPI {
		o.Admin = admin{DB: h.db, snapshots: filepath.Join(cfg.Storage.Path, "snapshots")}
	}
	if ui, ok := web.UI(); ok {
		o.UI = ui
	}
	return api.New(o)
}

// head tells what the database has in memory.
func (h *Host) head() api.HeadStats {
	s := h.db.Stats().Head
	return api.HeadStats{NumSeries: uint64(s.Series), MinTime: s.MinTime, MaxTime: s.MaxTime}
}

func (h *Host) runtime() api.Runtime {
	h.state.Lock()
	defer h.state.Unlock()
	retention := h.state.cfg.Storage.Retention
	text := retention.Time.String()
	if retention.Size > 0 {
		text += " or " + retention.Size.String()
	}
	return api.Runtime{ReloadConfigSuccess: h.state.loadOK, LastConfigTime: h.state.loadedAt, StorageRetention: text}
}

// newRegistry returns a registry with what every Go program tells of itself.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("hearth"),
	)
	return reg
}

// newLimitListener bounds how many connections are open at the same time; more wait in the kernel's queue.
func newLimitListener(l net.Listener, n int) net.Listener { return netutil.LimitListener(l, n) }

// externalURL is what users open: as configured, or the listen address with this host's name where it is open to all.
func externalURL(cfg *config.Config, addr net.Addr) (*url.URL, error) {
	text := cfg.Server.ExternalURL
	if text == "" {
		text = "http://" + strings.Replace(addr.String(), "127.0.0.1", "localhost", 1)
		if t, ok := addr.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
			text = fmt.Sprintf("http://localhost:%d", t.Port)
		}
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("[server] external_url: %w", err)
	}
	return u, nil
}
