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

// equalBits tells whether two columns have the same bits.
func equalBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}
