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
