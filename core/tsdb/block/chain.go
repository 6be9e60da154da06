package block

import (
	"encoding/binary"

	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// The buckets of a histogram are stored as differences to the next lower one, and a column that moves like another
// one as the difference to that. To read a column one may so have to decode others first. Who reads one bucket after
// the other mostly finds the one below still decoded.
const (
	maxChain   = 8 // columns that a reader decodes for one, at most
	writeChain = 4 // that the writer makes it decode: eight would take 5 percent less for histograms and twice the time
	keptBits   = 7 // of the number of decoded columns that a reader keeps, of 8 KB each
)

// scratch is what decoding needs.
type scratch struct {
	dec    chunk.Decoder
	vals   [chunk.MaxRows]float64
	joiner index.Joiner

	kept  [1 << keptBits]keptColumn
	lower [chunk.MaxRows]float64
}

// keptColumn is a decoded column.
type keptColumn struct {
	start uint64 // of the columns of its block
	slot  uint32
	used  bool
	vals  []float64
}

// place returns where the decoded column of a slot is kept, if it is: what was there before goes.
func (d *scratch) place(start uint64, slot uint32) *keptColumn {
	h := (start<<20 ^ uint64(slot)) * 0x9e3779b97f4a7c15
	return &d.kept[h>>(64-keptBits)]
}

// find returns the decoded column of a slot of the block whose columns begin at start, nil if it is not kept.
func (d *scratch) find(start uint64, slot uint32) []float64 {
	if k := d.place(start, slot); k.used && k.slot == slot && k.start == start {
		return k.vals
	}
	return nil
}

// decode decodes the column of a slot, which is not empty, into dst, all rows of the block.
func (c *columns) decode(d *scratch, s *span, slot uint32, dst []float64) error {
	var cols [maxChain][]byte
	var slots [maxChain]uint32
	var opposite [maxChain]bool
	var lower []float64
	n := 0 // columns on the way down
	for next := slot; ; {
		at, col, further, mirrored, err := c.column(s, next)
		if err != nil {
			return err
		}
		if n > 0 || further != 0 {
			if lower = d.find(s.start, at); lower != nil {
				break
			}
		}
		if n == maxChain {
			return c.b.data.corrupt("slot %d of the block at %d is at the end of a long chain", slot, s.start)
		}
		cols[n], slots[n], opposite[n] = col, at, mirrored
		n++
		if further == 0 {
			break
		}
		next = uint32(int64(at) + further)
	}
	if n == 1 && lower == nil { // stands alone
		return c.undo(d.dec.Decode(dst, cols[0]), s, slot)
	}
	if n == 0 {
		copy(dst, lower)
		return nil
	}
	for n--; n >= 0; n-- {
		k := d.place(s.start, slots[n])
		if k.vals == nil {
			k.vals = make([]float64, chunk.MaxRows)
		}
		if len(lower) > 0 && &k.vals[0] == &lower[0] { // it must not be decoded over what it is the difference to
			lower = append(d.lower[:0], lower...)
		}
		if opposite[n] {
			lower = append(d.lower[:0], lower...)
			negate(lower)
		}
		k.vals, k.start, k.slot, k.used = k.vals[:s.rows], s.start, slots[n], false
		if err := c.undo(d.dec.DecodeAbove(k.vals, lower, cols[n]), s, slots[n]); err != nil {
			return err
		}
		k.used = true
		lower = k.vals
	}
	copy(dst, lower)
	return nil
}

// undo tells where a column is that does not decode.
func (c *columns) undo(err error, s *span, slot uint32) error {
	if err == nil {
		return nil
	}
	return c.b.data.corrupt("slot %d of the block at %d: %v", slot, s.start, err)
}

// column returns the bytes of a slot's column, following a reference to an equal one, the slot that these are of,
// and how much further the slot is that they are the difference to, 0 if they stand alone, perhaps with the other sign.
func (c *columns) column(s *span, slot uint32) (at uint32, col []byte, further int64, opposite bool, err error) {
	for range 2 {
		off, e := s.place(slot)
		col, err := c.b.data.Slice(s.start+off, uint64(e.length))
		if err != nil {
			return 0, nil, 0, false, err
		}
		if len(col) == 0 || off+uint64(e.length) > s.dir-s.start {
			break
		}
		switch e.kind {
		case asIs:
			if t, err := chunk.Stats(col); err != nil || t.Chained {
				return 0, nil, 0, false, c.b.data.corrupt("slot %d of the block at %d is no column that stands alone", slot, s.start)
			}
			return slot, col, 0, false, nil
		case aboveOf, belowOf:
			further, k := binary.Varint(col)
			if to := int64(slot) + further; k > 0 && further != 0 && to >= 0 && to < int64(s.slots) {
				return slot, col[k:], further, e.kind == belowOf, nil
			}
		case sameAs:
			if to, k := binary.Uvarint(col); k == len(col) && to < uint64(slot) {
				slot = uint32(to)
				continue
			}
		}
		break
	}
	return 0, nil, 0, false, c.b.data.corrupt("slot %d of the block at %d refers to no column", slot, s.start)
}
