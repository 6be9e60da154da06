package block

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/chunk"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

const (
	maxSlots = 8192 // series of a group; more become several groups
	// soloCost is what a group takes besides its columns: its records in index and data.
	soloCost = groupRecordCost + 2*minRecord
	// groupRecordCost is about what the index holds of a group.
	groupRecordCost = 32 + 20
)

// shelf is a group in the making: series with the same common labels and times.
type shelf struct {
	common labels.Labels
	times  []int64
	rows   []int32 // of the shelf it was taken from, if it was
	series []item
}

// item is a series on a shelf: where it comes from.
type item struct {
	from storage.Columns
	i    int
	own  labels.Labels
	full labels.Labels
	rows []int32 // of from, by row of the shelf; nil if they are the same
}

func (s *shelf) own() []labels.Labels {
	out := make([]labels.Labels, len(s.series))
	for i := range s.series {
		out[i] = s.series[i].own
	}
	return out
}

// values returns rows lo..hi-1 of a series of the shelf.
func (s *shelf) values(i, lo, hi int, dst []float64) ([]float64, error) {
	it := &s.series[i]
	if it.rows == nil {
		return it.from.Values(it.i, lo, hi, dst)
	}
	first, last := int(it.rows[lo]), int(it.rows[hi-1])
	wide, err := it.from.Values(it.i, first, last+1, dst)
	if err != nil {
		return nil, err
	}
	for r := lo; r < hi; r++ { // in place: a row never comes from before where it goes
		wide[r-lo] = wide[int(it.rows[r])-first]
	}
	return wide[:hi-lo], nil
}

// shelve puts groups with the same common labels and times on one shelf, in order of the common labels, and
// the series of a shelf in order of their labels.
func shelve(groups []storage.Columns) []*shelf {
	var out []*shelf
	seed := maphash.MakeSeed()
	type key struct {
		common string
		times  uint64
	}
	shelves := map[key][]*shelf{}
	for _, c := range groups {
		if c.Len() == 0 || len(c.Times()) == 0 {
			continue
		}
		common := c.Common()
		k := key{string(common.Bytes(nil)), hashTimes(seed, c.Times())}
		var s *shelf
		for _, o := range shelves[k] {
			if slices.Equal(o.times, c.Times()) && len(o.series)+c.Len() <= maxSlots {
				s = o
			}
		}
		if s == nil {
			s = &shelf{common: common, times: c.Times()}
			shelves[k] = append(shelves[k], s)
			out = append(out, s)
		}
		for i := range c.Len() {
			s.series = append(s.series, item{from: c, i: i})
		}
	}
	slices.SortStableFunc(out, func(a, b *shelf) int {
		return cmp.Or(labels.Compare(a.common, b.common), cmp.Compare(a.times[0], b.times[0]))
	})
	return out
}

func hashTimes(seed maphash.Seed, ts []int64) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var b [8]byte
	for _, t := range ts {
		binary.LittleEndian.PutUint64(b[:], uint64(t))
		h.Write(b[:])
	}
	return h.Sum64()
}

// shelf writes a shelf as one group or more.
func (w *Writer) shelf(s *shelf) error {
	solos, err := w.takeSolos(s)
	if err != nil {
		return err
	}
	for _, g := range append([]*shelf{s}, solos...) {
		g.sort()
		for len(g.series) > 0 {
			part := *g
			part.series = g.series[:min(len(g.series), maxSlots)]
			g.series = g.series[len(part.series):]
			if err := w.group(&part); err != nil {
				return err
			}
		}
	}
	return nil
}

// sort resolves the labels and puts the series in their order.
func (s *shelf) sort() {
	for i := range s.series {
		it := &s.series[i]
		it.full = it.from.Labels(it.i)
		it.own = index.Own(s.common, it.full)
	}
	slices.SortFunc(s.series, func(a, b item) int { return labels.Compare(a.full, b.full) })
	for i := range s.series {
		s.series[i].full = labels.EmptyLabels()
	}
}

