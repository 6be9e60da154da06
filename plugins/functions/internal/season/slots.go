package season

import "math"

// Fill makes slots of a window: the means of the samples in each. The newest slot ends with the window, at end; all are
// width milliseconds wide and hold their end, not their begin. Slots without a sample are NaN, as is sdk.Missing, and
// samples that are not finite are passed over. The oldest slot is slots[0]; samples before it are left out.
//
// A mean is computed from the distances to the slot's first sample, so that equal samples have exactly their value.
func Fill(slots []float64, end int64, width float64, times []int64, values []float64) {
	for i := range slots {
		slots[i] = math.NaN()
	}
	last := len(slots) - 1
	at, first, sum, n := -1, 0.0, 0.0, 0.0
	for k, v := range values {
		if v-v != 0 {
			continue
		}
		i := last - int(float64(end-times[k])/width)
		if i < 0 {
			continue
		}
		if i != at {
			if n > 0 {
				slots[at] = first + sum/n
			}
			at, first, sum, n = i, v, 0, 0
		}
		sum += v - first
		n++
	}
	if n > 0 {
		slots[at] = first + sum/n
	}
}
