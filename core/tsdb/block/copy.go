package block

import (
	"encoding/binary"
	"sort"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
)

// Blocks that are long enough are not encoded anew when parts are merged: a part of many days consists of the blocks of
// its days. Columns go over byte by byte; what names other slots is told their new places.

// copiedRows is how many rows a block has at least that is good enough for any part: a day of minutes is one of 1024 and
// one of 416.
const copiedRows = chunk.MaxRows * 3 / 8

// Stored is implemented by selections of parts, and by what is made of them without a change.
type Stored interface {
	// Stored returns the selection of one part that has row r of series i, and which series and row that is there. It is nil
	// if there is none, or if another one may have that row, too.
	Stored(i, r int) (c storage.Columns, series, row int)
}

// Stored implements Stored.
func (c *columns) Stored(i, r int) (storage.Columns, int, int) { return c, i, r }

// origin is the block of a part that rows of a series come from.
type origin struct {
	c    *columns
	s    *span
	slot uint32
}

// origin returns where row r of a series on the shelf comes from, and the first row after that block. It is whole if the
// block begins there and can be copied as it is.
func (w *Writer) origin(s *shelf, i, r int) (o origin, next int, whole bool) {
	it := &s.series[i]
	from, ok := it.from.(Stored)
	if !ok || it.rows != nil {
		return o, r, false
	}
	c, series, row := from.Stored(it.i, r)
	if o.c, ok = c.(*columns); !ok {
		return o, r, false
	}
	spans := o.c.spans
	k := sort.Search(len(spans), func(k int) bool { return spans[k].at+spans[k].hi-spans[k].lo > row })
	o.s, o.slot = &spans[k], o.c.slots[series]
	next = r + o.s.at + o.s.hi - o.s.lo - row
	whole = o.s.at == row && o.s.hi-o.s.lo == o.s.rows && o.s.rows >= copiedRows && (o.c.b.meta.Archived() || !w.enc.Entropy)
	return o, next, whole
}

// cut returns where the block that begins at row lo ends, and the block that it is to be a copy of, if it is.
func (w *Writer) cut(s *shelf, lo int) (hi int, of *span) {
	o, next, whole := w.origin(s, 0, lo)
	if whole {
		return next, o.s
	}
	end := min(lo+chunk.MaxRows, len(s.times))
	for r := next; r > lo && r < end; { // the next one may be copied
		_, next, whole := w.origin(s, 0, r)
		if whole {
			return r, nil
		}
		if next == r {
			break
		}
		r = next
	}
	return end, nil
}

// copyBlock writes the rows lo..hi-1 of a group, which are those of a block of another part. Series that come from elsewhere,
// or need a column that is not among them, are encoded.
func (w *Writer) copyBlock(s *shelf, lo, hi int, of *span) (blockRecord, error) {
	w.begin(s)
	slots := make(map[uint32]int32, len(s.series)) // by those of the block
	origins := make([]origin, len(s.series))
	for i := range s.series {
		if o, _, whole := w.origin(s, i, lo); whole && o.s == of {
			origins[i], slots[o.slot] = o, int32(i)
		}
	}
	for i := range s.series {
		c := &w.placed[i]
		*c = column{at: len(w.cols), is: int32(i)}
		copied := false
		if o := origins[i]; o.s != nil {
			e := o.s.entry(o.slot)
			if e.length == 0 {
				continue
			}
			var err error
			if copied, err = w.copyColumn(o, int32(i), slots); err != nil {
				return blockRecord{}, err
			}
			if copied && e.dense {
				c.entry = entry{uint16(len(w.cols) - c.at), e.kind, true}
				w.meta.Samples += int64(hi - lo)
				continue
			}
		}
		vals, err := s.values(i, lo, hi, w.vals)
		if err != nil {
			return blockRecord{}, err
		}
		w.vals = vals
		some := count(vals)
		w.meta.Samples += some
		switch {
		case copied:
			c.kind = origins[i].s.entry(origins[i].slot).kind
		case some > 0:
			w.cols = w.enc.Encode(w.cols, vals)
		}
		c.dense, c.length = int(some) == len(vals), uint16(len(w.cols)-c.at)
	}
	return w.end(s.times[lo:hi])
}

// copyColumn appends the bytes of a column to w.cols, as those of slot i. It does nothing if the column needs another one
// that has no slot.
func (w *Writer) copyColumn(o origin, i int32, slots map[uint32]int32) (bool, error) {
	off, e := o.s.place(o.slot)
	col, err := o.c.b.data.Slice(o.s.start+off, uint64(e.length))
	if err != nil {
		return false, err
	}
	switch e.kind {
	case asIs:
		w.cols = append(w.cols, col...)
		return true, nil
	case sameAs:
		to, _ := binary.Uvarint(col)
		if to, ok := slots[uint32(to)]; ok && to < i {
			w.cols = binary.AppendUvarint(w.cols, uint64(to))
			return true, nil
		}
	case aboveOf, belowOf:
		further, k := binary.Varint(col)
		if to, ok := slots[uint32(int64(o.slot)+further)]; ok && k > 0 {
			w.cols = append(binary.AppendVarint(w.cols, int64(to)-int64(i)), col[k:]...)
			return true, nil
		}
	}
	return false, nil
}
