// Package api is hearth's HTTP side: the Prometheus HTTP API v1 with its envelope, errors and codes, the management
// endpoints, hearth's own metrics and the web UI, on echo. One file per resource. The parts behind it come in as
// small interfaces declared here, so that each handler says what it needs.
package api

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grafana/regexp"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/limits"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
	"github.com/hearth-project/hearth/core/rules"
	"github.com/hearth-project/hearth/core/scrape"
	"github.com/hearth-project/hearth/core/storage"
)

// Engine evaluates PromQL.
type Engine interface {
	Instant(ctx context.Context, q storage.Queryable, expr string, t time.Time, o promql.QueryOptions) (*promql.Result, error)
	Range(ctx context.Context, q storage.Queryable, expr string, start, end time.Time, step time.Duration, o promql.QueryOptions) (*promql.Result, error)
	Parser() parser.Parser
}

// Targets tells what is scraped.
type Targets interface {
	Active() []scrape.TargetStatus
	Dropped() []scrape.DroppedTarget
	Metadata() []scrape.Metadata
	Pools() []string
	DroppedCounts() map[string]int // by job, whatever is left out of Dropped
}

// Rules tells what is evaluated and what it found.
type Rules interface {
	Groups() []rules.GroupStatus
	Alerts() []*model.Alert
}

// Options says what the API serves. Engine, Storage, Targets, Rules and Logger must be set.
type Options struct {
	Engine  Engine
	Storage storage.Queryable
	Targets Targets
	Rules   Rules

	Queries  Queries      // nil: running queries are not shown
	Write    http.Handler // remote write; nil answers 404
	Gatherer prometheus.Gatherer

	Ready    func() bool                 // before it is true, the API answers 503; nil means always
	Stopping func() bool                 // tells load balancers that this server is on its way out
	Reload   func(context.Context) error // nil: lifecycle requests are switched off
	Quit     func()                      // asks the process to end
	Admin    Admin                       // nil: changing stored data is switched off

	Config     func() string // the effective configuration as TOML, secrets hidden
	ConfigYAML func() string // the same as YAML, for clients of Prometheus; nil gives them the TOML
	Flags      map[string]string
	Runtime    func() Runtime
	Plugins    func() any // what is loaded, for /api/hearth/v1/plugins

	Head        func() HeadStats                    // for /api/v1/status/tsdb
	Cardinality func(limit int) storage.Cardinality // as well
	Exemplars   storage.ExemplarQueryable           // nil: there are none
	Metadata    storage.MetadataReader              // what others than targets say of their metrics; nil: they say nothing

	Limits func(top int) limits.Report // for /api/hearth/v1/limits; nil: nothing is known

	ExternalURL  *url.URL // how users reach the server; its path is where everything is served
	RoutePrefix  string   // in place of ExternalURL's path
	Listen       string   // address of this server: a target there is this server itself; may be empty
	CORSOrigin   string   // anchored regular expression; empty allows every origin
	MaxFormBytes int64    // of a request with parameters in its body; 0 means 10 MiB, as net/http
	UI           fs.FS    // index.html and assets; nil serves no pages

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      func() time.Time // nil means time.Now
}

type handler struct {
	Options
	prefix  string // of every route: empty, or a path without a slash at its end
	started time.Time
}

// New returns the handler of everything hearth serves. An invalid CORS expression is an error.
func New(o Options) (http.Handler, error) {
	origin, err := regexp.Compile("^(?s:" + orDefault(o.CORSOrigin, ".*") + ")$")
	if err != nil {
		return nil, fmt.Errorf("CORS origin: %w", err)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.MaxFormBytes <= 0 {
		o.MaxFormBytes = 10 << 20
	}
	h := &handler{Options: o, prefix: routePrefix(o), started: o.Clock()}
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = h.respondError
	e.Pre(h.preflight(origin))
	e.Use(instrument(o.Registerer), h.recovered)
	root := e.Group(h.prefix)
	h.routeManagement(root)
	h.routeAPI(root.Group("/api/v1"))
	root.POST("/api/v1/write", h.write, h.whenReady)
	root.GET("/api/hearth/v1/plugins", h.plugins)
	h.routeQueries(root.Group("/api/hearth/v1"))
	h.routeLimits(root.Group("/api/hearth/v1"))
	h.routeUI(root)
	return compressed(e)
}

// routeAPI adds the resources of the Prometheus API. What all of them need is given to each: middleware of a group
// would answer methods that a path lacks with 404, not 405.
func (h *handler) routeAPI(g *echo.Group) {
	match := func(methods []string, path string, f echo.HandlerFunc) {
		g.Match(methods, path, f, h.whenReady, h.form)
	}
	get := []string{http.MethodGet}
	both := []string{http.MethodGet, http.MethodPost}
	change := []string{http.MethodPost, http.MethodPut}
	match(both, "/query", h.query)
	match(both, "/query_range", h.queryRange)
	match(both, "/query_exemplars", h.queryExemplars)
	match(both, "/format_query", h.formatQuery)
	match(both, "/labels", h.labelNames)
	match(get, "/label/:name/values", h.labelValues)
	match(both, "/series", h.series)
	match(get, "/metadata", h.metadata)
	match(get, "/targets", h.targets)
	match(get, "/targets/metadata", h.targetMetadata)
	match(get, "/scrape_pools", h.scrapePools)
	match(get, "/rules", h.rules)
	match(get, "/alerts", h.alerts)
	match(get, "/alertmanagers", h.alertmanagers)
	match(get, "/status/buildinfo", h.buildInfo)
	match(get, "/status/config", h.config)
	match(get, "/status/flags", h.flags)
	match(get, "/status/runtimeinfo", h.runtimeInfo)
	match(get, "/status/tsdb", h.tsdbStatus)
	match(get, "/status/tsdb/blocks", h.tsdbBlocks)
	match(get, "/status/walreplay", h.walReplay)
	match(change, "/admin/tsdb/delete_series", h.deleteSeries)
	match(change, "/admin/tsdb/clean_tombstones", h.cleanTombstones)
	match(change, "/admin/tsdb/snapshot", h.snapshot)
}

// write takes samples from other senders.
func (h *handler) write(c echo.Context) error {
	if h.Write == nil {
		return plain(http.StatusNotFound, "remote write is switched off: set remote_write = true in [server]")
	}
	h.Write.ServeHTTP(c.Response(), c.Request())
	return nil
}

// plugins lists the plugins found and what they may do.
func (h *handler) plugins(c echo.Context) error {
	if h.Plugins == nil {
		return respond(c, []string{})
	}
	return respond(c, h.Plugins())
}

// routePrefix returns the path everything lives under: empty, or with a leading and no trailing slash.
func routePrefix(o Options) string {
	p := o.RoutePrefix
	if p == "" && o.ExternalURL != nil {
		p = o.ExternalURL.Path
	}
	if p = strings.Trim(p, "/"); p != "" {
		p = "/" + p
	}
	return p
}

func orDefault(s, standard string) string {
	if s == "" {
		return standard
	}
	return s
}
