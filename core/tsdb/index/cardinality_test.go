package index

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

func TestCardinalityIsThatOfCountingSeries(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	x := NewMem()
	var sets []labels.Labels
	for id := range uint32(5000) {
		b := labels.NewBuilder(labels.FromStrings("__name__", fmt.Sprint("m", r.IntN(40)), "pod", fmt.Sprint("p", id)))
		if r.IntN(3) == 0 {
			b.Set("zone", fmt.Sprint("z", r.IntN(3)))
		}
		if r.IntN(4) == 0 {
			b.Set("~", fmt.Sprint(r.IntN(10)))
		}
		x.Add(id, b.Labels())
		sets = append(sets, b.Labels())
	}
	for _, limit := range []int{1, 7, 100_000} {
		series, pairs := 0, map[labels.Label]uint64{}
		for _, ls := range sets {
			if ls.Has("~") {
				continue
			}
			series++
			ls.Range(func(l labels.Label) { pairs[l]++ })
		}
		metrics, byPair, values, bytes := storage.NewTop(limit), storage.NewTop(limit), map[string]uint64{}, map[string]uint64{}
		for l, n := range pairs {
			byPair.Add(n, func() string { return l.Name + "=" + l.Value })
			if l.Name == "__name__" {
				metrics.Add(n, func() string { return l.Value })
			}
			values[l.Name]++
			bytes[l.Name] += n * uint64(len(l.Value))
		}
		top := func(m map[string]uint64) []storage.Count {
			c := storage.NewTop(limit)
			for name, n := range m {
				c.Add(n, func() string { return name })
			}
			return c.Counts()
		}
		want := storage.Cardinality{Series: series, Pairs: len(pairs), SeriesByMetric: metrics.Counts(), SeriesByPair: byPair.Counts(), ValuesByLabel: top(values), BytesByLabel: top(bytes)}
		if got := x.Cardinality(limit, "~"); !reflect.DeepEqual(got, want) {
			t.Errorf("limit %d: %+v, want %+v", limit, got, want)
		}
		if limit < 10 && len(want.SeriesByPair) != limit {
			t.Errorf("%d entries, want %d", len(want.SeriesByPair), limit)
		}
	}
	if got := x.With("~"); got < 1000 || got > 1500 {
		t.Errorf("%d series have the label", got)
	}
}
