package api

import (
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/model"
)

// histograms writes the native histograms of a series of a matrix.
func (s *stream) histograms(hs []model.Histogram) {
	s.b = append(s.b, `,"histograms":[`...)
	for i, h := range hs {
		if i > 0 {
			s.b = append(s.b, ',')
		}
		s.b = appendHistogramPoint(s.b, h.T, h.Float())
		if s.flush(); s.err != nil {
			return
		}
	}
	s.b = append(s.b, ']')
}

func appendHistogramPoint(b []byte, t int64, h *histogram.FloatHistogram) []byte {
	b = append(appendTime(append(b, '['), t), ',')
	b = appendHistogram(b, h)
	return append(b, ']')
}

// appendHistogram appends count, sum and the buckets that have observations. A bucket is which of its bounds belong to
// it (0 the upper, 1 the lower, 2 none, 3 both), the two bounds, and its count.
func appendHistogram(b []byte, h *histogram.FloatHistogram) []byte {
	b = appendQuoted(append(b, `{"count":`...), h.Count)
	b = appendQuoted(append(b, `,"sum":`...), h.Sum)
	some := false
	for it := h.AllBucketIterator(); it.Next(); {
		bucket := it.At()
		if bucket.Count == 0 {
			continue
		}
		if some {
			b = append(b, ',')
		} else {
			b = append(b, `,"buckets":[`...)
		}
		some = true
		bounds := byte('2')
		switch {
		case bucket.LowerInclusive && bucket.UpperInclusive:
			bounds = '3'
		case bucket.LowerInclusive:
			bounds = '1'
		case bucket.UpperInclusive:
			bounds = '0'
		}
		b = append(b, '[', bounds)
		for _, x := range []float64{bucket.Lower, bucket.Upper, bucket.Count} {
			b = appendQuoted(append(b, ','), x)
		}
		b = append(b, ']')
	}
	if some {
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendQuoted appends a number as samples have it.
func appendQuoted(b []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = append(b, '"')
	b = strconv.AppendFloat(b, v, format, -1, 64)
	return append(b, '"')
}
