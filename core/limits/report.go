package limits

import (
	"cmp"
	"slices"
)

// Report says how far away each limit is, who is near it, and what was refused lately.
type Report struct {
	Limits     []Limit     `json:"limits"`
	Pressure   float64     `json:"pressure"` // 0: all new series are taken; above, the worst jobs get none; 1: nobody gets any
	Memory     MemoryUse   `json:"memory"`
	Disk       DiskUse     `json:"disk"`
	Jobs       []JobUse    `json:"jobs"`    // those with most series, and those that grew most
	Targets    []TargetUse `json:"targets"` // likewise
	Rejections []Rejection `json:"rejections"`
}

// Limit is one limit and its use. Where it is one of each job, target or series, the use is that of the one that has most,
// as far as that is known.
type Limit struct {
	Name  string `json:"name"`
	Key   string `json:"key"`   // where it is set
	Limit int64  `json:"limit"` // 0 is none
	Used  int64  `json:"used"`  // -1: not kept
	Unit  string `json:"unit"`
	Of    string `json:"of,omitempty"` // whose use it is
	Does  string `json:"does"`         // what happens when it is reached
}

// MemoryUse is the memory budget. All in bytes.
type MemoryUse struct {
	Budget      int64   `json:"budget"` // 0 is none
	Source      string  `json:"source"`
	Needed      int64   `json:"needed"`
	OffHeap     int64   `json:"offHeap"` // of needed
	Go          int64   `json:"go"`      // what the runtime has taken, with garbage
	Part        float64 `json:"part"`    // of the budget that is needed without queries
	Reliefs     uint64  `json:"reliefs"` // times that the database was asked to let go
	QueryLimit  int64   `json:"queryLimit"`
	QueriesHold int64   `json:"queriesHold"`
}

// DiskUse is the disk of the database. All in bytes.
type DiskUse struct {
	Free          int64  `json:"free"`
	Size          int64  `json:"size"`
	MinFree       int64  `json:"minFree"` // as it applies to this disk
	Ballast       int64  `json:"ballast"`
	BallastWanted int64  `json:"ballastWanted"`
	Full          bool   `json:"full"`
	Stored        string `json:"stored"` // whose samples are stored: all, normal and high, high, none
}

// JobUse is what a job has.
type JobUse struct {
	Job       string `json:"job"`
	Series    int    `json:"series"`
	Usual     int    `json:"usual"`
	Growth    int    `json:"growth"` // series more than five to ten minutes ago
	Targets   int    `json:"targets"`
	MaxSeries int    `json:"maxSeries"` // 0 is none
	Priority  string `json:"priority"`
	Refused   uint64 `json:"refused"` // series, each time they came
	Held      bool   `json:"held"`    // gets no new series now, for what all jobs share
}

// TargetUse is what a target has.
type TargetUse struct {
	Job       string `json:"job"`
	Instance  string `json:"instance"`
	Series    int    `json:"series"`
	Growth    int    `json:"growth"`
	MaxSeries int    `json:"maxSeries"`
}

// Report returns how things are now, with the top jobs and targets: so many by series and so many by growth.
func (g *Gate) Report(top int) Report {
	g.mu.Lock()
	t, cfg, m, d := &g.mu.series, &g.mu.cfg, &g.mu.memory, &g.mu.disk
	p, _ := g.pressure()
	r := Report{
		Pressure: p,
		Memory: MemoryUse{
			Budget: m.budget, Source: m.source, Needed: m.usage.Needed, OffHeap: m.usage.OffHeap, Go: m.usage.Go,
			Part: m.part(), Reliefs: m.reliefs, QueryLimit: m.pool, QueriesHold: m.held,
		},
		Disk: DiskUse{
			Free: d.space.Free, Size: d.space.Size, MinFree: d.least(cfg.MinFree), Ballast: d.space.Ballast,
			BallastWanted: d.space.Wanted, Full: d.space.Full, Stored: d.stored(),
		},
	}
	for name, j := range t.jobs {
		own := cfg.Jobs[name]
		limit, _ := first(own.MaxSeries, cfg.MaxSeriesPerJob, reasonJob)
		r.Jobs = append(r.Jobs, JobUse{
			Job: name, Series: j.n, Usual: int(j.usual), Growth: j.growth(), Targets: len(j.targets), MaxSeries: limit,
			Priority: own.Priority.String(), Refused: j.refused,
			Held: t.refuses(j, p),
		})
		perTarget, _ := first(own.MaxSeriesPerTarget, cfg.MaxSeriesPerTarget, reasonTarget)
		for instance, of := range j.targets {
			r.Targets = append(r.Targets, TargetUse{Job: name, Instance: instance, Series: of.n, Growth: of.growth(), MaxSeries: perTarget})
		}
	}
	r.Limits = g.limits(r.Jobs, r.Targets)
	g.mu.Unlock()
	r.Jobs = leading(r.Jobs, top,
		func(a, b JobUse) int { return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Job, b.Job)) },
		func(j JobUse) int { return j.Growth })
	r.Targets = leading(r.Targets, top,
		func(a, b TargetUse) int {
			return cmp.Or(cmp.Compare(b.Series, a.Series), cmp.Compare(a.Job, b.Job), cmp.Compare(a.Instance, b.Instance))
		},
		func(t TargetUse) int { return t.Growth })
	r.Rejections = g.refusals.latest()
	return r
}

