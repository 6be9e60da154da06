package block

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// none stands for no slot.
const none = -1

// buckets finds the classic histograms on a shelf in order. below is for each slot that of the next lower bucket;
// order is an order of the slots in which that comes right before.
func buckets(s *shelf) (order, below []int32) {
	type bucket struct {
		slot int32
		le   float64
	}
	histograms := map[string]int{}
	var all [][]bucket
	order, below = make([]int32, 0, len(s.series)), make([]int32, len(s.series))
	var key []byte
	for i := range s.series {
		below[i] = none
		own := s.series[i].own
		le, err := strconv.ParseFloat(own.Get("le"), 64)
		if err != nil || le != le {
			order = append(order, int32(i))
			continue
		}
		key = own.BytesWithoutLabels(key[:0], "le")
		at, ok := histograms[string(key)]
		if !ok {
			at = len(all)
			histograms[string(key)] = at
			all = append(all, nil)
		}
		all[at] = append(all[at], bucket{int32(i), le})
	}
	for _, h := range all {
		slices.SortStableFunc(h, func(a, b bucket) int { return cmp.Compare(a.le, b.le) })
		for k, b := range h {
			order = append(order, b.slot)
			if k > 0 {
				below[b.slot] = h[k-1].slot
			}
		}
	}
	return order, below
}

// printRows is how many rows a fingerprint is of.
const printRows = 64

// fingerprints appends a hash of the differences from row to row for each 64 rows in which there are any. Columns
// that are equal, or differ by one number for a while, have some in common.
func fingerprints(dst []uint64, vals []float64) []uint64 {
	const k1, k2 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f
	prev := vals[0]
	for lo := 0; lo < len(vals); lo += printRows {
		h, changed := uint64(lo), uint64(0)
		for _, v := range vals[lo:min(lo+printRows, len(vals))] {
			d := math.Float64bits(v - prev)
			changed |= d
			h = bits.RotateLeft64(h^d*k1, 29) * k2
			prev = v
		}
		if changed != 0 {
			dst = append(dst, h)
		}
	}
	return dst
}

// alike returns the slot of the block under way that has most fingerprints in common with w.prints, none if no one
// has any.
func (w *Writer) alike() int32 {
	best, most := int32(none), 0
	counts := w.counts
	clear(counts)
	for _, p := range w.prints {
		if i, ok := w.distinct[p]; ok {
			counts[i]++
			if counts[i] > most {
				best, most = i, counts[i]
			}
		}
	}
	return best
}

const (
	traceRows = 32 // rows whose changes are a column's trace
	traces    = 32 // that are compared with; neighbours in order of labels have most in common
	traceGain = 8  // one part in so many of the bits of the changes is what a difference must save
)

// trace is by how much more or less than mostly a column changes in some rows.
type trace struct {
	slot int32
	d    [traceRows]float64
}

// moving returns the slot of the block under way to whose column that of slot i has the least difference, or the least sum,
// judged by some of their changes; none if no one saves much. Then it remembers the column.
func (w *Writer) moving(i int32, vals []float64) (slot int32, opposite bool) {
	if len(vals) < 4*traceRows {
		return none, false
	}
	t := trace{slot: i}
	for k := range t.d {
		r := 1 + k*(len(vals)-1)/traceRows
		t.d[k] = vals[r] - vals[r-1]
	}
	sorted := t.d
	slices.Sort(sorted[:])
	unit, own := ^uint64(0), 0
	for k := range t.d {
		if t.d[k] -= sorted[traceRows/2]; t.d[k] != 0 {
			unit = min(unit, magnitude(t.d[k]))
		}
	}
	for _, d := range t.d {
		own += digits(d, unit)
	}
	best, most := int32(none), own/traceGain
	for n := range w.traces {
		o := &w.traces[n]
		differ, add := 0, 0
		for k, d := range t.d {
			differ += digits(d-o.d[k], unit)
			add += digits(d+o.d[k], unit)
		}
		if own-differ > most {
			best, opposite, most = o.slot, false, own-differ
		}
		if own-add > most {
			best, opposite, most = o.slot, true, own-add
		}
	}
	if len(w.traces) < traces {
		w.traces = append(w.traces, t)
	} else {
		w.traces[w.oldest] = t
		w.oldest = (w.oldest + 1) % traces
	}
	return best, opposite
}

// magnitude returns the exponent of a float.
func magnitude(v float64) uint64 { return math.Float64bits(v) >> 52 & 0x7ff }

// digits returns about how many bits a change takes in units of a magnitude; a NaN takes many.
func digits(d float64, unit uint64) int {
	m := magnitude(d)
	if m < unit {
		return 0
	}
	return int(m-unit) + 2
}

// equalBits tells whether two columns have the same bits.
func equalBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}
