package block

import (
	"encoding/binary"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/tsdb/chunk"
)

// The buckets of a histogram are stored as differences to the next lower one, and a column that differs from
// another by one number as that number. To read a column one may so have to decode others first: maxChain with
// itself, at most. Who reads one bucket after the other finds the one below still decoded.
const (
	maxChain = 8 // columns to decode for one, at most
	recent   = 8 // decoded columns of chains that are kept
)

// scratch is what decoding needs.
type scratch struct {
	dec  chunk.Decoder
	vals [chunk.MaxRows]float64
	sets labels.ScratchBuilder

	kept [recent]keptColumn
	next int
}

// keptColumn is a decoded column.
type keptColumn struct {
	start uint64 // of the columns of its block
	slot  uint32
	used  bool
	vals  []float64
}

// find returns the decoded column of a slot of the block whose columns begin at start, nil if it is not kept.
func (d *scratch) find(start uint64, slot uint32) []float64 {
	for i := range d.kept {
		if k := &d.kept[i]; k.used && k.slot == slot && k.start == start {
			return k.vals
		}
	}
	return nil
}

// keep gives room for a column, whatever was there but lower. It is found once used is set.
func (d *scratch) keep(start uint64, slot uint32, rows int, lower []float64) *keptColumn {
	k := &d.kept[d.next]
	if len(lower) > 0 && len(k.vals) > 0 && &k.vals[0] == &lower[0] {
		d.next = (d.next + 1) % recent
		k = &d.kept[d.next]
	}
	d.next = (d.next + 1) % recent
	if k.vals == nil {
		k.vals = make([]float64, chunk.MaxRows)
	}
	k.start, k.slot, k.used = start, slot, false
	k.vals = k.vals[:rows]
	return k
}

// decode decodes the column of a slot, which is not empty, into dst, all rows of the block.
func (c *columns) decode(d *scratch, s *span, slot uint32, dst []float64) error {
	var cols [maxChain][]byte
	var slots [maxChain]uint32
	var lower []float64
	n := 0 // columns on the way down
	for next := slot; ; {
		at, col, further, err := c.column(s, next)
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
		cols[n], slots[n] = col, at
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
		k := d.keep(s.start, slots[n], s.rows, lower)
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
// and how much further the slot is that they are the difference to, 0 if they stand alone.
func (c *columns) column(s *span, slot uint32) (at uint32, col []byte, further int64, err error) {
	for range 2 {
		off, e := s.place(slot)
		col, err := c.b.data.Slice(s.start+off, uint64(e.length))
		if err != nil {
			return 0, nil, 0, err
		}
		if len(col) == 0 || off+uint64(e.length) > s.dir-s.start {
			break
		}
		switch e.kind {
		case asIs:
			if t, err := chunk.Stats(col); err != nil || t.Chained {
				return 0, nil, 0, c.b.data.corrupt("slot %d of the block at %d is no column that stands alone", slot, s.start)
			}
			return slot, col, 0, nil
		case aboveOf:
			further, k := binary.Varint(col)
			if to := int64(slot) + further; k > 0 && further != 0 && to >= 0 && to < int64(s.slots) {
				return slot, col[k:], further, nil
			}
		case sameAs:
			if to, k := binary.Uvarint(col); k == len(col) && to < uint64(slot) {
				slot = uint32(to)
				continue
			}
		}
		break
	}
	return 0, nil, 0, c.b.data.corrupt("slot %d of the block at %d refers to no column", slot, s.start)
}
