package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// parseTime reads RFC 3339, Unix seconds, or an age before now; empty is now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return now, nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e12 && f < 1e12 {
		return time.UnixMilli(int64(f * 1000)), nil
	}
	return time.Time{}, fmt.Errorf("%q is not RFC 3339, Unix seconds, or an age such as 1h", s)
}

// span reads the flags --start and --end.
func (q *querier) span(start, end string) (from, to time.Time, err error) {
	now := q.now()
	if from, err = parseTime(start, now); err != nil {
		return from, to, usagef("--start: %w", err)
	}
	if to, err = parseTime(end, now); err != nil {
		return from, to, usagef("--end: %w", err)
	}
	if start != "" && to.Before(from) {
		return from, to, usagef("--end: %s is before --start, %s", to.UTC().Format(time.RFC3339), from.UTC().Format(time.RFC3339))
	}
	return from, to, nil
}

// parseStep reads a duration such as 15s or 1d, or seconds.
func parseStep(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil {
		f, numErr := strconv.ParseFloat(s, 64)
		if numErr != nil || !(f < 1e9) {
			return 0, fmt.Errorf("%q is neither a duration such as 15s nor seconds", s)
		}
		d = model.Duration(f * float64(time.Second))
	}
	if d < model.Duration(time.Millisecond) {
		return 0, fmt.Errorf("%q is less than a millisecond", s)
	}
	return time.Duration(d), nil
}

// defaultStep gives 250 points or so in span: more than a terminal shows, few enough to read.
func defaultStep(span time.Duration) time.Duration { return roundStep(span, 250) }

// roundStep returns the shortest round step of which at most n make span.
func roundStep(span time.Duration, n int) time.Duration {
	const day = 24 * time.Hour
	for _, step := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if span <= time.Duration(n)*step {
			return step
		}
	}
	return (span/time.Duration(n) + day - 1).Truncate(day)
}
