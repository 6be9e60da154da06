package process

import (
	"math/rand/v2"
	"time"
)

// Backoff says how long a process that has ended stays down. Each end that follows soon after a start doubles the time.
type Backoff struct {
	Least  time.Duration // 0 means 500 ms
	Most   time.Duration // 0 means 1 min
	Steady time.Duration // a process that lived as long, or has answered a call, ended for a new reason; 0 means 1 min
}

func (b *Backoff) setDefaults() {
	if b.Least == 0 {
		b.Least = 500 * time.Millisecond
	}
	if b.Most == 0 {
		b.Most = time.Minute
	}
	if b.Steady == 0 {
		b.Steady = time.Minute
	}
}

// delay returns how long to wait after so many failures in a row, at least 1. It is spread by a quarter to both sides,
// so that plugins which failed together are not started together.
func (b Backoff) delay(failures int) time.Duration {
	d := b.Most
	if failures < 32 && b.Least<<(failures-1) < b.Most {
		d = b.Least << (failures - 1)
	}
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2))
}
