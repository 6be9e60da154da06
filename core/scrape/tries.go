package scrape

import "math"

// While limits of the storage refuse new series of a target, a scrape does not work out the labels of all that are new to
// the page: there may be a million of them, each time. It tries some, others each time; once none of those is refused,
// four times as many the next time, until all are.
const (
	leastTries = 1000
	moreTries  = 4
)

// leaves tells whether a new line with this hash is not tried.
func (p *page) leaves(hash uint64) bool {
	const golden = 0x9e3779b97f4a7c15 // spreads the numbers of walks, so that each line has its turn
	return p.trying > 0 && hash+uint64(p.visit)*golden >= p.trying
}

// try decides what the next scrape tries, after one that tried so many lines, of which so many were refused, and left
// others.
func (p *page) try(refused, tried, untried int) {
	switch {
	case refused > 0:
		p.tries = leastTries
	case untried > 0:
		p.tries *= moreTries
	default:
		p.tries = 0
	}
	p.trying = 0
	if all := tried + untried; p.tries > 0 && all > p.tries {
		p.trying = uint64(float64(p.tries) / float64(all) * math.MaxUint64)
	}
}
