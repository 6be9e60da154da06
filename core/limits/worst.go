package limits

import (
	"math"
	"time"
)

// Worst job first. When something that all share runs out, what a job is entitled to is what it usually has, and at
// least an equal part. What it has beyond that is its excess. Pressure, between 0 and 1, says how near the limit is:
//
//	0           nobody is refused
//	in between  jobs are refused whose excess is at least (1 - pressure) of the largest: a little pressure stops the
//	            worst job alone; the nearer the limit, the more of those that have grown as well
//	1           everybody is refused
//
// So one job that explodes stops itself and nobody else, and several that do are stopped one after the other.
const (
	easyPart = 10 // the last tenth below a limit is where pressure builds up

	habit     = time.Hour      // half of a lasting change has become usual after so long,
	hardHabit = 24 * time.Hour // and after so long under pressure: nobody is punished for ever
)

// pressure returns how near use is to a limit; 0 is none.
func pressure(use, limit float64) float64 {
	if limit <= 0 {
		return 0
	}
	return rising(use, limit-limit/easyPart, limit)
}

// rising returns 0 up to lo, 1 from hi on, and the part of the way in between.
func rising(v, lo, hi float64) float64 {
	if v >= hi {
		return 1
	}
	return max(0, (v-lo)/(hi-lo))
}

// excess returns by how much a job with n series is beyond what it is entitled to, if fair is an equal part of all.
func excess(n int, usual, fair float64) float64 { return max(0, float64(n)-max(usual, fair)) }

// refuses tells whether a job with this excess gets no new series; largest is that of the worst job.
func refuses(excess, largest, pressure float64) bool {
	switch {
	case pressure <= 0:
		return false
	case pressure >= 1:
		return true
	}
	return excess > 0 && excess >= (1-pressure)*largest
}

// accustom moves what is usual towards n for a time d.
func accustom(usual float64, n int, d time.Duration, underPressure bool) float64 {
	half := habit
	if underPressure {
		half = hardHabit
	}
	return usual + (float64(n)-usual)*(1-math.Exp2(-d.Seconds()/half.Seconds()))
}
