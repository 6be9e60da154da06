package storage

import (
	"github.com/prometheus/prometheus/model/histogram"
)

// HistogramColumns is a selection with native histograms: what Querier.Select returns is one if any of its series
// has a histogram in the range. Values of such a series are Absent in the rows where it has a histogram.
type HistogramColumns interface {
	Columns

	// HasHistograms tells whether series i has a histogram in any row.
	HasHistograms(i int) bool

	// Histograms decodes the histograms of series i in rows lo..hi-1 into dst, whose memory is used again. For a
	// series without histograms all rows are absent. An error means damage: it names the file.
	Histograms(i, lo, hi int, dst *Histograms) error
}

// StartColumns is a selection some of whose series came with start timestamps: the times since which counters and
// histograms count. What Querier.Select returns is one if any of its series has a start timestamp in the range.
type StartColumns interface {
	Columns

	// Starts decodes the start timestamps of series i in rows lo..hi-1 into dst, which is grown if too small, and
	// returns it with length hi-lo: Unix milliseconds, 0 where the sample has none.
	Starts(i, lo, hi int, dst []int64) ([]int64, error)
}

// Histograms is a run of rows of one series' native histograms, column by column; every slice has a value for
// each row. It is made for reuse: the zero value is ready.
type Histograms struct {
	Schema        []int32 // AbsentSchema in rows without a histogram
	Integer       []bool  // the counts came as integers
	Hint          []histogram.CounterResetHint
	ZeroThreshold []float64
	ZeroCount     []float64
	Count         []float64
	Sum           []float64
	Bounds        [][]float64 // upper bounds of custom buckets; rows share them, and nobody changes them
	Buckets       []BucketColumn
}

// AbsentSchema is the schema of a row without a histogram.
const AbsentSchema = -1 << 31

// BucketColumn is the counts of one bucket. The columns of Histograms come in order of the buckets' bounds:
// negative ones by falling index, then positive ones by rising index.
type BucketColumn struct {
	Index    int32
	Negative bool
	Counts   []float64 // absolute, by row; Absent where the histogram has no such bucket
}

// At returns the histogram of a row, nil if there is none. It shares Bounds only.
func (c *Histograms) At(row int) *histogram.FloatHistogram {
	if c.Schema[row] == AbsentSchema {
		return nil
	}
	h := &histogram.FloatHistogram{
		CounterResetHint: c.Hint[row], Schema: c.Schema[row],
		ZeroThreshold: c.ZeroThreshold[row], ZeroCount: c.ZeroCount[row], Count: c.Count[row], Sum: c.Sum[row],
	}
	if h.UsesCustomBuckets() && row < len(c.Bounds) {
		h.CustomValues = c.Bounds[row]
	}
	positive := 0
	for _, b := range c.Buckets {
		if !b.Negative && !IsAbsent(b.Counts[row]) {
			positive++
		}
	}
	if positive > 0 {
		h.PositiveBuckets = make([]float64, 0, positive)
	}
	var next int32 // index that goes on with the last span
	for i := range c.Buckets {
		if b := &c.Buckets[i]; !b.Negative && !IsAbsent(b.Counts[row]) {
			h.PositiveSpans = AppendBucket(h.PositiveSpans, b.Index, next)
			h.PositiveBuckets = append(h.PositiveBuckets, b.Counts[row])
			next = b.Index + 1
		}
	}
	next = 0
	for i := len(c.Buckets) - 1; i >= 0; i-- { // which come by falling index
		if b := &c.Buckets[i]; b.Negative && !IsAbsent(b.Counts[row]) {
			h.NegativeSpans = AppendBucket(h.NegativeSpans, b.Index, next)
			h.NegativeBuckets = append(h.NegativeBuckets, b.Counts[row])
			next = b.Index + 1
		}
	}
	return h
}

// AppendBucket returns spans with the bucket of an index; next is the one that would go on with the last span.
func AppendBucket(spans []histogram.Span, index, next int32) []histogram.Span {
	if len(spans) > 0 && index == next {
		spans[len(spans)-1].Length++
		return spans
	}
	return append(spans, histogram.Span{Offset: index - next, Length: 1})
}
