package head

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

// Lease keeps files of sealed tiles readable for those who selected from them.
type Lease struct {
	mu    sync.Mutex
	files map[*tileFile]struct{}
}

// NewLease returns an empty lease.
func NewLease() *Lease { return &Lease{files: map[*tileFile]struct{}{}} }

// Close ends the lease: columns selected under it must not be read any more.
func (l *Lease) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for f := range l.files {
		f.release()
	}
	clear(l.files)
}

// add keeps f, which somebody else keeps at the moment.
func (l *Lease) add(f *tileFile) {
	if f == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.files[f]; !ok {
		f.retain()
		l.files[f] = struct{}{}
	}
}

// picked is the series of one group that a selection names.
type picked struct {
	g     *group
	slots []uint32
}

// Select returns the series that satisfy the matchers and have samples in mint..maxt. A series that changed
// its group comes once for each; the lists are in order of time, so that within each of them a label set
// occurs once. They are readable while the lease lasts.
func (h *Head) Select(ctx context.Context, lease *Lease, mint, maxt int64, ms ...*labels.Matcher) ([][]storage.Columns, error) {
	if mint > maxt || h.mint.Load() > maxt || h.maxt.Load() < mint {
		return nil, ctx.Err()
	}
	levels := h.pick(ms)
	out := make([][]storage.Columns, 0, len(levels))
	for i := len(levels) - 1; i >= 0; i-- { // level 0 is where series are now
		var cs []storage.Columns
		for _, p := range levels[i] {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			c, err := h.columns(lease, p.g, p.slots, mint, maxt)
			if err != nil {
				return nil, err
			}
			if c != nil {
				cs = append(cs, c)
			}
		}
		if len(cs) > 0 {
			out = append(out, cs)
		}
	}
	return out, nil
}

// pick resolves matchers to groups and slots: level 0 where series are, level 1 where they were before, and so
// on.
func (h *Head) pick(ms []*labels.Matcher) [][]picked {
	type seat struct{ level, at int }
	seats := map[*group][]seat{}
	var levels [][]picked
	var last *group
	var lastAt int
	add := func(level int, at loc) {
		g := h.dir.groups.get(at.group)
		if g == nil {
			return
		}
		for level >= len(levels) {
			levels = append(levels, nil)
		}
		if level == 0 && g == last {
			levels[0][lastAt].slots = append(levels[0][lastAt].slots, at.slot)
			return
		}
		i := -1
		for _, s := range seats[g] {
			if s.level == level {
				i = s.at
			}
		}
		if i < 0 {
			i = len(levels[level])
			levels[level] = append(levels[level], picked{g: g})
			seats[g] = append(seats[g], seat{level, i})
		}
		levels[level][i].slots = append(levels[level][i].slots, at.slot)
		if level == 0 {
			last, lastAt = g, i
		}
	}
	h.dir.RLock()
	defer h.dir.RUnlock()
	one := func(id uint32, at loc) {
		add(0, at)
		if len(h.dir.older) > 0 {
			o := h.dir.older[id]
			for k := range o {
				add(k+1, o[len(o)-1-k])
			}
		}
	}
	if len(ms) == 0 {
		h.dir.locs.all(one)
		return levels
	}
	for _, id := range h.index.Load().Select(ms...) {
		if at := h.dir.locs.get(id); at != noLoc {
			one(id, at)
		}
	}
	return levels
}

// ranks returns the place of each slot in order of labels. The group's lock is held for reading.
func (g *group) ranks() []uint32 {
	if r := g.rank.Load(); r != nil && len(*r) == len(g.own) {
		return *r
	}
	full := make([]labels.Labels, len(g.own))
	order := make([]uint32, len(g.own))
	for i := range full {
		full[i] = g.full(uint32(i))
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return labels.Compare(full[a], full[b]) })
	r := make([]uint32, len(order))
	for i, s := range order {
		r[s] = uint32(i)
	}
	g.rank.Store(&r)
	return r
}

