package chunk

import (
	"encoding/binary"
	"math/bits"
)

// fewChanges is the count below which a sparse body holds varints rather than packed fields.
const fewChanges = 4

// sparseShape is how wide the fields of a sparse body are. A gap counts the rows without change before one.
type sparseShape struct {
	gap, value int   // bits
	least      int64 // difference, that the value fields add to
}

func shapeOf(d []int64) sparseShape {
	lo, hi := int64(^uint64(0)>>1), int64(-1<<63)
	gap, last := 0, 0
	for i, v := range d {
		if v != 0 {
			gap = max(gap, i-last-1)
			lo, hi = min(lo, v), max(hi, v)
			last = i
		}
	}
	return sparseShape{gap: bits.Len(uint(gap)), value: bits.Len64(uint64(hi) - uint64(lo)), least: lo}
}

// sparseLen returns the bytes of the sparse body of the differences d, of which changes are not 0.
func sparseLen(d []int64, changes int) int {
	if changes < fewChanges {
		size, last := 1, 0
		for i, v := range d {
			if v != 0 {
				size += uvarintLen(uint64(i-last-1)) + uvarintLen(zigzag(v))
				last = i
			}
		}
		return size
	}
	s := shapeOf(d)
	return uvarintLen(uint64(changes)) + 2 + uvarintLen(zigzag(s.least)) +
		packedLen(changes, s.gap) + packedLen(changes, s.value)
}

// appendSparse appends where and by how much the integers change.
func appendSparse(dst []byte, d []int64, changes int) []byte {
	dst = binary.AppendUvarint(dst, uint64(changes))
	var gaps, values [MaxRows]int64
	k, last := 0, 0
	for i, v := range d {
		if v == 0 {
			continue
		}
		gap := i - last - 1
		last = i
		if changes < fewChanges {
			dst = binary.AppendUvarint(dst, uint64(gap))
			dst = binary.AppendVarint(dst, v)
			continue
		}
		gaps[k], values[k] = int64(gap), v
		k++
	}
	if changes < fewChanges {
		return dst
	}
	s := shapeOf(d)
	dst = append(dst, byte(s.gap), byte(s.value))
	dst = binary.AppendVarint(dst, s.least)
	dst = appendPacked(dst, gaps[:k], 0, s.gap)
	return appendPacked(dst, values[:k], s.least, s.value)
}

// readSparse fills dst from a sparse body: runs of one value.
func readSparse(dst []float64, s *sequence, dom *domain, r *reader) error {
	changes := r.uvarint()
	if changes == 0 || changes >= uint64(len(dst)) {
		return corrupt("%d changes in %d rows", changes, len(dst))
	}
	n := int(changes)
	shape := sparseShape{}
	var gaps, values bitReader
	if n >= fewChanges {
		shape.gap, shape.value = int(r.byte()), int(r.byte())
		if shape.gap > 10 || shape.value > 64 {
			return corrupt("sparse fields of %d and %d bits", shape.gap, shape.value)
		}
		shape.least = r.varint()
		gaps.b = r.take(packedLen(n, shape.gap))
		values.b = r.take(packedLen(n, shape.value))
		if r.short {
			return corrupt("sparse changes cut short")
		}
	}
	x, row := s.start, 0 // dst[:row] is done
	for range n {
		var gap uint64
		var d int64
		if n < fewChanges {
			gap, d = r.uvarint(), r.varint()
		} else {
			gap, d = gaps.next(shape.gap), shape.least+int64(values.next(shape.value))
		}
		left := dst[row:]
		if gap+1 >= uint64(len(left)) || gap >= MaxRows || r.short {
			return corrupt("change after row %d of %d", row, len(dst))
		}
		fill(left[:gap+1], dom.value(x))
		row += int(gap) + 1
		x += s.g * d
	}
	fill(dst[row:], dom.value(x))
	return nil
}

func fill(dst []float64, v float64) {
	for i := range dst {
		dst[i] = v
	}
}
