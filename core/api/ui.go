package api

import (
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// pages are the paths of the single-page interface: each is answered with index.html.
var pages = []string{"/query", "/targets", "/alerts", "/rules", "/status"}

// routeUI serves the embedded interface. Assets carry a digest in their names, so browsers may keep them.
func (h *handler) routeUI(g *echo.Group) {
	if h.UI == nil {
		g.GET("/", func(echo.Context) error {
			return plain(http.StatusNotFound, "This hearth was built without its web UI: build it with make. The API is at /api/v1.")
		})
		return
	}
	toQuery := func(c echo.Context) error {
		to := h.prefix + "/query"
		if q := c.QueryString(); q != "" {
			to += "?" + q
		}
		return c.Redirect(http.StatusFound, to)
	}
	g.GET("/", toQuery)
	g.GET("/graph", toQuery) // links of old dashboards and alerts
	if h.prefix != "" {
		g.GET("", toQuery)
	}
	for _, p := range pages {
		g.GET(p, func(c echo.Context) error { return h.asset(c, "index.html", "no-cache") })
	}
	g.GET("/assets/*", func(c echo.Context) error {
		return h.asset(c, path.Join("assets", c.Param("*")), "public, max-age=31536000, immutable")
	})
	for _, icon := range []string{"hearth.svg", "favicon.ico"} {
		g.GET("/"+icon, func(c echo.Context) error { return h.asset(c, icon, "public, max-age=86400") })
	}
}

func (h *handler) asset(c echo.Context, name, cache string) error {
	b, err := fs.ReadFile(h.UI, name)
	if err != nil {
		return echo.ErrNotFound
	}
	header := c.Response().Header()
	header.Set("Cache-Control", cache)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Frame-Options", "SAMEORIGIN")
	header.Set("Content-Security-Policy",
		"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'; object-src 'none'; base-uri 'self'")
	return c.Blob(http.StatusOK, contentType(name), b)
}

// contentType does not ask the machine's MIME table: some have none, some a wrong one.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	if strings.HasSuffix(name, ".json") {
		return "application/json"
	}
	return "application/octet-stream"
}
