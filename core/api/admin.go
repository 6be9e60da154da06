package api

import (
	"errors"

	"github.com/labstack/echo/v4"
)

// adminOff answers POST and PUT /api/v1/admin/tsdb/…, which change or copy stored data, as a Prometheus that was
// started without them does.
func (h *handler) adminOff(echo.Context) error {
	return &apiError{errUnavailable, errors.New("admin APIs disabled")}
}
