package api

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// The first and the last time a client may name; client_golang sends them, formatted, for "no limit". They are
// upstream's.
var (
	minTime = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()

	minTimeText = minTime.Format(time.RFC3339Nano)
	maxTimeText = maxTime.Format(time.RFC3339Nano)
)

// parseTime reads Unix seconds with a fraction, rounded to milliseconds, or RFC 3339.
func parseTime(s string) (time.Time, error) {
	if t, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(t) {
		if t <= float64(minTime.Unix()) {
			return minTime, nil
		}
		if t >= float64(maxTime.Unix()) {
			return maxTime, nil
		}
		sec, frac := math.Modf(t)
		frac = math.Round(frac*1000) / 1000
		return time.Unix(int64(sec), int64(frac*float64(time.Second))).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	switch s { // years that the standard library does not read
	case minTimeText:
		return minTime, nil
	case maxTimeText:
		return maxTime, nil
	}
	return time.Time{}, fmt.Errorf("cannot parse %q to a valid timestamp", s)
}

// parseDuration reads seconds with a fraction, or a duration such as 1h30m.
func parseDuration(s string) (time.Duration, error) {
	if d, err := strconv.ParseFloat(s, 64); err == nil {
		ns := d * float64(time.Second)
		if !(ns < float64(math.MaxInt64) && ns > float64(math.MinInt64)) { // NaN neither
			return 0, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", s)
		}
		return time.Duration(ns), nil
	}
	if d, err := commonmodel.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, fmt.Errorf("cannot parse %q to a valid duration", s)
}

// timeParam returns a time parameter, or standard where it is not given.
func timeParam(c echo.Context, name string, standard time.Time) (time.Time, error) {
	v := c.FormValue(name)
	if v == "" {
		return standard, nil
	}
	t, err := parseTime(v)
	if err != nil {
		return time.Time{}, badParam(name, fmt.Errorf("invalid time value for '%s': %w", name, err))
	}
	return t, nil
}

// rangeParams returns the times start and end, from the first to the last where they are not given.
func rangeParams(c echo.Context) (start, end time.Time, err error) {
	if start, err = timeParam(c, "start", minTime); err != nil {
		return start, end, err
	}
	end, err = timeParam(c, "end", maxTime)
	return start, end, err
}

// limitParam returns how many results are wanted at most; 0 is all.
func limitParam(c echo.Context) (int, error) {
	v := c.FormValue("limit")
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, badParam("limit", err)
	}
	if n < 0 {
		return 0, badParam("limit", errors.New("limit must be non-negative"))
	}
	return n, nil
}

// intParam returns a whole number, -1 where it is not given.
func intParam(c echo.Context, name string) (int, error) {
	v := c.FormValue(name)
	if v == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, bad("%s must be a number", name)
	}
	return n, nil
}

// matcherSets parses the selectors of match[]; each must have a matcher that does not match empty.
func matcherSets(c echo.Context, p parser.Parser) ([][]*labels.Matcher, error) {
	sets, err := p.ParseMetricSelectors(c.Request().Form["match[]"])
	if err != nil {
		return nil, err
	}
	for _, ms := range sets {
		if !selective(ms) {
			return nil, errors.New("match[] must contain at least one non-empty matcher")
		}
	}
	return sets, nil
}

// selective tells whether a matcher excludes series without the label.
func selective(ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches("") {
			return true
		}
	}
	return false
}
