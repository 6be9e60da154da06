package api

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/hearth-project/hearth/core/promql"
)

// Queries tells what is being evaluated and ends it.
type Queries interface {
	Running() []promql.Running
	Cancel(id uint64) bool
}

// routeQueries adds hearth's own resource of the queries that run.
func (h *handler) routeQueries(g *echo.Group) {
	g.GET("/queries", h.runningQueries, h.whenReady)
	g.DELETE("/queries/:id", h.cancelQuery, h.whenReady)
}

// runningQueries serves GET /api/hearth/v1/queries: what runs or waits, the oldest first.
func (h *handler) runningQueries(c echo.Context) error {
	if h.Queries == nil {
		return respond(c, []promql.Running{})
	}
	return respond(c, h.Queries.Running())
}

// cancelQuery serves DELETE /api/hearth/v1/queries/ID. Who waits for the query is told that it was canceled.
func (h *handler) cancelQuery(c echo.Context) error {
	id, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return badParam("id", err)
	}
	if h.Queries == nil || !h.Queries.Cancel(id) {
		return plain(http.StatusNotFound, "no query with this id is running")
	}
	return c.NoContent(http.StatusNoContent)
}

// caller tells the engine who asks.
func caller(c echo.Context) promql.Caller {
	r := c.Request()
	return promql.Caller{UserAgent: r.UserAgent(), RemoteAddr: r.RemoteAddr, Method: r.Method, Path: r.URL.Path}
}
