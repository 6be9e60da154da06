package api

import (
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// series serves GET and POST /api/v1/series: the label sets of all series that a selector finds.
func (h *handler) series(c echo.Context) error {
	if len(c.Request().Form["match[]"]) == 0 {
		return bad("no match[] parameter provided")
	}
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
		return badParam("match[]", err)
	}
	q, err := h.Storage.Querier(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		return readError(err)
	}
	defer q.Close()
	all := []labels.Labels{}
	for _, ms := range sets {
		some, err := storage.Series(c.Request().Context(), q, start.UnixMilli(), end.UnixMilli(), ms...)
		if err != nil {
			return readError(err)
		}
		if len(sets) == 1 {
			all = some
			break
		}
		all = append(all, some...)
	}
	if len(sets) > 1 { // one is in order by itself
		slices.SortFunc(all, labels.Compare)
		all = slices.CompactFunc(all, labels.Equal)
	}
	return writeList(c.Request().Context(), c.Response(), all, limit, appendLabels)
}
