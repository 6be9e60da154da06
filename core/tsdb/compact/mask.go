package compact

import (
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// Tombstone says that samples are deleted: those of the series that satisfy all matchers, in Mint..Maxt.
type Tombstone struct {
	Matchers   []*labels.Matcher
	Mint, Maxt int64 // Unix milliseconds, inclusive

	// Ends, if not nil, narrows that to groups: by GroupKey of their common labels, the time up to which their
	// samples are deleted. It is for data that still grows.
	Ends map[string]int64
}

// Limit says how long samples are kept: those before Before are not, of the series that satisfy all matchers.
type Limit struct {
	Matchers []*labels.Matcher
	Before   int64
}

// Mask hides samples. Of the limits, the first whose matchers a series satisfies counts for it.
type Mask struct {
	Tombstones []Tombstone
	Limits     []Limit
}

// Empty tells whether the mask hides nothing.
func (m Mask) Empty() bool { return len(m.Tombstones) == 0 && len(m.Limits) == 0 }

// Matches tells whether a label set satisfies all matchers.
func Matches(ls labels.Labels, ms []*labels.Matcher) bool {
	return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

// rowSpan is the rows lo..hi-1.
type rowSpan struct{ lo, hi int }

// Apply returns cs without the samples that the mask hides, and without the series of which nothing is left. It
// decodes those of which a part is hidden.
func (m Mask) Apply(cs []storage.Columns) ([]storage.Columns, error) {
	if m.Empty() {
		return cs, nil
	}
	var out []storage.Columns
	for _, c := range cs {
		masked, err := m.columns(c)
		if err != nil {
			return nil, err
		}
		if masked != nil {
			out = append(out, masked)
		}
	}
	return out, nil
}

// columns applies the mask to one selection; nil if nothing is left of it.
func (m Mask) columns(c storage.Columns) (storage.Columns, error) {
	ts := c.Times()
	if len(ts) == 0 {
		return c, nil
	}
	near := m.near(c.Common(), ts[0], ts[len(ts)-1])
	if near.Empty() {
		return c, nil
	}
	x := &masked{c: c}
	touched := false
	var buf []float64
	for i := range c.Len() {
		hidden := near.hidden(c.Labels(i), ts)
		lo, hi := c.Rows(i)
		left := true
		if len(hidden) > 0 {
			var err error
			if left, buf, err = anyLeft(c, i, lo, hi, hidden, buf); err != nil {
				return nil, err
			}
		}
		touched = touched || len(hidden) > 0
		if left {
			x.series, x.hidden = append(x.series, i), append(x.hidden, hidden)
		}
	}
	switch f, ok := c.(factored); {
	case !touched:
		return c, nil
	case len(x.series) == 0:
		return nil, nil
	case ok:
		return maskedFactored{x, f}, nil
	}
	return x, nil
}

// near returns what of the mask may concern a group with samples in first..last, with the times of its own.
func (m Mask) near(common labels.Labels, first, last int64) Mask {
	var out Mask
	for _, t := range m.Tombstones {
		if t.Ends != nil {
			end, ok := t.Ends[GroupKey(common)]
			if !ok {
				continue
			}
			t.Maxt = min(t.Maxt, end)
		}
		if t.Mint <= last && t.Maxt >= first {
			out.Tombstones = append(out.Tombstones, t)
		}
	}
	if slices.ContainsFunc(m.Limits, func(l Limit) bool { return first < l.Before }) {
		out.Limits = m.Limits // all: the first that matches counts
	}
	return out
}

// hidden returns the rows that are hidden of a series, ascending and apart.
func (m Mask) hidden(ls labels.Labels, ts []int64) []rowSpan {
	var out []rowSpan
	add := func(mint, maxt int64) {
		s := rowSpan{
			lo: sort.Search(len(ts), func(r int) bool { return ts[r] >= mint }),
			hi: sort.Search(len(ts), func(r int) bool { return ts[r] > maxt }),
		}
		if s.lo < s.hi {
			out = append(out, s)
		}
	}
	for _, t := range m.Tombstones {
		if Matches(ls, t.Matchers) {
			add(t.Mint, t.Maxt)
		}
	}
	if i := slices.IndexFunc(m.Limits, func(l Limit) bool { return Matches(ls, l.Matchers) }); i >= 0 && m.Limits[i].Before > ts[0] {
		add(ts[0], m.Limits[i].Before-1)
	}
	slices.SortFunc(out, func(a, b rowSpan) int { return a.lo - b.lo })
	merged := out[:0]
	for _, s := range out {
		if n := len(merged); n > 0 && s.lo <= merged[n-1].hi {
			merged[n-1].hi = max(merged[n-1].hi, s.hi)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// anyLeft tells whether series i has samples that are not hidden.
func anyLeft(c storage.Columns, i, lo, hi int, hidden []rowSpan, buf []float64) (bool, []float64, error) {
	for _, s := range hidden {
		if s.lo <= lo && s.hi >= hi {
			return false, buf, nil
		}
	}
	vals, err := c.Values(i, lo, hi, buf)
	if err != nil {
		return false, buf, err
	}
	hide(vals, lo, hidden)
	return slices.ContainsFunc(vals, func(v float64) bool { return !storage.IsAbsent(v) }), vals, nil
}

// hide makes the hidden of vals, which begin at row lo, absent.
func hide(vals []float64, lo int, hidden []rowSpan) {
	for _, s := range hidden {
		for r := max(s.lo, lo); r < min(s.hi, lo+len(vals)); r++ {
			vals[r-lo] = storage.Absent
		}
	}
}

// masked implements storage.Columns over some series of others, without some of their samples.
type masked struct {
	c      storage.Columns
	series []int
	hidden [][]rowSpan // by series of the result
}

// Common implements storage.Columns.
func (x *masked) Common() labels.Labels { return x.c.Common() }

// Len implements storage.Columns.
func (x *masked) Len() int { return len(x.series) }

// Labels implements storage.Columns.
func (x *masked) Labels(i int) labels.Labels { return x.c.Labels(x.series[i]) }

// Times implements storage.Columns.
func (x *masked) Times() []int64 { return x.c.Times() }

// Rows implements storage.Columns.
func (x *masked) Rows(i int) (lo, hi int) { return x.c.Rows(x.series[i]) }

// Values implements storage.Columns.
func (x *masked) Values(i, lo, hi int, dst []float64) ([]float64, error) {
	vals, err := x.c.Values(x.series[i], lo, hi, dst)
	if err == nil {
		hide(vals, lo, x.hidden[i])
	}
	return vals, err
}

// Runs implements storage.StatisticsColumns; of a series with hidden samples nothing is known.
func (x *masked) Runs(i, lo, hi int, dst []storage.Run) ([]storage.Run, error) {
	if len(x.hidden[i]) > 0 && lo < hi {
		return append(dst, storage.Run{Lo: lo, Hi: hi}), nil
	}
	return runs(x.c, x.series[i], lo, hi, dst)
}

// MayHave tells whether a series may have a label of that name.
func (x *masked) MayHave(name string) bool { return mayHave(x.c, name) }

// maskedFactored is masked over a selection of the database.
type maskedFactored struct {
	*masked
	f factored
}

// Own returns the labels of series i that are not common.
func (x maskedFactored) Own(i int) labels.Labels { return x.f.Own(x.series[i]) }

// OwnNames returns the sorted names that own labels may have.
func (x maskedFactored) OwnNames() []string { return x.f.OwnNames() }

// GroupKey is how Tombstone.Ends names a group.
func GroupKey(common labels.Labels) string { return common.String() }
