package api

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routeManagement adds what operators and load balancers ask: health, readiness, reload, own metrics.
func (h *handler) routeManagement(g *echo.Group) {
	getHead := []string{http.MethodGet, http.MethodHead}
	postPut := []string{http.MethodPost, http.MethodPut}
	g.Match(getHead, "/-/healthy", func(c echo.Context) error {
		return c.String(http.StatusOK, "hearth is Healthy.\n")
	})
	g.Match(getHead, "/-/ready", h.ready)
	g.Match(postPut, "/-/reload", h.reload)
	g.Match(postPut, "/-/quit", h.quit)
	if h.Gatherer != nil {
		metrics := promhttp.HandlerFor(h.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true, DisableCompression: true})
		g.GET("/metrics", echo.WrapHandler(metrics))
	}
}

func (h *handler) ready(c echo.Context) error {
	c.Response().Header().Set("X-Prometheus-Stopping", fmt.Sprint(h.Stopping != nil && h.Stopping()))
	if !h.isReady() {
		return plain(http.StatusServiceUnavailable, "Service Unavailable")
	}
	return c.String(http.StatusOK, "hearth is Ready.\n")
}

func (h *handler) isReady() bool { return h.Ready == nil || h.Ready() }

// whenReady answers 503 until the stored data can be read.
func (h *handler) whenReady(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !h.isReady() {
			return plain(http.StatusServiceUnavailable, "Service Unavailable")
		}
		return next(c)
	}
}

const lifecycleOff = "Lifecycle API is not enabled: set enable_lifecycle = true in [server]"

// reload applies the configuration file anew. A bad file is answered with everything that is wrong with it.
func (h *handler) reload(c echo.Context) error {
	if h.Reload == nil {
		return plain(http.StatusForbidden, lifecycleOff)
	}
	if err := h.Reload(c.Request().Context()); err != nil {
		return plain(http.StatusInternalServerError, "failed to reload config: "+err.Error())
	}
	return c.NoContent(http.StatusOK)
}

func (h *handler) quit(c echo.Context) error {
	if h.Quit == nil {
		return plain(http.StatusForbidden, lifecycleOff)
	}
	h.Quit()
	return c.String(http.StatusOK, "Requesting termination... Goodbye!\n")
}
