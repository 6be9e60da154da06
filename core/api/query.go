package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql"
)

// maxPoints is the most steps a range query may have: what a wide screen shows many times over.
const maxPoints = 11000

// truncated is the warning on a result cut to the limit asked for.
const truncated = "results truncated due to limit"

// query serves GET and POST /api/v1/query.
func (h *handler) query(c echo.Context) error {
	limit, err := limitParam(c)
	if err != nil {
		return err
	}
	at, err := timeParam(c, "time", h.Clock())
	if err != nil {
		return err
	}
	return h.evaluate(c, limit, func(ctx context.Context, o promql.QueryOptions) (*promql.Result, error) {
		return h.Engine.Instant(ctx, h.Storage, c.FormValue("query"), at, o)
	})
}

// queryRange serves GET and POST /api/v1/query_range.
func (h *handler) queryRange(c echo.Context) error {
	limit, err := limitParam(c)
	if err != nil {
		return err
	}
	start, err := parseTime(c.FormValue("start"))
	if err != nil {
		return badParam("start", err)
	}
	end, err := parseTime(c.FormValue("end"))
	if err != nil {
		return badParam("end", err)
	}
	if end.Before(start) {
		return badParam("end", errors.New("end timestamp must not be before start time"))
	}
	step, err := parseDuration(c.FormValue("step"))
	if err != nil {
		return badParam("step", err)
	}
	if step <= 0 {
		return badParam("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	}
	if step < time.Millisecond {
		return badParam("step", errors.New("query resolution step widths below 1ms are not accepted"))
	}
	if span := end.Sub(start); span/step > maxPoints || span == math.MaxInt64 && pointsApart(start, end, step) > maxPoints {
		return bad("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	return h.evaluate(c, limit, func(ctx context.Context, o promql.QueryOptions) (*promql.Result, error) {
		return h.Engine.Range(ctx, h.Storage, c.FormValue("query"), start, end, step, o)
	})
}

// pointsApart returns how many steps there are between times that are further apart than a Duration is long.
func pointsApart(start, end time.Time, step time.Duration) uint64 {
	return uint64(end.UnixMilli()-start.UnixMilli()) / uint64(step.Milliseconds())
}

// evaluate runs a query with the timeout and the options of the request, and answers it.
func (h *handler) evaluate(c echo.Context, limit int, run func(context.Context, promql.QueryOptions) (*promql.Result, error)) error {
	ctx, cancel, err := withTimeout(c)
	if err != nil {
		return err
	}
	defer cancel()
	o, err := queryOptions(c)
	if err != nil {
		return err
	}
	res, err := run(ctx, o)
	if err != nil {
		return queryError(err)
	}
	return h.respondQuery(c, res, limit)
}

// withTimeout bounds the request by the parameter timeout. cancel must be called.
func withTimeout(c echo.Context) (ctx context.Context, cancel context.CancelFunc, err error) {
	ctx = c.Request().Context()
	v := c.FormValue("timeout")
	if v == "" {
		return ctx, func() {}, nil
	}
	d, err := parseDuration(v)
	if err != nil {
		return nil, nil, badParam("timeout", err)
	}
	ctx, cancel = context.WithTimeout(ctx, d)
	return ctx, cancel, nil
}

func queryOptions(c echo.Context) (o promql.QueryOptions, err error) {
	o.Caller = caller(c)
	o.Columns, o.Explain, o.PerStep = true, explain(c), c.FormValue("stats") == "all"
	if v := c.FormValue("lookback_delta"); v != "" {
		if o.Lookback, err = parseDuration(v); err != nil {
			return o, bad("error parsing lookback delta duration: %w", err)
		}
	}
	return o, nil
}

// explain tells whether the answer's stats are to have a tree of what each part of the query did: hearth's own.
func explain(c echo.Context) bool { return c.FormValue("explain") == "true" }

// respondQuery writes the envelope around a result.
func (h *handler) respondQuery(c echo.Context, res *promql.Result, limit int) error {
	value, cut := limited(res.Value, limit)
	warnings := res.Warnings
	if cut {
		warnings = append(warnings[:len(warnings):len(warnings)], truncated)
	}
	stats := c.FormValue("stats")
	if stats != "" && stats != "true" && stats != "all" {
		warnings = append(warnings[:len(warnings):len(warnings)],
			fmt.Sprintf(`value %q for parameter "stats" is deprecated and will be rejected in the next major release, use "true" or "all"`, stats))
	}
	a := answer{value: value, warnings: warnings, infos: res.Infos}
	if stats != "" || explain(c) {
		a.stats = res.Stats
	}
	return writeAnswer(c.Request().Context(), c.Response(), a)
}

// limited cuts a vector or matrix to its first n elements; 0 is no limit.
func limited(v model.Value, n int) (model.Value, bool) {
	if n == 0 {
		return v, false
	}
	switch v := v.(type) {
	case model.Vector:
		if len(v) > n {
			return v[:n], true
		}
	case *model.Columns:
		if len(v.Series) > n {
			return &model.Columns{Start: v.Start, Step: v.Step, Series: v.Series[:n]}, true
		}
	case model.Matrix:
		if len(v) > n {
			return v[:n], true
		}
	}
	return v, false
}

// formatQuery serves GET and POST /api/v1/format_query: the expression, prettified.
func (h *handler) formatQuery(c echo.Context) error {
	expr, err := h.Engine.Parser().ParseExpr(c.FormValue("query"))
	if err != nil {
		return badParam("query", err)
	}
	return respond(c, expr.Pretty(0))
}
