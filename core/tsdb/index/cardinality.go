package index

import (
	"github.com/RoaringBitmap/roaring/v2"
	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/storage"
)

// With returns how many series have a label of that name.
func (x *Mem) With(name string) int {
	p, _ := memDictionary{x}.named(name) // a dictionary in memory has no errors
	return int(p.count())
}

// Cardinality counts series by what their labels are, without those that have the label hidden. The lists have at most
// limit entries. It looks at each pair of a name and a value, not at series.
func (x *Mem) Cardinality(limit int, hidden string) storage.Cardinality {
	all, _ := memDictionary{x}.all()
	p, _ := memDictionary{x}.named(hidden)
	none := p.bitmap()
	c := storage.Cardinality{Series: int(all.count()) - int(none.GetCardinality())}
	metrics, pairs, values, bytes := storage.NewTop(limit), storage.NewTop(limit), storage.NewTop(limit), storage.NewTop(limit)
	for _, name := range x.names() {
		if name == hidden {
			continue
		}
		_, order := x.label(name)
		of, size := uint64(0), uint64(0)
		for _, v := range order {
			n := x.read(&v.growing).without(none)
			if n == 0 {
				continue
			}
			of++
			size += n * uint64(len(v.text))
			pairs.Add(n, func() string { return name + "=" + v.text })
			if name == model.MetricNameLabel {
				metrics.Add(n, func() string { return v.text })
			}
		}
		c.Pairs += int(of)
		values.Add(of, func() string { return name })
		bytes.Add(size, func() string { return name })
	}
	c.SeriesByMetric, c.SeriesByPair, c.ValuesByLabel, c.BytesByLabel = metrics.Counts(), pairs.Counts(), values.Counts(), bytes.Counts()
	return c
}

// without returns how many series of p are not in set.
func (p postings) without(set *roaring.Bitmap) uint64 {
	n := p.count()
	if set.IsEmpty() {
		return n
	}
	if p.bits != nil {
		n -= p.bits.AndCardinality(set)
	}
	for _, id := range p.tail {
		if set.Contains(id) {
			n--
		}
	}
	return n
}
