package head

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
)

// Groups that get a row each at the same moments have their tiles sealed at different ones.
func TestGroupsThatBeginTogetherDoNotFillTogether(t *testing.T) {
	const groups = 200
	a := newArena()
	defer a.close()
	var gs []*group
	for id := range uint32(groups) {
		g := newGroup(id, labels.EmptyLabels())
		g.widen(a, 16)
		gs = append(gs, g)
	}
	for at := range int64(200) {
		open := 0
		for _, g := range gs {
			g.insert(a, len(g.ts), at)
			if k := g.due(); k > 0 {
				if k > sealRows || at >= openRows && k != sealRows {
					t.Fatalf("a tile of %d rows at %d", k, at)
				}
				g.dropRows(a, k)
			}
			if len(g.ts) >= openRows {
				t.Fatalf("%d rows are open", len(g.ts))
			}
			open += len(g.ts)
		}
		if most := groups * (openRows + keptRows) / 2 * 11 / 10; open > most {
			t.Fatalf("%d open rows at %d, want at most %d", open, at, most)
		}
	}
}
