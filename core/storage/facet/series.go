package facet

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// MaxBuckets is how many buckets a histogram may have.
const MaxBuckets = 4096

// Series puts the samples of one series into rows of a group. It is good as long as the group's handle, and for one
// goroutine at a time.
type Series struct {
	g       storage.Group
	ls      labels.Labels
	slots   map[string]storage.Slot // by facet; "" is the series itself
	kind    storage.Slot            // of shape
	shape   shape
	last    last
	buckets []storage.Slot // of shape: the negative ones by falling index, then the positive ones by rising index
	cells   []float64      // counts in the same order
}

// shape is what successive histograms of a series mostly share: which buckets there are.
type shape struct {
	known              bool
	custom             []float64
	negative, positive []histogram.Span
}

func (s *shape) is(custom []float64, negative, positive []histogram.Span) bool {
	return s.known && histogram.CustomBucketBoundsMatch(s.custom, custom) && sameSpans(s.negative, negative) && sameSpans(s.positive, positive)
}

func sameSpans(a, b []histogram.Span) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// New returns the facets of the series with the full label set ls in the group g. Nothing is added to the group yet.
func New(g storage.Group, ls labels.Labels) *Series {
	return &Series{g: g, ls: ls, slots: map[string]storage.Slot{}}
}

// slot returns the slot of a facet, "" for the series itself.
func (s *Series) slot(name string) (storage.Slot, error) {
	if at, ok := s.slots[name]; ok {
		return at, nil
	}
	ls := s.ls
	if name != "" {
		ls = labelsOf(ls, name)
	}
	at, err := s.g.Slot(ls)
	if err == nil {
		s.slots[name] = at
	}
	return at, err
}

// Plain returns the slot of the series itself, for the number or staleness marker of the next row.
func (s *Series) Plain() (storage.Slot, error) {
	s.Forget()
	return s.slot("")
}

// Forget makes the next histogram one of which is not known what was before it: for rows that are not in order of time.
func (s *Series) Forget() { s.last.known = false }

// Histogram appends the cells of a histogram to a row. An error says what is wrong with it; nothing is appended then.
func (s *Series) Histogram(h *histogram.Histogram, slots []storage.Slot, values []float64) ([]storage.Slot, []float64, error) {
	if err := s.arrange(h.Schema, h.CustomValues, h.NegativeSpans, h.PositiveSpans, len(h.NegativeBuckets), len(h.PositiveBuckets)); err != nil {
		return slots, values, err
	}
	n := len(h.NegativeBuckets)
	total := h.ZeroCount
	add := func(deltas []int64, put func(k int, v float64)) {
		at := int64(0)
		for k, d := range deltas {
			at += d
			total += uint64(at)
			put(k, float64(at))
		}
	}
	add(h.NegativeBuckets, func(k int, v float64) { s.cells[n-1-k] = v })
	add(h.PositiveBuckets, func(k int, v float64) { s.cells[n+k] = v })
	return s.append(row{
		schema: h.Schema, hint: h.CounterResetHint, sum: h.Sum, zeros: float64(h.ZeroCount), threshold: h.ZeroThreshold,
		count: float64(h.Count), counted: h.Count == total && total <= 1<<53,
	}, slots, values)
}

// FloatHistogram appends the cells of a histogram with float counts to a row, as Histogram does.
func (s *Series) FloatHistogram(h *histogram.FloatHistogram, slots []storage.Slot, values []float64) ([]storage.Slot, []float64, error) {
	if err := s.arrange(h.Schema, h.CustomValues, h.NegativeSpans, h.PositiveSpans, len(h.NegativeBuckets), len(h.PositiveBuckets)); err != nil {
		return slots, values, err
	}
	n := len(h.NegativeBuckets)
	for k, v := range h.NegativeBuckets {
		s.cells[n-1-k] = v
	}
	copy(s.cells[n:], h.PositiveBuckets)
	total := h.ZeroCount
	for _, v := range s.cells {
		total += v
	}
	return s.append(row{
		schema: h.Schema, hint: h.CounterResetHint, floats: true, sum: h.Sum, zeros: h.ZeroCount, threshold: h.ZeroThreshold,
		count: h.Count, counted: math.Float64bits(h.Count) == math.Float64bits(total),
	}, slots, values)
}

