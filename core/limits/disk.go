package limits

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
)

// Priority says which jobs are stored longest when the disk fills up.
type Priority int32

// The priorities. Jobs that the configuration does not name are Normal; what has no job, as what rules find, is High.
const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1

	nobody   Priority = 2             // not even High is stored
	everyone Priority = math.MinInt32 // all are
)

func (p Priority) String() string {
	switch {
	case p < Normal:
		return "low"
	case p > Normal:
		return "high"
	}
	return "normal"
}

// Space is how the disk of the database is.
type Space struct {
	Free, Size int64 // bytes; Size is 0 while nothing is known
	Ballast    int64 // bytes of the file that is given back when the disk is full
	Wanted     int64 // bytes that it should have
	Full       bool  // a write has failed, and there is no room for the ballast again yet
}

// disk decides which priorities are stored. With m for the configured free space, at most a twentieth of the disk: jobs
// of low priority stop below 2m and go on from 3m on, normal ones stop below m and go on from 1.5m on, and high ones go
// on until the disk takes nothing more. Then all stop, until there is room for the ballast again.
type disk struct {
	space       Space
	low, normal bool // stopped
}

// least returns m.
func (d *disk) least(minFree int64) int64 {
	if d.space.Size > 0 {
		return min(minFree, d.space.Size/20)
	}
	return 0
}

func (d *disk) update(minFree int64) {
	m := d.least(minFree)
	d.low = m > 0 && (d.space.Free < 2*m || d.low && d.space.Free < 3*m)
	d.normal = m > 0 && (d.space.Free < m || d.normal && d.space.Free < m+m/2)
}

// floor returns the lowest priority that is stored.
func (d *disk) floor() Priority {
	switch {
	case d.space.Full:
		return nobody
	case d.normal:
		return High
	case d.low:
		return Normal
	}
	return everyone
}

// SetSpace tells how the disk is. The database calls it about once a second.
func (g *Gate) SetSpace(s Space) {
	g.mu.Lock()
	was := g.mu.disk.floor()
	g.mu.disk.space = s
	g.mu.disk.update(g.mu.cfg.MinFree)
	now := g.mu.disk.floor()
	g.floor.Store(int32(now))
	g.mu.Unlock()
	switch {
	case now == was:
	case now == everyone:
		g.opts.Logger.Info("There is space on the disk again: all jobs are stored", "free", bytesText(s.Free))
	case now == nobody:
		g.opts.Logger.Error("The disk is full: nothing is stored until there is space. What is stored is served", "free", bytesText(s.Free))
	default:
		g.opts.Logger.Warn("The disk fills up: jobs of lower priority are not stored", "stored_from", now.String(), "free", bytesText(s.Free))
	}
}

// Open implements the head's Gate.
func (g *Gate) Open(ls labels.Labels) error {
	if Priority(g.floor.Load()) == everyone {
		return nil
	}
	return g.stored(ls, ls.Get("job"))
}

// stored returns why the job is not stored, or nil.
func (g *Gate) stored(ls labels.Labels, job string) error {
	floor := Priority(g.floor.Load())
	if floor == everyone {
		return nil
	}
	g.mu.Lock()
	p, free := g.mu.cfg.Jobs[job].Priority, g.mu.disk.space.Free
	g.mu.Unlock()
	if job == "" {
		p = High // what rules find
	}
	if p >= floor {
		return nil
	}
	r := &Refusal{Reason: reasonDisk, Job: job, Instance: ls.Get("instance"), used: free, all: floor == nobody, priority: p, series: ls}
	g.refusals.note(r, g.opts.Clock())
	return r
}

// diskText says why a job is not stored.
func diskText(r *Refusal) string {
	if r.all {
		return fmt.Sprintf("%s: %s are left. It goes on by itself when there is space: delete files, or set [storage] retention lower and reload",
			storage.ErrNoSpace, bytesText(r.used))
	}
	return fmt.Sprintf("%s: %s are left, and jobs of priority %s, as %q, stop before others. It goes on by itself when there is space: "+
		"delete files, set [storage] retention lower, or give the job another priority, and reload",
		storage.ErrNoSpace, bytesText(r.used), r.priority, r.Job)
}

// bytesText returns a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
