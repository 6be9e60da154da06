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
	c    storage.Columns
	i    int
	ts   []int64   // of all rows
	at   int       // the row it stands on; before the first: one less
	end  int       // the row after the last
	vals []float64 // of rows from on
	from int
	done bool
	err  error
}

func (it *iterator) begin(c storage.Columns, i int) {
	lo, hi := c.Rows(i)
	*it = iterator{c: c, i: i, ts: c.Times(), at: lo - 1, end: hi, vals: it.vals[:0], from: lo}
}

// Next implements chunkenc.Iterator.
func (it *iterator) Next() chunkenc.ValueType {
	for !it.done && it.err == nil {
		if it.at++; it.at >= it.end {
			break
		}
		if it.at >= it.from+len(it.vals) {
			it.from = it.at
			if it.vals, it.err = it.c.Values(it.i, it.at, min(it.end, it.at+pieceRows), it.vals); it.err != nil {
				break
			}
		}
		if !storage.IsAbsent(it.vals[it.at-it.from]) {
			return chunkenc.ValFloat
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
		return chunkenc.ValFloat
	}
	next := it.at + 1
	it.at = next + sort.Search(max(it.end-next, 0), func(k int) bool { return it.ts[next+k] >= t }) - 1
	return it.Next()
}

// At implements chunkenc.Iterator.
func (it *iterator) At() (int64, float64) { return it.ts[it.at], it.vals[it.at-it.from] }

// AtT implements chunkenc.Iterator.
func (it *iterator) AtT() int64 { return it.ts[it.at] }

// AtST implements chunkenc.Iterator: start timestamps are not stored.
func (it *iterator) AtST() int64 { return 0 }

// AtHistogram implements chunkenc.Iterator: there are none.
func (it *iterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return it.AtT(), nil
}

// AtFloatHistogram implements chunkenc.Iterator: there are none.
func (it *iterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return it.AtT(), nil
}

// Err implements chunkenc.Iterator.
func (it *iterator) Err() error { return it.err }
