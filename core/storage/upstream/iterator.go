package upstream

import (
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/hearth-project/hearth/core/storage"
)

// pieceRows are decoded at a time.
const pieceRows = 1024

// iterator implements chunkenc.Iterator of upstream over one series: rows in which it has no sample are passed
// over.
type iterator struct {
	c      storage.Columns
	hists  storage.HistogramColumns // nil if the series has none
	starts storage.StartColumns     // nil if no series has any
	i      int
	ts     []int64 // of all rows
	at     int     // the row it stands on; before the first: one less
	end    int     // the row after the last
	from   int     // the first row that is decoded
	vals   []float64
	native storage.Histograms
	began  []int64
	done   bool
	err    error
}

func (it *iterator) begin(c storage.Columns, i int) {
	lo, hi := c.Rows(i)
	*it = iterator{c: c, i: i, ts: c.Times(), at: lo - 1, end: hi, from: lo, vals: it.vals[:0], native: it.native, began: it.began}
	if h, ok := c.(storage.HistogramColumns); ok && h.HasHistograms(i) {
		it.hists = h
	}
	it.starts, _ = c.(storage.StartColumns)
}

// decode decodes the rows from the one it stands on.
func (it *iterator) decode() {
	hi := min(it.end, it.at+pieceRows)
	it.from = it.at
	it.vals, it.err = it.c.Values(it.i, it.at, hi, it.vals)
	if it.err == nil && it.hists != nil {
		it.err = it.hists.Histograms(it.i, it.at, hi, &it.native)
	}
	if it.err == nil && it.starts != nil {
		it.began, it.err = it.starts.Starts(it.i, it.at, hi, it.began)
	}
}

// here returns the type of the sample in the row it stands on, which is decoded.
func (it *iterator) here() chunkenc.ValueType {
	r := it.at - it.from
	switch {
	case it.hists != nil && it.native.Schema[r] != storage.AbsentSchema:
		if it.native.Integer[r] {
			return chunkenc.ValHistogram
		}
		return chunkenc.ValFloatHistogram
	case storage.IsAbsent(it.vals[r]):
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// Next implements chunkenc.Iterator.
func (it *iterator) Next() chunkenc.ValueType {
	for !it.done && it.err == nil {
		if it.at++; it.at >= it.end {
			break
		}
		if it.at >= it.from+len(it.vals) {
			if it.decode(); it.err != nil {
				break
			}
		}
		if typ := it.here(); typ != chunkenc.ValNone {
			return typ
		}
	}
	it.done = true
	return chunkenc.ValNone
}

// instant is a time in Unix milliseconds. As the name of a type it also keeps go vet from taking the Seek below for
// that of io.Seeker.
type instant = int64

// Seek implements chunkenc.Iterator.
func (it *iterator) Seek(t instant) chunkenc.ValueType {
	if it.done || it.err != nil {
		return chunkenc.ValNone
	}
	if len(it.vals) > 0 && it.at < it.end && it.ts[it.at] >= t {
		return it.here()
	}
	next := it.at + 1
	it.at = next + sort.Search(max(it.end-next, 0), func(k int) bool { return it.ts[next+k] >= t }) - 1
	return it.Next()
}

// At implements chunkenc.Iterator.
func (it *iterator) At() (int64, float64) { return it.ts[it.at], it.vals[it.at-it.from] }

// AtT implements chunkenc.Iterator.
func (it *iterator) AtT() int64 { return it.ts[it.at] }

// AtST implements chunkenc.Iterator.
func (it *iterator) AtST() int64 {
	if it.starts == nil {
		return 0
	}
	return it.began[it.at-it.from]
}

// AtHistogram implements chunkenc.Iterator.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return it.AtT(), integers(it.native.At(it.at - it.from))
}

// AtFloatHistogram implements chunkenc.Iterator.
func (it *iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return it.AtT(), it.native.At(it.at - it.from)
}

// Err implements chunkenc.Iterator.
func (it *iterator) Err() error { return it.err }

// integers returns a histogram whose counts are integers as one of integers.
func integers(h *histogram.FloatHistogram) *histogram.Histogram {
	return &histogram.Histogram{
		CounterResetHint: h.CounterResetHint, Schema: h.Schema,
		ZeroThreshold: h.ZeroThreshold, ZeroCount: uint64(h.ZeroCount), Count: uint64(h.Count), Sum: h.Sum,
		PositiveSpans: h.PositiveSpans, NegativeSpans: h.NegativeSpans,
		PositiveBuckets: deltas(h.PositiveBuckets), NegativeBuckets: deltas(h.NegativeBuckets),
		CustomValues: h.CustomValues,
	}
}

func deltas(counts []float64) []int64 {
	if len(counts) == 0 {
		return nil
	}
	out := make([]int64, len(counts))
	last := int64(0)
	for i, c := range counts {
		out[i] = int64(c) - last
		last = int64(c)
	}
	return out
}