// takeSolos takes from the shelf the series that are smaller with times of their own, and then the rows in
// which no series is left.
func (w *Writer) takeSolos(s *shelf) ([]*shelf, error) {
	used := make([]bool, len(s.times))
	var stay []item
	var solos []*shelf
	byRows := map[string]*shelf{}
	all := false
	for i := range s.series {
		if c, ok := s.series[i].from.(complete); ok && c.Complete(s.series[i].i) {
			stay, all = append(stay, s.series[i]), true
			continue
		}
		rows, err := w.rowsOf(s, i)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			continue
		}
		alone := false
		if len(s.series) > 1 && 2*len(rows) < len(s.times) {
			if alone, err = w.aloneIsSmaller(s, i, rows); err != nil {
				return nil, err
			}
		}
		if !alone {
			stay = append(stay, s.series[i])
			for _, r := range rows {
				used[r] = true
			}
			continue
		}
		k := string(rowBytes(rows))
		g := byRows[k]
		if g == nil {
			g = s.thinned(rows)
			byRows[k] = g
			solos = append(solos, g)
		}
		it := s.series[i]
		it.rows = g.rows
		g.series = append(g.series, it)
	}
	s.series = stay
	if all {
		return solos, nil
	}
	rows := w.rows[:0]
	for r, u := range used {
		if u {
			rows = append(rows, int32(r))
		}
	}
	w.rows = rows
	if len(rows) < len(s.times) {
		t := s.thinned(rows)
		s.times = t.times
		for i := range s.series {
			s.series[i].rows = t.rows
		}
	}
	return solos, nil
}

// thinned returns an empty shelf with some of the rows.
func (s *shelf) thinned(rows []int32) *shelf {
	t := &shelf{common: s.common, rows: slices.Clone(rows)}
	for _, r := range rows {
		t.times = append(t.times, s.times[r])
	}
	return t
}

func rowBytes(rows []int32) []byte {
	b := make([]byte, 0, 4*len(rows))
	for _, r := range rows {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	return b
}

// complete is what selections of the database know without decoding: that a series has a sample in every row.
type complete interface {
	Complete(i int) bool
}

// rowsOf returns the rows in which series i has samples, valid until the next call.
func (w *Writer) rowsOf(s *shelf, i int) ([]int32, error) {
	rows := w.rows[:0]
	lo, hi := s.series[i].from.Rows(s.series[i].i)
	for ; lo < hi; lo += chunk.MaxRows {
		vals, err := s.values(i, lo, min(hi, lo+chunk.MaxRows), w.vals)
		if err != nil {
			return nil, err
		}
		w.vals = vals
		for r, v := range vals {
			if !storage.IsAbsent(v) {
				rows = append(rows, int32(lo+r))
			}
		}
	}
	w.rows = rows
	return rows, nil
}

// aloneIsSmaller encodes series i both ways.
func (w *Writer) aloneIsSmaller(s *shelf, i int, rows []int32) (bool, error) {
	together, apart := 0, soloCost
	var some []float64
	for lo := 0; lo < len(s.times); lo += chunk.MaxRows {
		vals, err := s.values(i, lo, min(lo+chunk.MaxRows, len(s.times)), w.vals)
		if err != nil {
			return false, err
		}
		w.vals = vals
		n := len(some)
		for _, v := range vals {
			if !storage.IsAbsent(v) {
				some = append(some, v)
			}
		}
		together += 3
		if len(some) > n {
			together += len(w.enc.Encode(w.buf[:0], vals))
		}
	}
	var times []int64
	for _, r := range rows {
		times = append(times, s.times[r])
	}
	for lo := 0; lo < len(rows); lo += chunk.MaxRows {
		hi := min(lo+chunk.MaxRows, len(rows))
		apart += len(w.enc.Encode(w.buf[:0], some[lo:hi]))
		apart += len(chunk.EncodeTimes(w.buf[:0], times[lo:hi]))
	}
	return apart < together, nil
}
