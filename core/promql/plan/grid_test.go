package plan

import (
	"math"
	"testing"
)

func TestStepsOfGrids(t *testing.T) {
	for _, tt := range []struct {
		name             string
		start, end, step int64
		n                int
	}{
		{"up to and including the end", 0, 100, 50, 3},
		{"not beyond it", 0, 99, 50, 2},
		{"one step where it begins and ends", 7, 7, 50, 1},
		{"none where it ends before", 7, 6, 50, 0},
		{"from the first time to the last", math.MinInt64, math.MaxInt64, math.MaxInt64, 3},
		{"more than can be evaluated", math.MinInt64, math.MaxInt64, 1, maxSteps + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := NewGrid(tt.start, tt.end, tt.step)
			if g.N != tt.n || g.N > 0 && (g.At(0) != tt.start || g.End() > tt.end) {
				t.Errorf("%d steps from %d to %d, want %d", g.N, g.At(0), g.At(g.N-1), tt.n)
			}
		})
	}
}
