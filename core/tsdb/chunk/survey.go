package chunk

import "math"

// survey is what one look over the values of a column tells.
type survey struct {
	constant bool // all bits are equal
	specials int  // values that no integer stands for
	flags    byte // flagDense, flagMonotone
}

func surveyOf(vals []float64) survey {
	first := math.Float64bits(vals[0])
	top := math.Inf(-1)
	same, monotone := true, true
	specials, nans := 0, 0
	for _, v := range vals {
		same = same && math.Float64bits(v) == first
		if isSpecial(v) {
			specials++
			if v != v {
				nans++
				continue
			}
		}
		monotone = monotone && v >= top
		top = v
	}
	s := survey{constant: same, specials: specials}
	if nans == 0 {
		s.flags |= flagDense
	}
	if monotone {
		s.flags |= flagMonotone
	}
	return s
}
