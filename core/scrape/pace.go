package scrape

import (
	"sync/atomic"
	"time"
)

// steps are the steps of a pace, each a part of a second: jobs whose intervals are whole seconds keep the same steps.
var steps = [...]time.Duration{
	250 * time.Millisecond, 125 * time.Millisecond, 50 * time.Millisecond, 25 * time.Millisecond,
	10 * time.Millisecond, 5 * time.Millisecond, 2 * time.Millisecond, time.Millisecond,
}

// How many scrapes begin at a step, on average. A step with more is made shorter; a longer one is taken if it has no more
// than the other number, which is less to keep the pace from changing back and forth.
const (
	mostAtOnce   = 32
	longerIfMost = 20
)

// pace makes scrapes begin together that would begin shortly after each other. To wake up for a scrape, with cold caches
// and the threads of the runtime to rouse, costs as much as the scrape itself; so a server that has few scrapes a second
// does some of them at a time, and sleeps in between. One that has many takes steps of a millisecond: its scrapes meet
// anyway. Safe for concurrent use.
type pace struct{ at atomic.Int32 } // index of steps

func (p *pace) step() time.Duration { return steps[p.at.Load()] }

// adapt chooses the step for so many scrapes a second.
func (p *pace) adapt(rate float64) {
	at := p.at.Load()
	for int(at) < len(steps)-1 && rate*steps[at].Seconds() > mostAtOnce {
		at++
	}
	for at > 0 && rate*steps[at-1].Seconds() <= longerIfMost {
		at--
	}
	p.at.Store(at)
}
