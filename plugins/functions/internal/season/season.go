// Package season is the additive method of Holt and Winters, for functions of PromQL: a level, a trend and a season that
// repeats, each smoothed exponentially. A window of samples becomes slots of equal width, a season is a number of slots.
//
// Sources: C. C. Holt, Forecasting Seasonals and Trends by Exponentially Weighted Averages, 1957 (International Journal
// of Forecasting 20, 2004); P. R. Winters, Forecasting Sales by Exponentially Weighted Moving Averages, Management Science
// 6, 1960; R. J. Hyndman et al., Forecasting with Exponential Smoothing, Springer 2008, for the variances.
package season

import "math"

// Smoothing is how much of an error goes into each part: 0 nothing, 1 all of it.
type Smoothing struct {
	Level, Trend, Season float64 // Winters' alpha, beta and gamma
}

// Model is a series whose season has Slots slots, up to the newest slot that was observed.
type Model struct {
	Slots int
	Smoothing

	origin       float64   // subtracted from all that is observed, so that nothing is lost beside a large value
	reach        float64   // the largest distance from origin
	level, trend float64   // of the newest slot
	season       []float64 // by place in the season; NaN where nothing was observed
	next         int       // place in the season of the next slot
	passed       int       // slots without a sample at the end
	sigma        float64

	Errors []float64 // of each slot that was given: what was observed less what was expected a slot before; NaN: unknown
}

// Fit fits m to slots, oldest first, NaN where there is no sample. It tells whether they are enough: from the first slot
// with a sample on there must be two seasons, and at least half of the places of a season must have a sample in both.
//
// The first level, trend and season come from the first two seasons: the trend is the mean rise from a slot to the same
// slot a season later, the season is what is left of the slots without trend and level. A slot without a sample moves
// the level by the trend and leaves the season. A place of the season that was never seen has no forecast until it is.
func (m *Model) Fit(slots []float64) bool {
	for len(slots) > 0 && math.IsNaN(slots[0]) {
		slots = slots[1:]
	}
	if len(slots) < 2*m.Slots || !m.begin(slots[:2*m.Slots]) {
		return false
	}
	m.Errors = m.Errors[:0]
	m.next, m.passed, m.reach = 0, 0, 0
	squares, known := 0.0, 0
	for _, v := range slots {
		e := m.observe(v)
		m.Errors = append(m.Errors, e)
		if e == e {
			squares += e * e
			known++
		}
	}
	m.sigma = math.NaN()
	if free := known - m.Slots - 2; free > 0 {
		m.sigma = math.Sqrt(squares / float64(free))
	}
	return true
}

// begin estimates level, trend and season from two seasons.
func (m *Model) begin(two []float64) bool {
	m.origin = two[0]
	rise, pairs := 0.0, 0
	for i, v := range two[:m.Slots] {
		if d := two[m.Slots+i] - v; d == d {
			rise += d
			pairs++
		}
	}
	if 2*pairs < m.Slots {
		return false
	}
	m.trend = rise / float64(pairs) / float64(m.Slots)
	m.season = m.season[:0]
	sum, seen := 0.0, 0
	for i := range m.Slots {
		s, n := 0.0, 0.0
		for _, k := range [2]int{i, m.Slots + i} {
			if v := two[k]; v == v {
				s += v - m.origin - m.trend*float64(k+1)
				n++
			}
		}
		m.season = append(m.season, s/n) // NaN of none
		if n > 0 {
			sum += s / n
			seen++
		}
	}
	m.level = sum / float64(seen)
	for i := range m.season {
		m.season[i] -= m.level
	}
	return true
}

// observe goes on by a slot and returns the error of its forecast.
func (m *Model) observe(v float64) float64 {
	i := m.next
	m.next = (m.next + 1) % m.Slots
	if v != v {
		m.passed++
		return math.NaN()
	}
	m.level += float64(m.passed+1) * m.trend
	m.passed = 0
	v -= m.origin
	m.reach = max(m.reach, math.Abs(v))
	if s := m.season[i]; s != s {
		m.season[i] = v - m.level
		return math.NaN()
	}
	e := m.exact(v - (m.level + m.season[i]))
	m.level += m.Level * e
	m.trend += m.Level * m.Trend * e
	m.season[i] += m.Season * (1 - m.Level) * e // Winters' gamma (v - level) + (1 - gamma) season, with the new level
	return e
}

// exact is 0 for an error that float64's rounding can make.
func (m *Model) exact(e float64) float64 {
	if math.Abs(e) <= 1e-12*m.reach {
		return 0
	}
	return e
}

// Forecast returns what is expected h slots after the last one given to Fit, and NaN if that place of the season is not
// known.
func (m *Model) Forecast(h int) float64 { return m.origin + m.expected(h) }

func (m *Model) expected(h int) float64 {
	return m.level + float64(m.passed+h)*m.trend + m.season[(m.next+h-1)%m.Slots]
}

// Error returns v less the forecast of the next slot.
func (m *Model) Error(v float64) float64 { return m.exact(v - m.origin - m.expected(1)) }

// Sigma returns the standard deviation of the errors; NaN if there are too few. What the first level, trend and season were
// estimated from counts as used up, as in a regression.
func (m *Model) Sigma() float64 { return m.sigma }

// Deviation returns the standard deviation of the error of a forecast of h slots: that of class 1 of Hyndman et al.,
// section 6.3, for normal errors that do not depend on each other.
func (m *Model) Deviation(h int) float64 {
	n := float64(m.passed + h)
	a, b, g := m.Level, m.Level*m.Trend, m.Season*(1-m.Level)
	slots := float64(m.Slots)
	k := math.Floor((n - 1) / slots)
	return m.sigma * math.Sqrt(1+(n-1)*(a*a+a*b*n+b*b*n*(2*n-1)/6)+g*k*(2*a+g+b*slots*(k+1)))
}
