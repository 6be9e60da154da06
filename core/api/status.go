package api

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/common/version"
)

// compatible is the version of Prometheus whose API this one answers as. Clients choose features by it.
const compatible = "3.15.0"

// buildInfo serves GET /api/v1/status/buildinfo. version is the compatible one, since clients compare it;
// hearthVersion is our own.
func (h *handler) buildInfo(c echo.Context) error {
	return respond(c, map[string]string{
		"version":       compatible,
		"hearthVersion": version.Version,
		"revision":      version.GetRevision(),
		"branch":        version.Branch,
		"buildUser":     version.BuildUser,
		"buildDate":     version.BuildDate,
		"goVersion":     runtime.Version(),
	})
}

// config serves GET /api/v1/status/config: the configuration in force. Clients of Prometheus read the key yaml.
func (h *handler) config(c echo.Context) error {
	text := ""
	if h.Config != nil {
		text = h.Config()
	}
	yaml := text
	if h.ConfigYAML != nil {
		yaml = h.ConfigYAML()
	}
	return respond(c, map[string]string{"yaml": yaml, "toml": text})
}

// flags serves GET /api/v1/status/flags: those of the command line.
func (h *handler) flags(c echo.Context) error {
	if h.Flags == nil {
		return respond(c, map[string]string{})
	}
	return respond(c, h.Flags)
}

// alertmanagers serves GET /api/v1/alertmanagers: the one inside.
func (h *handler) alertmanagers(c echo.Context) error {
	type link struct {
		URL string `json:"url"`
	}
	active := []link{}
	if h.ExternalURL != nil {
		active = append(active, link{h.ExternalURL.JoinPath("api/v2/alerts").String()})
	}
	return respond(c, map[string][]link{"activeAlertmanagers": active, "droppedAlertmanagers": {}})
}

// Runtime is what only the host knows of the running process.
type Runtime struct {
	ReloadConfigSuccess bool
	LastConfigTime      time.Time
	CorruptionCount     int64
	StorageRetention    string
}

// runtimeInfo serves GET /api/v1/status/runtimeinfo.
func (h *handler) runtimeInfo(c echo.Context) error {
	var own Runtime
	if h.Runtime != nil {
		own = h.Runtime()
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "unknown"
	}
	return respond(c, map[string]any{
		"startTime":           h.started.UTC(),
		"CWD":                 dir,
		"hostname":            host,
		"serverTime":          h.Clock().UTC(),
		"reloadConfigSuccess": own.ReloadConfigSuccess,
		"lastConfigTime":      own.LastConfigTime.UTC(),
		"corruptionCount":     own.CorruptionCount,
		"goroutineCount":      runtime.NumGoroutine(),
		"GOMAXPROCS":          runtime.GOMAXPROCS(0),
		"GOMEMLIMIT":          debug.SetMemoryLimit(-1),
		"GOGC":                os.Getenv("GOGC"),
		"GODEBUG":             os.Getenv("GODEBUG"),
		"storageRetention":    own.StorageRetention,
	})
}
