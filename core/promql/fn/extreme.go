package fn

import "github.com/hearth-project/hearth/core/storage"

// partRows is how many rows share an extreme where windows are wide and overlap.
const partRows = 64

var maxOverTime = extremeOverTime(func(v []float64) float64 {
	m := v[0]
	for _, x := range v {
		if x > m || isNaN(m) {
			m = x
		}
	}
	return m
})

var minOverTime = extremeOverTime(func(v []float64) float64 {
	m := v[0]
	for _, x := range v {
		if x < m || isNaN(m) {
			m = x
		}
	}
	return m
})

// extremeOverTime makes a RangeFunc of a function that gives one of the values, such that the one of values in a row is
// the one of those of their parts. Rows that many windows share are looked at in parts.
func extremeOverTime(of func(v []float64) float64) RangeFunc {
	each := ofValues(of)
	return func(w *Window, s Series, args [][]float64, out []float64) {
		if rows := int64(len(s.V)); len(out) == 0 || w.Samples < 4*rows || w.Samples < 8*partRows*int64(len(out)) {
			each(w, s, args, out)
			return
		}
		parts := make([]float64, len(s.V)/partRows)
		for i := range parts {
			parts[i] = of(s.V[i*partRows : (i+1)*partRows])
		}
		for k := range out {
			lo, hi := int(w.Lo[k]), int(w.Hi[k])
			a, b := (lo+partRows-1)/partRows, hi/partRows
			switch {
			case lo == hi:
				out[k] = storage.Absent
			case a >= b:
				out[k] = of(s.V[lo:hi])
			default:
				three := make([]float64, 0, 3)
				if lo < a*partRows {
					three = append(three, of(s.V[lo:a*partRows]))
				}
				three = append(three, of(parts[a:b]))
				if b*partRows < hi {
					three = append(three, of(s.V[b*partRows:hi]))
				}
				out[k] = of(three)
			}
		}
	}
}
