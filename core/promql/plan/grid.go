package plan

// Grid is the times an expression is evaluated at: N steps from Start, Step apart. An instant query has one step.
type Grid struct {
	Start, Step int64 // Unix milliseconds; milliseconds, at least 1
	N           int   // steps; 0 if there is nothing to evaluate
	Ranged      bool  // it was asked for from one time to another; there may still be one step only
}

// NewGrid returns the grid start, start+step, … up to and including end; an empty one if end is before start.
func NewGrid(start, end, step int64) Grid {
	if end < start {
		return Grid{Start: start, Step: max(step, 1)}
	}
	if step <= 0 || start == end {
		return Grid{Start: start, Step: max(step, 1), N: 1}
	}
	n := uint64(end-start) / uint64(step) // which does not overflow, however far apart they are
	return Grid{Start: start, Step: step, N: int(min(n, maxSteps)) + 1, Ranged: true}
}

// maxSteps is more than any query may have: so many can be multiplied, and are refused then.
const maxSteps = 1 << 40

// At returns the time of step k.
func (g Grid) At(k int) int64 { return g.Start + int64(k)*g.Step }

// End returns the time of the last step. Only for N > 0.
func (g Grid) End() int64 { return g.At(g.N - 1) }

// First returns the grid cut to its first step: where an expression is evaluated that has the same value at every step.
func (g Grid) First() Grid { return Grid{Start: g.Start, Step: g.Step, N: min(g.N, 1)} }

// Times is where a selector looks: for step k of its grid, the time Base + k*Step. With the @ modifier Step is 0.
type Times struct {
	Base, Step int64
	N          int
}

// At returns the reference time of step k.
func (t Times) At(k int) int64 { return t.Base + int64(k)*t.Step }

// Bounds returns the earliest and the latest reference time. Only for N > 0.
func (t Times) Bounds() (first, last int64) { return t.Base, t.At(t.N - 1) }
