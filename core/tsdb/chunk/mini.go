package chunk

import (
	"encoding/binary"
	"math/bits"
)

// miniRows is how many residuals share a base and a width.
const miniRows = 128

const (
	miniPatched  = 1 << 7 // of the first byte of a mini: patches follow the packed bits
	maxOutliers  = 4      // patched values of a mini, at most
	minPatchCost = 16     // bits of a patch, at least
)

// mini is the plan for up to miniRows residuals: each is base + field + high<<width, where the fields have width
// bits, and only patched residuals, few of them, have a high part other than 0.
type mini struct {
	base    int64
	width   int
	patched bool
}

// planMini finds the cheapest plan for r and the bytes it takes.
func planMini(r []int64) (m mini, size int) {
	lo, hi := r[0], r[0]
	for _, v := range r {
		lo, hi = min(lo, v), max(hi, v)
	}
	w := bits.Len64(uint64(hi) - uint64(lo))
	m = mini{base: lo, width: w}
	size = 1 + uvarintLen(zigzag(lo)) + packedLen(len(r), w)
	if w <= 2 || len(r) < 8 || !hasOutliers(r, lo, w) {
		return m, size
	}
	return planPatched(r, m, size)
}

// hasOutliers tells whether all but maxOutliers of r may fit in fields narrower than w bits. It counts the values in
// sixteenths of 2^w, eight counters of a byte to a word, without a branch: half of that, wherever it begins,
// touches nine of them. A small range is counted value by value.
func hasOutliers(r []int64, lo int64, w int) bool {
	shift := max(w-4, 0)
	var low, high uint64
	for _, v := range r {
		at := (uint64(v) - uint64(lo)) >> shift * 8
		low += 1 << at
		high += 1 << (at - 64)
	}
	var counts [16]int
	for i := range 8 {
		counts[i], counts[8+i] = int(low>>(8*i)&255), int(high>>(8*i)&255)
	}
	half, window := 9, 0
	if shift == 0 {
		half = 1 << (w - 1)
	}
	for i, c := range counts {
		window += c
		if i >= half {
			window -= counts[i-half]
		}
		if window >= len(r)-maxOutliers {
			return true
		}
	}
	return false
}

// planPatched looks for a cheaper plan in which up to maxOutliers residuals at either end are patched.
func planPatched(r []int64, best mini, size int) (mini, int) {
	var low, high [maxOutliers + 1]int64 // the least ascending, the greatest descending
	for i := range low {
		low[i], high[i] = int64(^uint64(0)>>1), -1<<63
	}
	for _, v := range r {
		if v < low[maxOutliers] {
			j := maxOutliers
			for ; j > 0 && low[j-1] > v; j-- {
				low[j] = low[j-1]
			}
			low[j] = v
		}
		if v > high[maxOutliers] {
			j := maxOutliers
			for ; j > 0 && high[j-1] < v; j-- {
				high[j] = high[j-1]
			}
			high[j] = v
		}
	}
	full := best.width
	for i := 0; i <= maxOutliers; i++ {
		for j := 0; i+j <= maxOutliers; j++ {
			w := bits.Len64(uint64(high[j]) - uint64(low[i]))
			if i+j == 0 || (full-w)*len(r) < (i+j)*minPatchCost {
				continue
			}
			base := low[i]
			s := 2 + uvarintLen(zigzag(base)) + packedLen(len(r), w)
			for _, v := range low[:i] {
				s += patchLen(v, base, w)
			}
			for _, v := range high[:j] {
				s += patchLen(v, base, w)
			}
			if s < size {
				best, size = mini{base: base, width: w, patched: true}, s
			}
		}
	}
	return best, size
}

// patchLen returns the bytes of the patch that v needs, 0 if it needs none.
func patchLen(v, base int64, w int) int {
	high := (v - base) >> w
	if high == 0 {
		return 0
	}
	return 1 + uvarintLen(zigzag(high))
}

// planMinis plans all of r and returns the bytes; it stops when these are limit or more. The plans stay valid until
// the next call with the same buffer.
func planMinis(buf []mini, r []int64, limit int) (plans []mini, size int) {
	plans = buf[:0]
	for len(r) > 0 && size < limit {
		n := min(miniRows, len(r))
		m, s := planMini(r[:n])
		r = r[n:]
		plans = append(plans, m)
		size += s
	}
	return plans, size
}

// appendMinis appends r as planned.
func appendMinis(dst []byte, plans []mini, r []int64) []byte {
	for _, m := range plans {
		n := min(miniRows, len(r))
		dst = m.append(dst, r[:n])
		r = r[n:]
	}
	return dst
}

func (m mini) append(dst []byte, r []int64) []byte {
	first := byte(m.width)
	if m.patched {
		first |= miniPatched
	}
	dst = append(dst, first)
	dst = binary.AppendVarint(dst, m.base)
	dst = appendPacked(dst, r, m.base, m.width)
	if !m.patched {
		return dst
	}
	count := len(dst)
	dst = append(dst, 0)
	for i, v := range r {
		if high := (v - m.base) >> m.width; high != 0 {
			dst[count]++
			dst = append(dst, byte(i))
			dst = binary.AppendVarint(dst, high)
		}
	}
	return dst
}

// readMini reads what comes before the patches of a mini of n residuals: its plan and its fields.
func readMini(r *reader, n int) (m mini, fields []byte, err error) {
	first := r.byte()
	m = mini{width: int(first &^ miniPatched), patched: first&miniPatched != 0}
	if m.width > 64 || m.width == 64 && m.patched {
		return m, nil, corrupt("fields of %d bits", m.width)
	}
	m.base = r.varint()
	fields = r.take(packedLen(n, m.width))
	if r.short {
		return m, nil, corrupt("packed run cut short")
	}
	return m, fields, nil
}

// readPatches adds the high parts of the patched residuals of a mini to its unpacked fields.
func readPatches(r *reader, m mini, fields []int64) error {
	next := 0
	for k := r.byte(); k > 0; k-- {
		i := int(r.byte())
		high := r.varint()
		if r.short || i < next || i >= len(fields) {
			return corrupt("patch %d of a run of %d", i, len(fields))
		}
		fields[i] += high << m.width
		next = i + 1
	}
	return nil
}

// unpack fills out with the residuals of the mini less the base: its fields and, read from r, its patches.
func (m mini) unpack(r *reader, fields []byte, out []int64) error {
	unpackAll(m.width, fields, out)
	if m.patched {
		return readPatches(r, m, out)
	}
	return nil
}

// readFields reads one mini into out: its residuals less the base, which is returned.
func readFields(r *reader, out []int64) (base int64, err error) {
	m, fields, err := readMini(r, len(out))
	if err != nil {
		return 0, err
	}
	return m.base, m.unpack(r, fields, out)
}
