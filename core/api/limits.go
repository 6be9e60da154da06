package api

import (
	"errors"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/hearth-project/hearth/core/limits"
)

// routeLimits adds hearth's own resource of what bounds it.
func (h *handler) routeLimits(g *echo.Group) { g.GET("/limits", h.limits, h.whenReady) }

// maxTopLimits is how many jobs and targets limits may be asked for.
const maxTopLimits = 1000

// limits serves GET /api/hearth/v1/limits: every limit and its use, so many (top, 10 if it is not said) jobs and targets
// with most series and with most new ones, and what was refused lately.
func (h *handler) limits(c echo.Context) error {
	top := 10
	if s := c.QueryParam("top"); s != "" {
		var err error
		if top, err = strconv.Atoi(s); err != nil {
			return badParam("top", err)
		}
		if top < 1 || top > maxTopLimits {
			return badParam("top", errors.New("want 1 to "+strconv.Itoa(maxTopLimits)))
		}
	}
	if h.Limits == nil {
		return respond(c, limits.Report{Limits: []limits.Limit{}, Jobs: []limits.JobUse{}, Targets: []limits.TargetUse{}, Rejections: []limits.Rejection{}})
	}
	return respond(c, h.Limits(top))
}
