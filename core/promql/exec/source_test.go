package exec

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMergedRunsAreSorted(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		var keys []int
		starts := []int{}
		for range 1 + r.IntN(9) {
			starts = append(starts, len(keys))
			run := make([]int, r.IntN(12))
			for i := range run {
				run[i] = r.IntN(1000)
			}
			slices.Sort(run)
			keys = append(keys, run...)
		}
		order := make([]int32, len(keys))
		for i := range order {
			order[i] = int32(i)
		}
		mergeRuns(order, append(starts, len(keys)), func(a, b int32) bool { return keys[a] <= keys[b] })
		got := make([]int, len(order))
		for i, at := range order {
			got[i] = keys[at]
		}
		want := slices.Clone(keys)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("runs at %v of %v merge to %v", starts, keys, got)
		}
	}
}
