package api

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

type exemplarsJSON struct {
	Series    labels.Labels  `json:"seriesLabels"`
	Exemplars []exemplarJSON `json:"exemplars"`
}

type exemplarJSON struct {
	Labels labels.Labels   `json:"labels"`
	Value  json.RawMessage `json:"value"`
	Time   json.RawMessage `json:"timestamp"` // seconds
}

// queryExemplars serves GET and POST /api/v1/query_exemplars: the exemplars of all series that the selectors of an
// expression name.
func (h *handler) queryExemplars(c echo.Context) error {
	start, end, err := rangeParams(c)
	if err != nil {
		return err
	}
	if end.Before(start) {
		return bad("end timestamp must not be before start timestamp")
	}
	expr, err := h.Engine.Parser().ParseExpr(c.FormValue("query"))
	if err != nil {
		return &apiError{errBadData, err}
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return c.NoContent(http.StatusNoContent)
	}
	out := []exemplarsJSON{}
	if h.Exemplars == nil {
		return respond(c, out)
	}
	found, err := h.Exemplars.Exemplars(c.Request().Context(), start.UnixMilli(), end.UnixMilli(), selectors...)
	if err != nil {
		return readError(err)
	}
	for _, s := range found {
		one := exemplarsJSON{Series: s.SeriesLabels}
		for _, e := range s.Exemplars {
			one.Exemplars = append(one.Exemplars, exemplarJSON{e.Labels, appendQuoted(nil, e.Value), appendTime(nil, e.Ts)})
		}
		out = append(out, one)
	}
	return respond(c, out)
}
