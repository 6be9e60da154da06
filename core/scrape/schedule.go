package scrape

import "time"

// maxTolerance is how far from its time a scrape may begin and still be stamped with that time. Timestamps that are
// exactly an interval apart cost almost nothing to store; the timers of a busy machine are late by that much.
const maxTolerance = 2 * time.Millisecond

// schedule is a target's own grid of times: all t with t mod interval = offset, t counted from the Unix epoch, moved to
// the pace of the server. It does not depend on when the process started, so a restart does not move it, and nothing
// adds up to drift.
type schedule struct {
	interval, offset time.Duration
	pace             *pace
	phase            uint64 // of the server's steps
}

// newSchedule makes the schedule of a target. seed is the server's: it moves all targets within the interval, and steps.
func newSchedule(interval time.Duration, hash, seed uint64, p *pace) schedule {
	return schedule{interval, time.Duration((hash ^ seed) % uint64(interval)), p, seed}
}

// next returns the first time of the grid after t.
func (s schedule) next(t time.Time) time.Time {
	step := s.pace.step()
	offset := s.offset - s.offset%step + time.Duration(s.phase%uint64(step))
	ns := t.UnixNano()
	past := (ns - int64(offset)) % int64(s.interval)
	if past < 0 {
		past += int64(s.interval)
	}
	return time.Unix(0, ns-past+int64(s.interval))
}

// after returns the time of the grid that follows the scrape that was due at a time of it, once it is over: half an
// interval later at least: a timer may be early, by the wall clock, and the grid may have moved to another pace.
func (s schedule) after(due, now time.Time) time.Time {
	if least := due.Add(s.interval / 2); now.Before(least) {
		now = least
	}
	return s.next(now)
}

// stamp returns the timestamp of a scrape that was due at a time of the grid and begins now.
func (s schedule) stamp(due, now time.Time) time.Time {
	if now.Sub(due).Abs() <= min(s.interval/100, maxTolerance) {
		return due
	}
	return now
}
