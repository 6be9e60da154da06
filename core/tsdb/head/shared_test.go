package head

import (
	"context"
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// Series that come one by one join the group of their job and instance, whose common labels are what the first of
// them shared; others may lack those, or have other values.
func TestSeriesOfATargetShareTheirLabels(t *testing.T) {
	fs := newMem(t)
	h := open(t, testOptions(fs))
	want := reference{}
	send := func(at int64, sets ...labels.Labels) {
		t.Helper()
		refs := make([]storage.Ref, len(sets))
		if err := h.Refs(context.Background(), sets, refs); err != nil {
			t.Fatal(err)
		}
		var points []storage.Point
		for i, ls := range sets {
			points = append(points, storage.Point{T: at, V: float64(i), Ref: refs[i]})
			want.put(ls, at, float64(i))
		}
		if gone, err := h.AppendPoints(context.Background(), points, nil); err != nil || len(gone) > 0 {
			t.Fatal(gone, err)
		}
	}
	one := func(name string, more ...string) labels.Labels {
		return labels.FromStrings(append([]string{"__name__", name, "job", "j", "instance", "i"}, more...)...)
	}
	send(1, one("a", "pod", "p", "le", "1"), one("a", "pod", "p", "le", "2"), one("b", "pod", "p"))
	send(2, one("c"), one("c", "pod", "q"), one("a", "pod", "p", "le", "1"), labels.FromStrings("__name__", "c", "pod", "p"))
	if got := h.dir.groups.get(0).common.String(); h.Stats().Groups != 2 || got != `{instance="i", job="j", pod="p"}` {
		t.Errorf("%d groups, the first has %s in common", h.Stats().Groups, got)
	}
	for i, checkpoint := range []bool{false, true} {
		diff(t, "live", contents(t, h, math.MinInt64, math.MaxInt64), want)
		if checkpoint {
			if err := h.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		h = open(t, testOptions(fs))
		diff(t, "after a restart", contents(t, h, math.MinInt64, math.MaxInt64), want)
		send(int64(10+i), one("new", "pod", "p"), one("c"))
		if n := h.Stats().Groups; n != 2 {
			t.Errorf("%d groups after a restart: new series join the old ones", n)
		}
	}
	batch := []model.Series{{Labels: one("a", "pod", "p", "le", "1"), Samples: []model.Sample{{T: 1, V: 5}}}}
	if err := h.Append(context.Background(), batch); err == nil {
		t.Error("another value for the same time is taken")
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}
