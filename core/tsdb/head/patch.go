package head

import (
	"slices"
	"sort"
)

// patch puts cells into the sealed tile that their time falls into.
func (h *Head) patch(g *group, t int64, slots []uint32, vals []float64) error {
	i := sort.Search(len(g.tiles), func(i int) bool { return g.tiles[i].maxt >= t })
	fresh, err := patched(&g.tiles[i], len(g.series), t, slots, vals, &h.w.decoder, &h.w.sealer)
	if err != nil {
		return err
	}
	mu := h.lock(g)
	mu.Lock()
	g.tiles = slices.Replace(g.tiles, i, i+1, fresh...)
	mu.Unlock()
	h.noteTime(t)
	return nil
}

// patched returns a tile of width slots with cells added, sealed again: two if it has become long.
func patched(old *tile, width int, t int64, slots []uint32, vals []float64, dec *decoder, enc *sealer) ([]tile, error) {
	ts := make([]int64, old.rows, old.rows+1)
	if err := old.times(ts); err != nil {
		return nil, err
	}
	at, found := slices.BinarySearch(ts, t)
	if !found {
		ts = slices.Insert(ts, at, t)
	}
	rows := make([]float64, len(ts)*width)
	fillAbsent(rows)
	for s := range old.slots() {
		if len(old.column(uint32(s))) == 0 {
			continue
		}
		col, err := dec.values(old, uint32(s))
		if err != nil {
			return nil, err
		}
		for r, v := range col {
			if !found && r >= at {
				r++
			}
			rows[r*width+s] = v
		}
	}
	for k, s := range slots {
		rows[at*width+int(s)] = vals[k]
	}
	var fresh []tile
	for lo := 0; lo < len(ts); {
		n := len(ts) - lo
		if len(ts) > 2*sealRows {
			n = min(n, (len(ts)+1)/2)
		}
		fresh = append(fresh, enc.seal(ts[lo:lo+n], width, func(r int) []float64 { return rows[(lo+r)*width : (lo+r+1)*width] }))
		lo += n
	}
	return fresh, nil
}
