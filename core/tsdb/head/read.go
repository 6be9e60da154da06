package head

import (
	"context"
	"fmt"
	"runtime"
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
	levels, err := h.pick(ctx, ms)
	if err != nil {
		return nil, err
	}
	take := storage.BudgetOf(ctx)
	h.rousePicked(ctx, levels)
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
			if c == nil {
				continue
			}
			if err := take(c.size()); err != nil {
				return nil, err
			}
			cs = append(cs, c)
		}
		if len(cs) > 0 {
			out = append(out, cs)
		}
	}
	return out, nil
}

// rousePicked wakes the groups that sleep.
func (h *Head) rousePicked(ctx context.Context, levels [][]picked) {
	if h.sleepers.n.Load() == 0 {
		return
	}
	var groups []*group
	for _, l := range levels {
		for _, p := range l {
			groups = append(groups, p.g)
		}
	}
	h.rouseAll(ctx, groups, runtime.GOMAXPROCS(0))
}

// pick resolves matchers to groups and slots: level 0 where series are, level 1 where they were before, and so
// on.
func (h *Head) pick(ctx context.Context, ms []*labels.Matcher) ([][]picked, error) {
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
	// Matchers may take long: who writes does not wait for them. A series keeps its id, which no other one gets.
	var ids []uint32
	if x := h.idx(); len(ms) > 0 {
		var err error
		if ids, err = x.SelectContext(ctx, ms...); err != nil {
			return nil, err
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
		return levels, nil
	}
	for _, id := range ids {
		if at := h.dir.locs.get(id); at != noLoc {
			one(id, at)
		}
	}
	return levels, nil
}

// rank returns the place of each slot in order of labels, given the own labels of all slots.
func rank(common labels.Labels, own []labels.Labels) []uint32 {
	full := make([]labels.Labels, len(own))
	order := make([]uint32, len(own))
	for i := range full {
		full[i] = index.Full(common, own[i])
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return labels.Compare(full[a], full[b]) })
	r := make([]uint32, len(order))
	for i, s := range order {
		r[s] = uint32(i)
	}
	return r
}

// inOrder puts the slots of c, a selection of g, in order of labels. That order is kept with the group when it was worth
// finding out for all slots; else the labels are made here, as whoever selects wants to see them.
func (h *Head) inOrder(c *columns, g *group) {
	if len(c.slots) < 2 {
		return
	}
	mu := h.lock(g)
	mu.RLock()
	r, n := g.rank.Load(), len(g.own)
	known := r != nil && len(*r) == n
	var own []labels.Labels
	if !known && len(c.slots) >= n/8 {
		own = make([]labels.Labels, n)
		for s := range own {
			own[s] = h.sets.get(g.own[s])
		}
	} else if !known {
		c.own = make([]labels.Labels, len(c.slots))
		for i, s := range c.slots {
			c.own[i] = h.sets.get(g.own[s])
		}
	}
	mu.RUnlock() // labels are built and compared without it
	switch {
	case known:
	case own != nil:
		all := rank(g.common, own)
		r = &all
		g.rank.Store(r)
	default:
		c.join()
		sort.Sort((*byLabels)(c))
		return
	}
	slices.SortFunc(c.slots, func(a, b uint32) int { return int((*r)[a]) - int((*r)[b]) })
}

// columns copies what a selection needs of a group; nil if none of the series has a sample in the range.
func (h *Head) columns(lease *Lease, g *group, slots []uint32, mint, maxt int64) (*columns, error) {
	c := &columns{h: h, common: g.common, slots: slots}
	h.inOrder(c, g)
	mu := h.lock(g)
	mu.RLock()
	if mint = max(mint, g.floor); mint > maxt || g.stride == 0 {
		mu.RUnlock()
		return nil, nil
	}
	c.take(lease, g.tiles, mint, maxt)
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
	var openTimes [openRows]int64
	copy(openTimes[:], g.ts[lo:hi])
	if c.own == nil {
		c.own = make([]labels.Labels, len(slots))
	}
	for i, s := range slots {
		ls := h.sets.get(g.own[s])
		if c.full != nil && !labels.Equal(ls, c.own[i]) {
			c.full = nil // the slot has another series since
		}
		c.own[i] = ls
	}
	c.names = g.names
	mu.RUnlock()
	if g.solo {
		c.own[0].Range(func(l labels.Label) { c.names = append(c.names, l.Name) })
	}
	if err := c.arrange(mint, maxt, openTimes[:c.open]); err != nil {
		return nil, fmt.Errorf("group %d: %w", g.id, err)
	}
	if len(c.slots) == 0 {
		return nil, nil
	}
	return c, nil
}

// LabelNames returns the sorted names of the labels of matching series; no matcher means all.
func (h *Head) LabelNames(ms ...*labels.Matcher) []string { return h.idx().LabelNames(ms...) }

// LabelValues returns the sorted values of a label of matching series.
func (h *Head) LabelValues(name string, ms ...*labels.Matcher) []string {
	return h.idx().LabelValues(name, ms...)
}
