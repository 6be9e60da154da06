package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hearth-project/hearth/sdk/metric"
)

// Types of columns, as the server numbers them (pg_type.oid), whose texts are no numbers.
const (
	oidBool        = 16
	oidDate        = 1082
	oidTimestamp   = 1114
	oidTimestampTZ = 1184
)

// number reads the text of a value. A time becomes seconds since 1970, a boolean 0 or 1.
func number(text []byte, oid uint32) (float64, error) {
	switch oid {
	case oidBool:
		return metric.Bool(len(text) == 1 && text[0] == 't'), nil
	case oidDate, oidTimestamp, oidTimestampTZ:
		return seconds(string(text))
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a number; of a span of time, take extract(epoch from …)", text)
	}
	return v, nil
}

// seconds reads a date or time as the server writes it with DateStyle ISO and TimeZone UTC.
func seconds(text string) (float64, error) {
	for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return float64(t.UnixMicro()) / 1e6, nil
		}
	}
	return 0, fmt.Errorf("%.40q is not a time this can read", text)
}

// list reads the text of an array of numbers, {1,2.5,Infinity}.
func list(text []byte) ([]float64, error) {
	inner, opened := strings.CutPrefix(string(text), "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed {
		return nil, fmt.Errorf("%.40q is not an array of numbers", text)
	}
	if inner == "" {
		return nil, nil
	}
	var vs []float64
	for item := range strings.SplitSeq(inner, ",") {
		v, err := strconv.ParseFloat(item, 64)
		if err != nil {
			return nil, fmt.Errorf("%.40q is not an array of numbers", text)
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// buckets joins bounds and cumulative counts, as histograms have them.
func buckets(bounds, counts []float64) ([]metric.Bucket, error) {
	if len(bounds) != len(counts) {
		return nil, fmt.Errorf("%d bounds, but %d counts", len(bounds), len(counts))
	}
	bs := make([]metric.Bucket, len(bounds))
	for i := range bounds {
		if counts[i] < 0 || (i > 0 && !(bounds[i] > bounds[i-1] && counts[i] >= counts[i-1])) {
			return nil, fmt.Errorf("bounds and counts of buckets must rise")
		}
		bs[i] = metric.Bucket{UpperBound: bounds[i], Count: uint64(counts[i])}
	}
	return bs, nil
}
