package facet

import (
	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/storage"
)

// Whether a counter was reset since the sample before is seen in its counts, by whoever has both samples. The first
// sample of a selection has none before it, so the writer notes where there was no reset. The note says nothing once
// other samples come between or the one before is deleted: readers who have both look themselves.

// last is the histogram before.
type last struct {
	known  bool
	row    row
	kind   storage.Slot
	slots  []storage.Slot // of the buckets with counts
	counts []float64
}

// hint returns what is noted about resets at the histogram whose buckets are in cells, and makes it the last one. That
// a sender says there was a reset is not noted, as upstream does not.
func (s *Series) hint(r row) histogram.CounterResetHint {
	if r.hint == histogram.GaugeType {
		s.Forget()
		return r.hint
	}
	l := &s.last
	hint := histogram.UnknownCounterReset
	if l.known && r.hint != histogram.CounterReset && l.kind == s.kind && l.row.schema == r.schema && l.row.floats == r.floats &&
		l.row.threshold == r.threshold && r.count >= l.row.count && r.zeros >= l.row.zeros && s.grown() {
		hint = histogram.NotCounterReset
	}
	l.known, l.row, l.kind = true, r, s.kind
	l.slots, l.counts = append(l.slots[:0], s.buckets...), append(l.counts[:0], s.cells...)
	return hint
}

// grown tells whether no bucket has less than in the last histogram.
func (s *Series) grown() bool {
	same := len(s.buckets) == len(s.last.slots)
	for k := 0; same && k < len(s.buckets); k++ {
		same = s.buckets[k] == s.last.slots[k]
	}
	if same {
		for k, was := range s.last.counts {
			if s.cells[k] < was {
				return false
			}
		}
		return true
	}
	now := make(map[storage.Slot]float64, len(s.buckets))
	for k, at := range s.buckets {
		now[at] = s.cells[k]
	}
	for k, was := range s.last.counts {
		if now[s.last.slots[k]] < was {
			return false
		}
	}
	return true
}

// confirm takes back that there was no reset where the histogram before, which is among the rows, says otherwise.
func confirm(h *storage.Histograms) {
	before := make([]int32, len(h.Schema)) // row of the histogram before the one in each row, -1 for none
	last, some := int32(-1), false
	for r := range h.Schema {
		before[r] = -1
		if h.Schema[r] == storage.AbsentSchema {
			continue
		}
		if h.Hint[r] == histogram.NotCounterReset && last >= 0 {
			before[r], some = last, true
		}
		last = int32(r)
	}
	if !some {
		return
	}
	for r, p := range before {
		if p >= 0 && (h.Schema[r] != h.Schema[p] || h.Integer[r] != h.Integer[p] || h.ZeroThreshold[r] != h.ZeroThreshold[p] ||
			h.Count[r] < h.Count[p] || h.ZeroCount[r] < h.ZeroCount[p] || h.Hint[p] == histogram.GaugeType ||
			!histogram.CustomBucketBoundsMatch(h.Bounds[r], h.Bounds[p])) {
			h.Hint[r], before[r] = histogram.UnknownCounterReset, -1
		}
	}
	for k := range h.Buckets {
		counts := h.Buckets[k].Counts
		for r, p := range before {
			if p < 0 {
				continue
			}
			if was := counts[p]; was > 0 && !(counts[r] >= was) { // absent is no number
				h.Hint[r], before[r] = histogram.UnknownCounterReset, -1
			}
		}
	}
}
