package head

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// tileRange is the rows lo..hi-1 of a tile, which are the selection's rows from at on.
type tileRange struct {
	tile
	lo, hi, at int
}

// whole tells whether the selection has all rows of the tile.
func (t *tileRange) whole() bool { return t.hi-t.lo == t.rows }

// columns implements storage.Columns over a copy of the open rows and the sealed tiles, which never change.
type columns struct {
	h      *Head
	common labels.Labels
	own    []labels.Labels
	full   []labels.Labels // nil until they are asked for
	joined sync.Once
	names  []string
	slots  []uint32
	ts     []int64
	tiles  []tileRange
	open   int       // rows of the open tile: the last ones
	vals   []float64 // theirs, series by series
	rows   []rowRange
}

// size returns about how many bytes the selection takes.
func (c *columns) size() int {
	const self, perSeries, perTile = 400, 48, 128
	return self + perSeries*len(c.slots) + perTile*cap(c.tiles) + 8*(cap(c.ts)+cap(c.vals))
}

type rowRange struct{ lo, hi int32 }

// byLabels sorts what is selected of a group, of which nothing but labels is there yet.
type byLabels columns

func (c *byLabels) Len() int           { return len(c.slots) }
func (c *byLabels) Less(i, j int) bool { return labels.Compare(c.full[i], c.full[j]) < 0 }
func (c *byLabels) Swap(i, j int) {
	c.slots[i], c.slots[j] = c.slots[j], c.slots[i]
	c.own[i], c.own[j] = c.own[j], c.own[i]
	c.full[i], c.full[j] = c.full[j], c.full[i]
}

// take keeps those of a group's tiles that may have rows in mint..maxt.
func (c *columns) take(lease *Lease, tiles []tile, mint, maxt int64) {
	for len(tiles) > 0 && tiles[0].maxt < mint {
		tiles = tiles[1:]
	}
	for len(tiles) > 0 && tiles[len(tiles)-1].mint > maxt {
		tiles = tiles[:len(tiles)-1]
	}
	c.tiles = make([]tileRange, len(tiles))
	for i, t := range tiles {
		c.tiles[i].tile = t
		if i == 0 || t.file != tiles[i-1].file {
			lease.add(t.file)
		}
	}
}

// arrange decodes the times, and drops the series that have no sample.
func (c *columns) arrange(mint, maxt int64, openTimes []int64) error {
	rows := len(openTimes)
	for i := range c.tiles {
		rows += c.tiles[i].rows
	}
	c.ts = make([]int64, 0, rows)
	kept := c.tiles[:0]
	for _, t := range c.tiles {
		t.at = len(c.ts)
		ts := c.ts[t.at : t.at+t.rows]
		if err := t.times(ts); err != nil {
			return c.damaged(&t, err)
		}
		t.lo = sort.Search(t.rows, func(i int) bool { return ts[i] >= mint })
		t.hi = sort.Search(t.rows, func(i int) bool { return ts[i] > maxt })
		if t.lo == t.hi {
			continue
		}
		c.ts = c.ts[:t.at+copy(ts, ts[t.lo:t.hi])]
		kept = append(kept, t)
	}
	c.tiles = kept
	c.ts = append(c.ts, openTimes...)
	d := c.h.decs.Get().(*decoder)
	defer c.h.decs.Put(d)
	c.rows = make([]rowRange, 0, len(c.slots))
	n := 0
	for i := range c.slots {
		r, err := c.bounds(d, i)
		if err != nil {
			return err
		}
		if r.lo == r.hi {
			continue
		}
		if n < i {
			c.slots[n], c.own[n] = c.slots[i], c.own[i]
			if c.full != nil {
				c.full[n] = c.full[i]
			}
			copy(c.vals[n*c.open:(n+1)*c.open], c.vals[i*c.open:(i+1)*c.open])
		}
		c.rows = append(c.rows, r)
		n++
	}
	c.slots, c.own, c.vals = c.slots[:n], c.own[:n], c.vals[:n*c.open]
	return nil
}

