package head

import (
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

func TestTheInternerForgetsWhatNobodyUses(t *testing.T) {
	in := newInterner()
	set := func(i int) labels.Labels { return labels.FromStrings("n", fmt.Sprint(i)) }
	for range 3 {
		for i := range 100 {
			if got := in.keep(set(i)); !labels.Equal(got, set(i)) {
				t.Fatalf("kept %s as %s", set(i), got)
			}
		}
	}
	// Two sets with one hash, as chance may have it.
	h := in.hash(set(7))
	in.sets[h].next = &interned{ls: set(1000), refs: 1}
	for range 3 {
		for i := range 100 {
			in.drop(set(i))
		}
	}
	if len(in.sets) != 1 || in.sets[h] == nil || !labels.Equal(in.sets[h].ls, set(1000)) {
		t.Errorf("%d sets are left", len(in.sets))
	}
}
