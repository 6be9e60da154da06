package block

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// span is a block of a group's rows as a selection sees it: its rows lo..hi-1 are the selection's from at on.
type span struct {
	blockRecord
	directory  []byte
	slots      uint32 // of the group
	lo, hi, at int
}

// columns implements storage.Columns over the series slots of a group. Times and labels are decoded, values
// are not.
type columns struct {
	b     *Block
	g     index.Group
	slots []uint32
	own   []labels.Labels
	full  []atomic.Pointer[[labelBatch]labels.Labels] // of so many series each, once one of them was asked for
	spans []span
	ts    []int64
}

// size returns about how many bytes the selection takes.
func (c *columns) size() int {
	const self, perSeries, perSpan = 300, 32, 128
	return self + perSeries*len(c.slots) + perSpan*cap(c.spans) + 8*cap(c.ts)
}

// labelBatch is how many full label sets are made at once and lie together in memory: few enough that one that is
// kept for long does not keep much else.
const labelBatch = 16

// columns returns the series in the given slots, in ascending order, that have samples in mint..maxt; nil if
// none has. It keeps and changes slots.
func (b *Block) columns(g index.Group, slots []uint32, mint, maxt int64) (*columns, error) {
	c := &columns{b: b, g: g}
	records, err := b.records(g)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.maxt < mint || r.mint > maxt {
			continue
		}
		if err := c.add(r, mint, maxt); err != nil {
			return nil, err
		}
	}
	kept := slots[:0]
	at, near := make([]strideOf, len(c.spans)), uint32(math.MaxUint32)
	for _, s := range slots {
		if s/stride != near {
			near = s / stride
			for k := range at {
				at[k] = c.spans[k].strideAt(s)
			}
		}
		some, err := c.present(s, at)
		if err != nil {
			return nil, err
		}
		if some {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	c.slots = kept
	c.own = make([]labels.Labels, len(kept))
	c.full = make([]atomic.Pointer[[labelBatch]labels.Labels], (len(kept)+labelBatch-1)/labelBatch)
	for i, s := range kept {
		if c.own[i], err = b.index.Own(&c.g, s); err != nil {
			return nil, b.indexError(err)
		}
	}
	return c, nil
}

// add adds the rows of a block that are in mint..maxt.
func (c *columns) add(r blockRecord, mint, maxt int64) error {
	s := span{blockRecord: r, slots: c.g.Len, at: len(c.ts)}
	var err error
	if s.directory, err = c.b.data.Slice(r.dir, r.dirLen); err != nil {
		return err
	}
	if !checkDirectory(s.directory, s.slots) {
		return c.b.data.corrupt("the directory of %d slots at %d", s.slots, r.dir)
	}
	enc, err := c.b.data.Slice(r.times, r.timesLen)
	if err != nil {
		return err
	}
	c.ts = slices.Grow(c.ts, r.rows)[:s.at+r.rows]
	ts := c.ts[s.at:]
	if err := chunk.DecodeTimes(ts, enc); err != nil {
		return c.b.data.corrupt("times at %d: %v", r.times, err)
	}
	if ts[0] != r.mint || ts[r.rows-1] != r.maxt || s.at > 0 && c.ts[s.at-1] >= ts[0] {
		return c.b.data.corrupt("times at %d are not those of their block", r.times)
	}
	for i := 1; i < len(ts); i++ {
		if ts[i] <= ts[i-1] {
			return c.b.data.corrupt("times at %d do not ascend", r.times)
		}
	}
	s.lo = sort.Search(r.rows, func(i int) bool { return ts[i] >= mint })
	s.hi = sort.Search(r.rows, func(i int) bool { return ts[i] > maxt })
	c.ts = c.ts[:s.at+copy(ts, ts[s.lo:s.hi])]
	if s.hi > s.lo {
		c.spans = append(c.spans, s)
	}
	return nil
}

// present tells whether the slot, whose strides are at, has a sample in the selection. It decodes only where the
// selection has a part of a block's rows and the slot does not have all.
func (c *columns) present(slot uint32, at []strideOf) (bool, error) {
	unsure := false
	for i := range c.spans {
		s := &c.spans[i]
		switch e := at[i].entry(uint(slot % stride)); {
		case e.length == 0:
		case s.hi-s.lo == s.rows || e.dense:
			return true, nil
		default:
			unsure = true
		}
	}
	if !unsure {
		return false, nil
	}
	d := c.b.decs.Get().(*scratch)
	defer c.b.decs.Put(d)
	for i := range c.spans {
		s := &c.spans[i]
		if s.entry(slot).length == 0 {
			continue
		}
		if err := c.decode(d, s, slot, d.vals[:s.rows]); err != nil {
			return false, err
		}
		if slices.ContainsFunc(d.vals[s.lo:s.hi], func(v float64) bool { return !storage.IsAbsent(v) }) {
			return true, nil
		}
	}
	return false, nil
}

// Common implements storage.Columns.
func (c *columns) Common() labels.Labels { return c.g.Common }

// Own returns the labels of series i that are not common, as index.Own gives them.
func (c *columns) Own(i int) labels.Labels { return c.own[i] }

// OwnNames returns the sorted names that own labels of the group's series have.
func (c *columns) OwnNames() []string { return c.g.OwnNames }

// MayHave tells whether a series may have a label of that name.
func (c *columns) MayHave(name string) bool {
	return slices.Contains(c.g.OwnNames, name) || c.g.Common.Has(name)
}

// Len implements storage.Columns.
func (c *columns) Len() int { return len(c.slots) }

// Labels implements storage.Columns.
func (c *columns) Labels(i int) labels.Labels {
	batch := &c.full[i/labelBatch]
	if sets := batch.Load(); sets != nil {
		return sets[i%labelBatch]
	}
	d := c.b.decs.Get().(*scratch)
	defer c.b.decs.Put(d)
	lo := i - i%labelBatch
	own := c.own[lo:min(lo+labelBatch, len(c.own))]
	sets := new([labelBatch]labels.Labels)
	d.joiner.Reset(c.g.Common, own)
	for k, o := range own {
		sets[k] = d.joiner.Full(o)
	}
	batch.Store(sets)
	return sets[i%labelBatch]
}

// Times implements storage.Columns.
func (c *columns) Times() []int64 { return c.ts }

// Rows implements storage.Columns; the bounds are exact to a block.
func (c *columns) Rows(i int) (lo, hi int) {
	lo = -1
	for k := range c.spans {
		s := &c.spans[k]
		if s.entry(c.slots[i]).length == 0 {
			continue
		}
		if lo < 0 {
			lo = s.at
		}
		hi = s.at + s.hi - s.lo
	}
	return max(lo, 0), hi
}

// Complete tells whether series i has a sample in every row, as far as that is known without decoding.
func (c *columns) Complete(i int) bool {
	for k := range c.spans {
		if e := c.spans[k].entry(c.slots[i]); e.length == 0 || !e.dense {
			return false
		}
	}
	return true
}

// Values implements storage.Columns.
func (c *columns) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	if i < 0 || i >= len(c.slots) || lo < 0 || hi > len(c.ts) || lo > hi {
		return nil, fmt.Errorf("rows %d to %d of series %d: there are %d rows of %d series", lo, hi, i, len(c.ts), len(c.slots))
	}
	dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
	d := c.b.decs.Get().(*scratch)
	defer c.b.decs.Put(d)
	slot := c.slots[i]
	k := sort.Search(len(c.spans), func(k int) bool { return c.spans[k].at+c.spans[k].hi-c.spans[k].lo > lo })
	for ; k < len(c.spans) && c.spans[k].at < hi; k++ {
		s := &c.spans[k]
		a, z := max(lo, s.at), min(hi, s.at+s.hi-s.lo)
		part := dst[a-lo : z-lo]
		switch {
		case s.entry(slot).length == 0:
			for r := range part {
				part[r] = storage.Absent
			}
		case len(part) == s.rows:
			if err := c.decode(d, s, slot, part); err != nil {
				return nil, err
			}
		default:
			vals := d.vals[:s.rows]
			if err := c.decode(d, s, slot, vals); err != nil {
				return nil, err
			}
			copy(part, vals[s.lo+a-s.at:])
		}
	}
	return dst, nil
}

// Runs implements storage.StatisticsColumns: a run is a block's rows.
func (c *columns) Runs(i, lo, hi int, dst []storage.Run) ([]storage.Run, error) {
	slot := c.slots[i]
	k := sort.Search(len(c.spans), func(k int) bool { return c.spans[k].at+c.spans[k].hi-c.spans[k].lo > lo })
	for ; k < len(c.spans) && c.spans[k].at < hi; k++ {
		s := &c.spans[k]
		run := storage.Run{Lo: max(lo, s.at), Hi: min(hi, s.at+s.hi-s.lo)}
		switch e := s.entry(slot); {
		case e.length == 0:
			run.Constant, run.Value = true, storage.Absent
		case e.dense: // else there is a NaN at least, which says that there is no sample
			_, col, _, _, err := c.column(s, slot)
			if err != nil {
				return nil, err
			}
			t, err := chunk.Stats(col)
			if err != nil {
				return nil, c.undo(err, s, slot)
			}
			run.Dense, run.Constant, run.Value = t.Dense, t.Constant, t.Value
		}
		dst = append(dst, run)
	}
	return dst, nil
}
