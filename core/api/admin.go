package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/prometheus/model/labels"
)

// Admin changes and copies stored data.
type Admin interface {
	// Delete deletes samples, as tsdb.DB does.
	Delete(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) error

	// CleanTombstones frees the space of what was deleted.
	CleanTombstones(ctx context.Context) error

	// Snapshot copies the database and returns the name of the copy below snapshots/ of the data directory.
	Snapshot(ctx context.Context) (name string, err error)
}

// adminOff answers for what is switched off, as a Prometheus that was started without it does.
func (h *handler) adminOff() error {
	if h.Admin == nil {
		return &apiError{errUnavailable, errors.New("admin APIs disabled: set enable_admin_api = true in [server]")}
	}
	return nil
}

// deleteSeries serves POST and PUT /api/v1/admin/tsdb/delete_series.
func (h *handler) deleteSeries(c echo.Context) error {
	if err := h.adminOff(); err != nil {
		return err
	}
	if len(c.Request().Form["match[]"]) == 0 {
		return bad("no match[] parameter provided")
	}
	start, end, err := rangeParams(c)
	if err != nil {
		return err
	}
	sets, err := matcherSets(c, h.Engine.Parser())
	if err != nil {
		return badParam("match[]", err)
	}
	for _, ms := range sets {
		if err := h.Admin.Delete(c.Request().Context(), start.UnixMilli(), end.UnixMilli(), ms...); err != nil {
			return &apiError{errInternal, err}
		}
	}
	return c.NoContent(http.StatusNoContent)
}

// cleanTombstones serves POST and PUT /api/v1/admin/tsdb/clean_tombstones.
func (h *handler) cleanTombstones(c echo.Context) error {
	if err := h.adminOff(); err != nil {
		return err
	}
	if err := h.Admin.CleanTombstones(c.Request().Context()); err != nil {
		return &apiError{errInternal, err}
	}
	return c.NoContent(http.StatusNoContent)
}

// snapshot serves POST and PUT /api/v1/admin/tsdb/snapshot. What is in memory is always copied: skip_head is not
// followed.
func (h *handler) snapshot(c echo.Context) error {
	if err := h.adminOff(); err != nil {
		return err
	}
	name, err := h.Admin.Snapshot(c.Request().Context())
	if err != nil {
		return &apiError{errInternal, err}
	}
	return respond(c, map[string]string{"name": name})
}
