package api

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// labelNames serves GET and POST /api/v1/labels.
func (h *handler) labelNames(c echo.Context) error {
	return h.names(c, func(ctx context.Context, q storage.Querier, ms ...*labels.Matcher) ([]string, error) {
		return q.LabelNames(ctx, ms...)
	})
}

// labelValues serves GET /api/v1/label/<name>/values. UTF-8 names come escaped, as U__my_2e_label.
func (h *handler) labelValues(c echo.Context) error {
	name := c.Param("name")
	if c.Request().URL.RawPath != "" { // then the router has matched, and given us, the path as it was escaped
		var err error
		if name, err = url.PathUnescape(name); err != nil {
			return bad("invalid label name: %q", name)
		}
	}
	if strings.HasPrefix(name, "U__") {
		name = commonmodel.UnescapeName(name, commonmodel.ValueEncodingEscaping)
	}
	if !commonmodel.UTF8Validation.IsValidLabelName(name) {
		return bad("invalid label name: %q", name)
	}
	return h.names(c, func(ctx context.Context, q storage.Querier, ms ...*labels.Matcher) ([]string, error) {
		return q.LabelValues(ctx, name, ms...)
	})
}

// names answers the sorted union of what find returns for each selector, or for all series where none is given.
func (h *handler) names(c echo.Context, find func(context.Context, storage.Querier, ...*labels.Matcher) ([]string, error)) error {
	limit, err := limitParam(c)
	if err != nil {
		return err
	}
	start, end, err := rangeParams(c)
	if err != nil {
		return err
	}
	sets, err := matcherSets(c, h.Engine.Parser())
	if err != nil {
		return &apiError{errBadData, err}
	}
	q, err := h.Storage.Querier(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		return readError(err)
	}
	defer q.Close()
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	all := []string{}
	for _, ms := range sets {
		some, err := find(c.Request().Context(), q, ms...)
		if err != nil {
			return readError(err)
		}
		all = append(all, some...)
	}
	if len(sets) > 1 { // one is in order by itself
		slices.Sort(all)
		all = slices.Compact(all)
	}
	return writeList(c.Request().Context(), c.Response(), all, limit, appendString)
}