// limits lists the limits with their use. The lock is held.
func (g *Gate) limits(jobs []JobUse, targets []TargetUse) []Limit {
	cfg, m, d := &g.mu.cfg, &g.mu.memory, &g.mu.disk
	newSeries := "new series of the job that grew most are refused, then all; known ones go on"
	out := []Limit{
		{Name: reasonSeries, Limit: int64(cfg.MaxSeries), Used: int64(g.mu.series.total), Unit: "series", Does: newSeries},
		{Name: reasonMemory, Limit: m.budget, Used: m.base(), Unit: "bytes", Does: "the database lets go of what is on disk; " + newSeries + "; queries get less"},
		{Name: "query_memory", Key: "[query] max_memory", Limit: m.pool, Used: m.held, Unit: "bytes", Does: "the largest query is ended"},
	}
	most := func(l Limit, n int, use func(i int) (used, limit int, of string)) {
		best := -1.0
		for i := range n {
			used, limit, of := use(i)
			near := float64(used)
			if limit > 0 {
				near = 1e12 * float64(used) / float64(limit) // those with a limit first
			}
			if near > best {
				best = near
				l.Used, l.Limit, l.Of = int64(used), int64(limit), of
			}
		}
		out = append(out, l)
	}
	most(Limit{Name: reasonJob, Limit: int64(cfg.MaxSeriesPerJob), Unit: "series", Does: "new series of the job are refused; known ones go on"},
		len(jobs), func(i int) (int, int, string) { return jobs[i].Series, jobs[i].MaxSeries, jobs[i].Job })
	most(Limit{Name: reasonTarget, Limit: int64(cfg.MaxSeriesPerTarget), Unit: "series", Does: "new series of the target are refused; known ones go on"},
		len(targets), func(i int) (int, int, string) {
			return targets[i].Series, targets[i].MaxSeries, targets[i].Job + " " + targets[i].Instance
		})
	for _, l := range []struct {
		reason, unit string
		limit        int
	}{
		{reasonLabels, "labels", cfg.MaxLabels},
		{reasonLabelName, "bytes", cfg.MaxLabelName},
		{reasonLabelValue, "bytes", cfg.MaxLabelValue},
		{reasonMetricName, "bytes", cfg.MaxMetricName},
	} {
		out = append(out, Limit{Name: l.reason, Limit: int64(l.limit), Used: -1, Unit: l.unit, Does: "the series is refused"})
	}
	out = append(out, Limit{
		Name: reasonDisk, Limit: d.least(cfg.MinFree), Used: d.space.Free, Unit: "bytes free",
		Does: "jobs of low priority are not stored below twice as much, normal ones below it, high ones when nothing is left",
	})
	for i := range out {
		if out[i].Key == "" {
			out[i].Key = keys[out[i].Name]
		}
	}
	return out
}

func (d *disk) stored() string {
	switch d.floor() {
	case nobody:
		return "none"
	case High:
		return "high"
	case Normal:
		return "normal and high"
	}
	return "all"
}

// leading returns the first n of all by size, and those of the n that grew most that are not among them.
func leading[T any](all []T, n int, bySize func(a, b T) int, growth func(T) int) []T {
	slices.SortFunc(all, bySize)
	if len(all) <= n {
		return append([]T{}, all...)
	}
	out, rest := slices.Clone(all[:n]), slices.Clone(all[n:])
	slices.SortStableFunc(rest, func(a, b T) int { return cmp.Compare(growth(b), growth(a)) })
	for _, t := range rest[:min(n, len(rest))] {
		if growth(t) > 0 {
			out = append(out, t)
		}
	}
	return out
}