// bounds returns rows outside of which series i has no sample. They are exact to a tile, and empty only if
// there is none at all.
func (c *columns) bounds(d *decoder, i int) (rowRange, error) {
	has := func(k int) bool { return len(c.tiles[k].column(c.slots[i])) > 0 }
	a, z := 0, len(c.tiles) // tiles outside of which there is nothing
	for a < z && !has(a) {
		a++
	}
	for z > a+1 && !has(z-1) {
		z--
	}
	first, last, sure := -1, 0, false
	if a < z {
		t := &c.tiles[z-1]
		first, last = c.tiles[a].at, t.at+t.hi-t.lo
		for k := a; k < z && !sure; k++ { // a column that is there has a sample
			sure = c.tiles[k].whole() && has(k)
		}
	}
	base := len(c.ts) - c.open
	for r, v := range c.vals[i*c.open : (i+1)*c.open] {
		if !storage.IsAbsent(v) {
			if first < 0 {
				first = base + r
			}
			last, sure = base+r+1, true
		}
	}
	if first < 0 {
		return rowRange{}, nil
	}
	for k := a; k < z && !sure; k++ {
		t := &c.tiles[k]
		if !has(k) {
			continue
		}
		_, vals, ok := d.decode(&t.tile, c.slots[i])
		if !ok {
			return rowRange{}, c.damaged(t, errTile)
		}
		sure = slices.ContainsFunc(vals[t.lo:t.hi], func(v float64) bool { return !storage.IsAbsent(v) })
	}
	if !sure {
		return rowRange{}, nil
	}
	return rowRange{int32(first), int32(last)}, nil
}

func (c *columns) damaged(t *tileRange, err error) error {
	where := "memory"
	if t.file != nil {
		where = t.file.name
	}
	return fmt.Errorf("tile of %d..%d in %s: %w", t.mint, t.maxt, where, err)
}

// Common implements storage.Columns.
func (c *columns) Common() labels.Labels { return c.common }

// Own returns the labels of series i that are not common, as index.Own gives them.
func (c *columns) Own(i int) labels.Labels { return c.own[i] }

// OwnNames returns the sorted names that own labels of the group's series have.
func (c *columns) OwnNames() []string { return c.names }

// MayHave tells whether a series may have a label of that name.
func (c *columns) MayHave(name string) bool {
	return slices.Contains(c.names, name) || c.common.Has(name)
}

// Len implements storage.Columns.
func (c *columns) Len() int { return len(c.slots) }

// Labels implements storage.Columns.
func (c *columns) Labels(i int) labels.Labels {
	c.joined.Do(c.join)
	return c.full[i]
}

// labelBatch is how many label sets lie together in memory: few enough that one that is kept for long does not keep
// much else.
const labelBatch = 16

// join makes the full label sets.
func (c *columns) join() {
	if c.full != nil {
		return
	}
	full := make([]labels.Labels, 0, len(c.own))
	d := c.h.decs.Get().(*decoder)
	defer c.h.decs.Put(d)
	for own := range slices.Chunk(c.own, labelBatch) {
		d.joiner.Reset(c.common, own)
		for _, ls := range own {
			full = append(full, d.joiner.Full(ls))
		}
	}
	c.full = full
}

// Times implements storage.Columns.
func (c *columns) Times() []int64 { return c.ts }

// Rows implements storage.Columns.
func (c *columns) Rows(i int) (lo, hi int) { return int(c.rows[i].lo), int(c.rows[i].hi) }

// Values implements storage.Columns.
func (c *columns) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	if lo < 0 || hi > len(c.ts) || lo > hi {
		return nil, fmt.Errorf("rows %d to %d of %d", lo, hi, len(c.ts))
	}
	dst = slices.Grow(dst[:0], hi-lo)[:hi-lo]
	base := len(c.ts) - c.open
	if lo < base {
		d := c.h.decs.Get().(*decoder)
		defer c.h.decs.Put(d)
		k := sort.Search(len(c.tiles), func(k int) bool { return c.tiles[k].at+c.tiles[k].hi-c.tiles[k].lo > lo })
		for ; k < len(c.tiles) && c.tiles[k].at < hi; k++ {
			t := &c.tiles[k]
			a, b := max(lo, t.at), min(hi, t.at+t.hi-t.lo)
			part := dst[a-lo : b-lo]
			col := t.column(c.slots[i])
			if len(col) == 0 {
				fillAbsent(part)
				continue
			}
			vals := part
			if len(part) < t.rows {
				d.vals = slices.Grow(d.vals[:0], t.rows)[:t.rows]
				vals = d.vals
			}
			if err := d.dec.Decode(vals, col); err != nil {
				return nil, c.damaged(t, err)
			}
			if len(part) < t.rows {
				copy(part, vals[t.lo+a-t.at:])
			}
		}
	}
	if hi > base {
		a := max(lo, base)
		copy(dst[a-lo:], c.vals[i*c.open+a-base:i*c.open+hi-base])
	}
	return dst, nil
}
