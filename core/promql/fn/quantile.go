package fn

import (
	"math"
	"math/bits"
	"slices"
	"sort"
)

// Quantile returns the q-quantile of values, interpolated between the two nearest; NaN sorts first. It moves values
// about.
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
	n := float64(len(values))
	rank := float64(q * (n - 1))
	lower := math.Max(0, math.Floor(rank))
	upper := math.Min(n-1, lower+1)
	weight := rank - math.Floor(rank)
	a, b := neighbours(values, int(lower), int(upper))
	return float64(a*(1-weight)) + float64(b*weight)
}

// neighbours returns the values that are at i and at j, which is i or i+1, once v is sorted.
func neighbours(v []float64, i, j int) (a, b float64) {
	for _, x := range v {
		switch {
		case x == 0 && math.Signbit(x): // only where zeros differ in sign does the algorithm show: it is upstream's
			sort.Sort(nanFirst(v))
			return v[i], v[j]
		case isNaN(x):
			slices.Sort(v)
			return v[i], v[j]
		}
	}
	order(v, i)
	if j == i {
		return v[i], v[i]
	}
	return v[i], slices.Min(v[j:])
}

// order moves values so that v[at] is the one that is there when v is sorted, no smaller one comes after it and no
// larger one before it. There is no NaN. Source: Hoare, "Algorithm 65: Find", CACM 4(7), 1961; where it halves badly, what
// is left is sorted.
func order(v []float64, at int) {
	for rounds := 2 * bits.Len(uint(len(v))); len(v) > 1; rounds-- {
		if rounds == 0 {
			slices.Sort(v)
			return
		}
		pivot := v[len(v)/2]
		i, j := 0, len(v)-1
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case at <= j:
			v = v[:j+1]
		case at >= i:
			v, at = v[i:], at-i
		default:
			return
		}
	}
}

type nanFirst []float64

func (s nanFirst) Len() int           { return len(s) }
func (s nanFirst) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s nanFirst) Less(i, j int) bool { return isNaN(s[i]) || s[i] < s[j] }