// columns copies what a selection needs of a group; nil if none of the series has a sample in the range.
func (h *Head) columns(lease *Lease, g *group, slots []uint32, mint, maxt int64) (storage.Columns, error) {
	c := &columns{h: h, common: g.common}
	mu := h.lock(g)
	mu.RLock()
	if mint = max(mint, g.floor); mint > maxt || g.stride == 0 {
		mu.RUnlock()
		return nil, nil
	}
	if len(slots) > 1 {
		rank := g.ranks()
		slices.SortFunc(slots, func(a, b uint32) int { return int(rank[a]) - int(rank[b]) })
	}
	for i := range g.tiles {
		if t := &g.tiles[i]; t.maxt >= mint && t.mint <= maxt {
			c.tiles = append(c.tiles, tileRange{tile: *t})
			lease.add(t.file)
		}
	}
	lo := g.find(mint)
	hi := lo + sort.Search(len(g.ts)-lo, func(i int) bool { return g.ts[lo+i] > maxt })
	c.open = hi - lo
	c.vals = make([]float64, c.open*len(slots))
	for r := range c.open {
		row := g.row(lo + r)
		for i, s := range slots {
			c.vals[i*c.open+r] = row[s]
		}
	}
	openTimes := slices.Clone(g.ts[lo:hi])
	c.own = make([]labels.Labels, len(slots))
	for i, s := range slots {
		c.own[i] = g.own[s]
	}
	mu.RUnlock()
	c.slots = slots
	if err := c.arrange(mint, maxt, openTimes); err != nil {
		return nil, fmt.Errorf("group %d: %w", g.id, err)
	}
	if len(c.slots) == 0 {
		return nil, nil
	}
	return c, nil
}

// tileRange is the rows lo..hi-1 of a tile, which are the selection's rows from at on.
type tileRange struct {
	tile
	lo, hi, at int
}

// columns implements storage.Columns over a copy of the open rows and the sealed tiles, which never change.
type columns struct {
	h      *Head
	common labels.Labels
	own    []labels.Labels
	slots  []uint32
	ts     []int64
	tiles  []tileRange
	open   int       // rows of the open tile: the last ones
	vals   []float64 // theirs, series by series
	rows   []rowRange
}

type rowRange struct{ lo, hi int32 }

// arrange decodes the times, and drops the series that have no sample.
func (c *columns) arrange(mint, maxt int64, openTimes []int64) error {
	var buf []int64
	kept := c.tiles[:0]
	for _, t := range c.tiles {
		buf = slices.Grow(buf[:0], t.rows)[:t.rows]
		if err := t.times(buf); err != nil {
			return c.damaged(&t, err)
		}
		t.lo = sort.Search(t.rows, func(i int) bool { return buf[i] >= mint })
		t.hi = sort.Search(t.rows, func(i int) bool { return buf[i] > maxt })
		if t.lo == t.hi {
			continue
		}
		t.at = len(c.ts)
		c.ts = append(c.ts, buf[t.lo:t.hi]...)
		kept = append(kept, t)
	}
	c.tiles = kept
	c.ts = append(c.ts, openTimes...)
	d := c.h.decs.Get().(*decoder)
	defer c.h.decs.Put(d)
	n := 0
	for i := range c.slots {
		r, err := c.bounds(d, i)
		if err != nil {
			return err
		}
		if r.lo == r.hi {
			continue
		}
		c.slots[n], c.own[n] = c.slots[i], c.own[i]
		copy(c.vals[n*c.open:(n+1)*c.open], c.vals[i*c.open:(i+1)*c.open])
		c.rows = append(c.rows, r)
		n++
	}
	c.slots, c.own, c.vals = c.slots[:n], c.own[:n], c.vals[:n*c.open]
	return nil
}

// bounds returns rows outside of which series i has no sample. They are exact to a tile, and empty only if
// there is none at all.
func (c *columns) bounds(d *decoder, i int) (rowRange, error) {
	first, last, sure := -1, 0, false
	for k := range c.tiles {
		t := &c.tiles[k]
		if len(t.column(c.slots[i])) == 0 {
			continue
		}
		if first < 0 {
			first = t.at
		}
		last = t.at + t.hi - t.lo
		sure = sure || t.lo == 0 && t.hi == t.rows // a column that is there has a sample
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
	for k := 0; k < len(c.tiles) && !sure; k++ {
		t := &c.tiles[k]
		if len(t.column(c.slots[i])) == 0 {
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

// Len implements storage.Columns.
func (c *columns) Len() int { return len(c.slots) }

// Labels implements storage.Columns.
func (c *columns) Labels(i int) labels.Labels { return index.Full(c.common, c.own[i]) }

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
			if len(t.column(c.slots[i])) == 0 {
				fillAbsent(part)
				continue
			}
			vals, err := d.values(&t.tile, c.slots[i])
			if err != nil {
				return nil, c.damaged(t, err)
			}
			copy(part, vals[t.lo+a-t.at:])
		}
	}
	if hi > base {
		a := max(lo, base)
		copy(dst[a-lo:], c.vals[i*c.open+a-base:i*c.open+hi-base])
	}
	return dst, nil
}

// LabelNames returns the sorted names of the labels of matching series; no matcher means all.
func (h *Head) LabelNames(ms ...*labels.Matcher) []string { return h.index.Load().LabelNames(ms...) }

// LabelValues returns the sorted values of a label of matching series.
func (h *Head) LabelValues(name string, ms ...*labels.Matcher) []string {
	return h.index.Load().LabelValues(name, ms...)
}