// Start appends the cell of a start timestamp, in Unix milliseconds, to a row with a sample of the series. 0 is none.
func (s *Series) Start(st int64, slots []storage.Slot, values []float64) ([]storage.Slot, []float64, error) {
	if st == 0 {
		return slots, values, nil
	}
	at, err := s.slot(start)
	if err != nil {
		return slots, values, err
	}
	return append(slots, at), append(values, float64(st)), nil
}

// arrange makes shape, kind, buckets and cells those of a histogram that has been checked for nothing yet.
func (s *Series) arrange(schema int32, custom []float64, negative, positive []histogram.Span, negatives, positives int) error {
	if schema < -128 || schema > 127 {
		return fmt.Errorf("series %s: histogram of schema %d", s.ls, schema)
	}
	if negatives+positives > MaxBuckets {
		return fmt.Errorf("series %s: histogram of %d buckets, at most %d are stored", s.ls, negatives+positives, MaxBuckets)
	}
	if !histogram.IsCustomBucketsSchema(schema) {
		custom = nil
	}
	if s.shape.is(custom, negative, positive) && len(s.buckets) == negatives+positives {
		return nil
	}
	s.shape.known = false
	if _, err := s.slot(""); err != nil { // so that the series is known before its facets
		return err
	}
	name := kind
	if len(custom) > 0 {
		name = boundsName(custom)
	}
	var err error
	if s.kind, err = s.slot(name); err != nil {
		return err
	}
	s.buckets, s.cells = make([]storage.Slot, negatives+positives), make([]float64, negatives+positives)
	if err := s.place(negative, true, s.buckets[:negatives]); err != nil {
		return err
	}
	if err := s.place(positive, false, s.buckets[negatives:]); err != nil {
		return err
	}
	s.shape = shape{true, append([]float64(nil), custom...), append([]histogram.Span(nil), negative...), append([]histogram.Span(nil), positive...)}
	return nil
}

// place finds the slots of the buckets of spans: by rising index, for negative ones by falling index.
func (s *Series) place(spans []histogram.Span, negative bool, slots []storage.Slot) error {
	k := 0
	index := int64(0)
	for i, span := range spans {
		if i > 0 && span.Offset < 0 || int(span.Length) > len(slots)-k {
			return fmt.Errorf("series %s: histogram with spans that do not fit its %d buckets", s.ls, len(slots))
		}
		index += int64(span.Offset)
		for range span.Length {
			if index != int64(int32(index)) {
				return fmt.Errorf("series %s: histogram with a bucket of index %d", s.ls, index)
			}
			at, err := s.slot(bucketName(int32(index), negative))
			if err != nil {
				return err
			}
			if negative {
				slots[len(slots)-1-k] = at
			} else {
				slots[k] = at
			}
			index++
			k++
		}
	}
	if k < len(slots) {
		return fmt.Errorf("series %s: histogram with spans that do not fit its %d buckets", s.ls, len(slots))
	}
	return nil
}

// row is a histogram without its buckets.
type row struct {
	schema                       int32
	hint                         histogram.CounterResetHint
	floats                       bool // the counts came as floats
	sum, zeros, threshold, count float64
	counted                      bool // the buckets say what the count is
}

// append appends the cells of a histogram whose buckets are in cells.
func (s *Series) append(r row, slots []storage.Slot, values []float64) ([]storage.Slot, []float64, error) {
	before := len(slots)
	for _, f := range [...]struct {
		name string
		v    float64
		none bool
	}{
		{sum, r.sum, isZero(r.sum)},
		{count, r.count, r.counted},
		{zeroCount, r.zeros, isZero(r.zeros)},
		{zeroThreshold, r.threshold, isZero(r.threshold)},
	} {
		if f.none {
			continue
		}
		at, err := s.slot(f.name)
		if err != nil {
			return slots[:before], values[:before], err
		}
		slots, values = append(slots, at), append(values, f.v)
	}
	slots, values = append(slots, s.buckets...), append(values, s.cells...)
	kind := kindOf(r.schema, s.hint(r), r.floats, len(slots)-before)
	return append(slots, s.kind), append(values, kind), nil // the last, so that what a crash leaves of a row is a whole histogram or none
}

// isZero tells whether v is 0, and not -0.
func isZero(v float64) bool { return math.Float64bits(v) == 0 }
