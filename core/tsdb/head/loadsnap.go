package head

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// snapshot reads the newest snapshot that is whole enough to be used and returns its number. Its sets, its groups and the
// tiles are read by one goroutine each.
func (l *loader) snapshot() (uint64, error) {
	h, o := l.h, &l.h.opts
	ns, err := o.numbered(".snap")
	if err != nil || len(ns) == 0 {
		return 0, err
	}
	number := ns[len(ns)-1]
	name := o.snapName(number)
	m, err := o.FS.Map(name)
	if err != nil {
		return 0, err
	}
	h.sleepers.file = &tileFile{number: number, name: name, mapping: m}
	h.sleepers.file.refs.Store(1)
	var loading sync.WaitGroup
	groups := make(chan groupRecord, 64)
	loading.Go(func() {
		for r := range groups {
			if err := l.group(newReader(r.data), r.sets); err != nil {
				l.damaged(fmt.Errorf("%s: %w", name, err))
			}
		}
	})
	tiles := map[uint32][]tile{}
	var tilesErr error
	err = l.snapRecords(wal.NewMappedReader(m.Data(), name, number), name, groups, func(files []uint64) {
		loading.Go(func() { tilesErr = l.tileFiles(files, tiles) })
	})
	close(groups)
	loading.Wait()
	if err = errors.Join(err, tilesErr); err != nil {
		return 0, err
	}
	vfs.Unload(m)
	for _, n := range l.fresh { // the groups have their uses now
		h.sets.drop(n)
	}
	for id, ts := range tiles {
		if g := h.dir.groups.get(id); g != nil {
			g.setTiles(ts)
		}
	}
	if len(l.mu.damage) > 0 {
		if err := copyAside(l, name); err != nil {
			return 0, err
		}
	}
	return number, nil
}

// groupRecord is the record of a group, and the numbers of the sets that came before it.
type groupRecord struct {
	data []byte
	sets []uint32
}

// snapRecords reads the records of a snapshot: it calls tiles with the numbers of the tile files, and sends the groups.
func (l *loader) snapRecords(r *wal.Reader, name string, groups chan<- groupRecord, tiles func(files []uint64)) error {
	h := l.h
	var sets, fresh []uint32 // numbers of h.sets
	ended := false
	bad := false
	for {
		typ, data, err := r.Next()
		if err == io.EOF {
			break
		}
		var d *wal.Damage
		if errors.As(err, &d) {
			l.damaged(d)
			bad = true
			continue
		}
		if err != nil {
			return err
		}
		rd := newReader(data)
		switch typ {
		case snapHeader:
			if v := rd.Uint(); v != snapVersion {
				return fmt.Errorf("%s has version %d, this hearth reads %d: run the hearth that wrote it", name, v, snapVersion)
			}
			h.check.segment.Store(rd.Uint())
			h.w.nextGrp = rd.id()
			files := make([]uint64, min(rd.Uint(), 1<<20))
			for i := range files {
				files[i] = rd.Uint()
			}
			if rd.Bad {
				return fmt.Errorf("%s: malformed header", name)
			}
			if n := rd.Uint(); n < 1<<28 { // those who wrote none meant none
				h.w.table.rehash(int(n))
			}
			tiles(files)
		case snapSet:
			if bad { // numbers of sets are counted: after a gap they would be wrong
				continue
			}
			rd.pairs(&l.pairs)
			l.pairs.Overwrite(&l.own)
			n, isNew := h.sets.number(l.own)
			if isNew {
				fresh = append(fresh, n)
			}
			sets = append(sets, n)
		case snapGroup:
			groups <- groupRecord{data, sets}
		case snapEnd:
			ended = true
		}
	}
	if !ended {
		l.damaged(fmt.Errorf("%s: it has no end", name))
	}
	l.fresh = fresh
	return nil
}

// copyAside keeps a damaged file under another name: the checkpoint that follows deletes the original.
func copyAside(l *loader, name string) error {
	err := l.h.opts.FS.Link(name, name+".damaged")
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// group makes one group of the snapshot.
func (l *loader) group(rd reader, sets []uint32) error {
	h := l.h
	id, flags, pos, low, floor := rd.id(), rd.Uint(), wal.Pos(rd.Uint()), rd.Int(), rd.Int()
	common := rd.labels()
	n := rd.Uint()
	if rd.Bad || n > maxGroup || n > uint64(len(rd.B)) || h.dir.groups.get(id) != nil {
		return errors.New("malformed group")
	}
	refs := make([]uint64, n)
	for i := range refs {
		refs[i] = rd.Uint()
	}
	slots, states := rd.Uint(), []byte(nil)
	if slots > 0 {
		states = rd.Bytes()
	}
	if rd.Bad || slots > n {
		return errors.New("malformed group")
	}
	var open tile
	if len(rd.B) > 0 {
		t, err := parseTile(rd.B)
		if err != nil || t.rows >= openRows || t.slots() > len(refs) {
			return fmt.Errorf("open rows of group %d: %w", id, errTile)
		}
		open = t
	}
	g := h.addGroup(id, common)
	g.pos, g.low, g.floor = pos, low, floor
	g.solo, g.byTarget = flags&groupSolo != 0, flags&groupByTarget != 0
	if low != math.MinInt64 { // its tiles have begun
		g.full = openRows
	}
	l.slots(g, refs, sets)
	if slots > 0 {
		a := l.asleep(g)
		a.slots, a.states, a.known = int(slots), states, true
	}
	if open.rows > 0 {
		l.asleep(g).open = open
		h.noteTime(max(open.mint, floor))
		h.noteTime(max(open.maxt, floor))
	}
	return nil
}

// setTiles gives the group, which is not in use yet, tiles in the order in which they were written.
func (g *group) setTiles(ts []tile) {
	for _, t := range ts {
		if t.maxt < g.floor {
			continue
		}
		// A later tile stands for all earlier ones that it overlaps.
		g.tiles = slices.DeleteFunc(g.tiles, func(o tile) bool { return o.mint <= t.maxt && t.mint <= o.maxt })
		g.tiles = append(g.tiles, t)
	}
	slices.SortFunc(g.tiles, func(a, b tile) int {
		if a.mint < b.mint {
			return -1
		}
		return 1
	})
}

// slots gives a group its slots: refs says which of the sets each has, counted from 1.
func (l *loader) slots(g *group, refs []uint64, sets []uint32) {
	h, n := l.h, len(refs)
	g.own, g.series, g.sparse = make([]uint32, 0, n), make([]uint32, 0, n), make([]bool, 0, n)
	g.widen(h.w.arena, n)
	l.sums = l.sums[:0]
	for _, r := range refs { // the table is read first where it will be searched: so the misses are served together
		sum := uint32(0)
		if r > 0 && r <= uint64(len(sets)) {
			sum = h.sumOf(g, sets[r-1])
			h.w.table.touch(sum)
		}
		l.sums = append(l.sums, sum)
	}
	for i, r := range refs {
		if r > 0 && r <= uint64(len(sets)) {
			l.series(g, l.sums[i], h.sets.use(sets[r-1]))
			continue
		}
		h.addSlot(g, 0, deadID)
		if r != 0 {
			l.damaged(fmt.Errorf("a series of group %s: its labels are lost", g.common))
		}
	}
}
