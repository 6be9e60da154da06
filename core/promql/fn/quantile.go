package fn

import (
	"math"
	"slices"
	"sort"
)

// Quantile returns the q-quantile of values, interpolated between the two nearest; NaN sorts first. It sorts values.
// q below 0 gives -Inf, above 1 +Inf; no values or a q that is NaN give NaN.
func Quantile(q float64, values []float64) float64 {
	switch {
	case len(values) == 0 || isNaN(q):
		return math.NaN()
	case q < 0:
		return math.Inf(-1)
	case q > 1:
		return math.Inf(+1)
	}
	sortNaNFirst(values)
	n := float64(len(values))
	rank := float64(q * (n - 1))
	lower := math.Max(0, math.Floor(rank))
	upper := math.Min(n-1, lower+1)
	weight := rank - math.Floor(rank)
	return float64(values[int(lower)]*(1-weight)) + float64(values[int(upper)]*weight)
}

// sortNaNFirst sorts as upstream does. Only for zeros of different sign does the algorithm show in the result: with
// them it is the one upstream uses.
func sortNaNFirst(v []float64) {
	for _, x := range v {
		if x == 0 && math.Signbit(x) {
			sort.Sort(nanFirst(v))
			return
		}
	}
	slices.Sort(v)
}

type nanFirst []float64

func (s nanFirst) Len() int           { return len(s) }
func (s nanFirst) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s nanFirst) Less(i, j int) bool { return isNaN(s[i]) || s[i] < s[j] }
