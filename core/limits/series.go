package limits

import (
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage/facet"
)

// tally is how many series are in memory, by job and target.
type tally struct {
	total   int
	jobs    map[string]*job
	fair    float64 // an equal part of all
	largest float64 // excess of all jobs
	spared  int     // essential series that were added while others were refused
	at      time.Time
}

type job struct {
	name    string
	amount          // of all its targets
	usual   float64 // series
	known   bool    // usual has a meaning
	targets map[string]*amount
	refused uint64 // series, each time they came
}

// amount is a number of series, and what it was.
type amount struct{ n, then, before int }

// window is the grid of times at which amounts are kept: growth is that since the time on it before the last.
const window = 5 * time.Minute

func (a *amount) growth() int { return a.n - a.before }

// Series that tell of everything else: without them nobody would hear of a target that is down or of an alert. Some more
// of them are added where others are refused.
const (
	leastSpare = 10_000 // so many, or
	sparePart  = 20     // this part of the limit, whichever is more
)

func essential(name string) bool {
	return name == "up" || name == "ALERTS" || name == "ALERTS_FOR_STATE" || strings.HasPrefix(name, "scrape_")
}

// job returns the job of that name, making it if there is none.
func (t *tally) job(name string) *job {
	j := t.jobs[name]
	if j == nil {
		j = &job{name: strings.Clone(name), targets: map[string]*amount{}}
		t.jobs[j.name] = j
		t.fair = float64(t.total) / float64(len(t.jobs))
	}
	return j
}

// refuses tells whether the job gets no new series at this pressure.
func (t *tally) refuses(j *job, pressure float64) bool {
	more := excess(j.n+1, j.usual, t.fair)
	return refuses(more, max(more, t.largest), pressure)
}

// Count implements the head's Gate.
func (g *Gate) Count(jobName, instance string, n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &g.mu.series
	j := t.job(jobName)
	j.n += n
	t.total += n
	g.mu.memory.added += int64(max(0, n))
	t.largest = max(t.largest, excess(j.n, j.usual, t.fair))
	of := j.targets[instance]
	if of == nil {
		of = &amount{}
		j.targets[strings.Clone(instance)] = of
	}
	if of.n += n; of.n <= 0 {
		delete(j.targets, instance)
	}
}

// measure is done from time to time: it finds out what is usual and what an equal part is, and forgets jobs that are
// gone.
func (t *tally) measure(now time.Time, underPressure bool) {
	first := t.at.IsZero()
	d := max(0, now.Sub(t.at))
	shift := first || now.Truncate(window) != t.at.Truncate(window)
	t.at = now
	if !underPressure {
		t.spared = 0
	}
	for name, j := range t.jobs {
		if j.n <= 0 && j.usual < 1 {
			delete(t.jobs, name)
		}
	}
	t.fair = float64(t.total) / float64(max(1, len(t.jobs)))
	t.largest = 0
	for _, j := range t.jobs {
		switch {
		case j.known:
			j.usual = accustom(j.usual, j.n, d, underPressure)
		case first: // what was loaded
			j.usual = float64(j.n)
		}
		j.known = true
		t.largest = max(t.largest, excess(j.n, j.usual, t.fair))
		if shift {
			j.shift(first)
			for _, of := range j.targets {
				of.shift(first)
			}
		}
	}
}

func (a *amount) shift(first bool) {
	if first {
		a.then = a.n
	}
	a.before, a.then = a.then, a.n
}

// Admit implements the head's Gate.
func (g *Gate) Admit(ls labels.Labels) error {
	job := ls.Get("job")
	if err := g.stored(ls, job); err != nil {
		return err
	}
	r := g.judge(ls, job)
	if r == nil {
		return nil
	}
	r.Job, r.Instance, r.series = job, ls.Get("instance"), ls
	g.refusals.note(r, g.opts.Clock())
	return r
}

// judge returns why the series cannot be added, or nil.
func (g *Gate) judge(ls labels.Labels, jobName string) *Refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, cfg := &g.mu.series, &g.mu.cfg
	p, reason := g.pressure()
	if ls.Has(facet.Name) { // of a series that is there
		if p >= 1 && reason == reasonMemory {
			return g.refuse(t.jobs[jobName], &Refusal{Reason: reasonMemory, used: g.mu.memory.base(), limit: g.mu.memory.budget, all: true})
		}
		return nil
	}
	if r := oversized(cfg, ls); r != nil {
		return g.refuse(t.jobs[jobName], r)
	}
	name := ls.Get(model.MetricNameLabel)
	j := t.job(jobName)
	if essential(name) {
		switch {
		case !t.refuses(j, p):
			return nil
		case t.spared < max(leastSpare, cfg.MaxSeries/sparePart):
			t.spared++
			return nil
		}
	}
	own := cfg.Jobs[jobName]
	if limit, key := first(own.MaxSeriesPerTarget, cfg.MaxSeriesPerTarget, reasonTarget); limit > 0 {
		if of := j.targets[ls.Get("instance")]; of != nil && of.n >= limit {
			return g.refuse(j, &Refusal{Reason: reasonTarget, used: int64(of.n), limit: int64(limit), key: key})
		}
	}
	if limit, key := first(own.MaxSeries, cfg.MaxSeriesPerJob, reasonJob); limit > 0 && j.n >= limit {
		return g.refuse(j, &Refusal{Reason: reasonJob, used: int64(j.n), limit: int64(limit), key: key})
	}
	if !t.refuses(j, p) {
		return nil
	}
	r := &Refusal{Reason: reason, used: int64(t.total), limit: int64(cfg.MaxSeries), all: p >= 1, has: j.n, share: int(max(j.usual, t.fair))}
	if reason == reasonMemory {
		r.used, r.limit = g.mu.memory.base(), g.mu.memory.budget
	}
	return g.refuse(j, r)
}

func (g *Gate) refuse(j *job, r *Refusal) *Refusal {
	if j != nil {
		j.refused++
	}
	return r
}

// first returns the job's own limit or that of all, and the key it is set by.
func first(own, all int, reason string) (int, string) {
	if own > 0 {
		return own, ownKeys[reason]
	}
	return all, keys[reason]
}

// oversized returns the limit on labels that a series exceeds, or nil.
func oversized(cfg *Config, ls labels.Labels) (r *Refusal) {
	over := func(reason string, n, limit int, label string) {
		if r == nil && limit > 0 && n > limit {
			r = &Refusal{Reason: reason, used: int64(n), limit: int64(limit), label: label}
		}
	}
	over(reasonLabels, ls.Len(), cfg.MaxLabels, "")
	if cfg.MaxLabelName <= 0 && cfg.MaxLabelValue <= 0 && cfg.MaxMetricName <= 0 {
		return r
	}
	ls.Range(func(l labels.Label) {
		if l.Name == model.MetricNameLabel {
			over(reasonMetricName, len(l.Value), cfg.MaxMetricName, l.Name)
			return
		}
		over(reasonLabelName, len(l.Name), cfg.MaxLabelName, l.Name)
		over(reasonLabelValue, len(l.Value), cfg.MaxLabelValue, l.Name)
	})
	return r
}
