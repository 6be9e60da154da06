package storage

import (
	"cmp"
	"slices"
)

// Cardinality says what the series in memory are made of. The lists have the largest first, equal ones by name.
type Cardinality struct {
	Series int
	Pairs  int // different pairs of a label's name and value

	SeriesByMetric []Count // how many series have the metric name
	SeriesByPair   []Count // how many series have the pair, named name=value
	ValuesByLabel  []Count // how many values the label has
	BytesByLabel   []Count // bytes of the label's values, each as often as there are series with it
}

// Count is how many there are of what Name says.
type Count struct {
	Name string
	N    uint64
}

// Top collects the largest counts.
type Top struct {
	limit int
	all   []Count
	least uint64 // what is less is none of them
}

// NewTop returns an empty list that is to have at most limit counts.
func NewTop(limit int) *Top { return &Top{limit: limit} }

// Add takes a count; name is called if it may be among the largest.
func (t *Top) Add(n uint64, name func() string) {
	if n < t.least || n == 0 || t.limit <= 0 {
		return
	}
	t.all = append(t.all, Count{name(), n})
	if len(t.all) >= 2*t.limit+64 {
		t.Counts()
	}
}

// Counts returns the largest counts so far.
func (t *Top) Counts() []Count {
	slices.SortFunc(t.all, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	if len(t.all) >= t.limit {
		t.all = t.all[:t.limit]
		if t.limit > 0 {
			t.least = t.all[t.limit-1].N
		}
	}
	return t.all
}
