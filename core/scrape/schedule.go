package scrape

import "time"

// maxTolerance is how far from its time a scrape may begin and still be stamped with that time. Timestamps that are
// exactly an interval apart cost almost nothing to store; the timers of a busy machine are late by that much.
const maxTolerance = 2 * time.Millisecond

// schedule is a target's own grid of times: all t with t mod interval = offset, t counted from the Unix epoch. It
// does not depend on when the process started, so a restart does not move it, and nothing adds up to drift.
type schedule struct{ interval, offset time.Duration }

func newSchedule(interval time.Duration, hash uint64) schedule {
	return schedule{interval, time.Duration(hash % uint64(interval))}
}

// next returns the first time of the grid after t.
func (s schedule) next(t time.Time) time.Time {
	ns := t.UnixNano()
	past := (ns - int64(s.offset)) % int64(s.interval)
	if past < 0 {
		past += int64(s.interval)
	}
	return time.Unix(0, ns-past+int64(s.interval))
}

// stamp returns the timestamp of a scrape that was due at a time of the grid and begins now.
func (s schedule) stamp(due, now time.Time) time.Time {
	if now.Sub(due).Abs() <= min(s.interval/100, maxTolerance) {
		return due
	}
	return now
}
