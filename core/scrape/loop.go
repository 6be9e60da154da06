package scrape

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/exposition"
)

// maxAhead is how far in the future a timestamp in an exposition may be.
const maxAhead = 10 * time.Minute

// loop scrapes one target until it is stopped. Then it waits whether the target comes back: if so, a successor gets
// its page; if not, it marks the series of the target stale.
type loop struct {
	manager  *Manager
	job      *job
	target   *target
	rules    *rules
	schedule schedule
	meta     *metadata
	log      *slog.Logger
	tooMany  atomic.Pointer[failure] // target_limit, while the job exceeds it

	predecessor *loop
	stopped     chan struct{} // closed: scrape no more
	yielded     chan struct{} // closed: leave the page to the successor
	done        chan struct{} // closed when the loop has ended; then its page may be taken

	// The goroutine's until done.
	page      *page
	inherited *page // of the predecessor, until there is a page

	status struct {
		sync.Mutex
		discovered labels.Labels // may change while the target stays the same
		health     string
		err        error
		at         time.Time
		duration   time.Duration
	}
}

// newLoop makes a loop for a target of a job, that goes on where predecessor, which may be nil, has ended.
func (m *Manager) newLoop(j *job, t *target, seed uint64, predecessor *loop) *loop {
	l := &loop{
		manager:     m,
		job:         j,
		target:      t,
		rules:       &rules{cfg: j.cfg, relabel: j.metricRelabel, target: t, reading: readingOf(j.cfg, j.features, t), features: j.features},
		schedule:    newSchedule(t.interval, t.labels.Hash(), seed, &m.pace),
		meta:        &metadata{},
		log:         m.log.With("job", j.cfg.JobName, "target", t.url),
		predecessor: predecessor,
		stopped:     make(chan struct{}),
		yielded:     make(chan struct{}),
		done:        make(chan struct{}),
	}
	l.status.discovered = t.discovered
	l.status.health = HealthUnknown
	if predecessor != nil {
		l.meta = predecessor.meta // which ends before this one begins
		predecessor.status.Lock()
		l.status.health, l.status.err = predecessor.status.health, predecessor.status.err
		l.status.at, l.status.duration = predecessor.status.at, predecessor.status.duration
		predecessor.status.Unlock()
	}
	return l
}

// run is the goroutine of the loop.
func (l *loop) run(ctx context.Context) {
	defer close(l.done)
	if p := l.predecessor; p != nil {
		select {
		case <-p.done:
			l.inherited = p.leave()
			l.predecessor = nil
		case <-ctx.Done():
			l.job.using.Done()
			return
		}
	}
	l.scrapeAll(ctx)
	l.job.using.Done()
	l.retire(ctx)
}

// leave returns the page of a loop that is done.
func (l *loop) leave() *page {
	if l.page != nil {
		return l.page
	}
	return l.inherited
}

// scrapeAll scrapes at each time of the schedule. A time that passes while a scrape runs is skipped.
func (l *loop) scrapeAll(ctx context.Context) {
	due := l.schedule.next(time.Now())
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.stopped:
			return
		case <-timer.C:
		}
		now := time.Now()
		l.manager.metrics.lateness.Observe(max(0, now.Sub(due).Seconds()))
		l.scrape(ctx, l.schedule.stamp(due, now))
		due = l.schedule.after(due, time.Now())
		timer.Reset(time.Until(due))
	}
}

// retire waits for a successor, a little longer than two more scrapes would take, and marks the series stale if none
// comes, as of the first of those scrapes. When the server stops, nothing is marked: it may be back soon.
func (l *loop) retire(ctx context.Context) {
	page := l.leave()
	if page == nil || ctx.Err() != nil {
		return
	}
	missed := l.schedule.next(time.Now())
	timer := time.NewTimer(time.Until(missed) + l.schedule.interval + l.schedule.interval/10)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-l.yielded:
		return
	case <-timer.C:
	}
	if !l.manager.expire(l) {
		return // a successor came at the last moment
	}
	if err := page.retire(ctx, missed.UnixMilli()); err != nil {
		l.log.Warn("The series of a target that is gone could not be marked stale", "err", err)
	}
	l.page, l.inherited = nil, nil
}

// scrape scrapes once; its samples have the time at.
func (l *loop) scrape(ctx context.Context, at time.Time) {
	start := time.Now()
	a := l.manager.replies.Get().(*reply)
	defer l.manager.replies.Put(a)
	err := l.fetch(ctx, a)
	s := l.manager.scratch.Get().(*scratch) // now that it can go on without waiting for the target
	defer func() {
		s.release()
		l.manager.scratch.Put(s)
	}()
	var r report
	t := at.UnixMilli()
	err = l.read(s, a, err, t, &r)
	if ctx.Err() != nil {
		return // cut off by the end of the server: nothing is known of the target
	}
	r.up = err == nil
	r.duration = time.Since(start).Seconds()
	if l.page != nil {
		var unstored error
		if err == nil && r.bytes > 0 {
			unstored = l.page.store(ctx, &s.walk, t, r)
		} else { // after an empty body, too, its series are known
			unstored = l.page.fail(ctx, t, r)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = unstored
		}
		if l.page.worn() {
			l.inherited, l.page = l.page, nil
		}
	}
	l.finish(start, err)
}

// read walks over the reply of the target, unless there is none because of err, and finds slots for its series: what may
// fail a scrape. The scrape is at now, Unix milliseconds.
func (l *loop) read(s *scratch, a *reply, err error, now int64, r *report) error {
	if l.page == nil {
		page, err := newPage(&l.manager.env, l.rules, s.builder, l.inherited)
		if err != nil {
			return failf(failStorage, "the series of the target cannot be stored: %w", err)
		}
		l.page, l.inherited = page, nil
	}
	var body []byte
	if err == nil {
		body, err = s.decode(a, bodyLimit(l.job.cfg.BodySizeLimit))
	}
	if err != nil {
		if reasonOf(err) == failBodySize {
			r.bytes = -1
		}
		return err
	}
	r.bytes = len(body)
	l.manager.metrics.bytes.Add(float64(len(body)))
	w := &s.walk
	w.begin(l.page, l.meta, s, now, time.Now().Add(maxAhead).UnixMilli())
	if len(body) > 0 { // a target may have nothing to say, in any format
		var f exposition.Format
		if f, err = exposition.FormatOf(a.contentType, l.job.cfg.FallbackScrapeProtocol, l.job.features.openMetrics2); err != nil {
			return &failure{failContentType, err}
		}
		err = w.read(body, f)
	}
	if err == nil {
		err = w.end()
	}
	r.scraped, r.kept = w.scraped, w.kept
	if err == nil {
		err = l.page.resolve(w)
	}
	if err != nil {
		w.undo()
		return err
	}
	r.added = w.added
	return nil
}

// fetch asks the target.
func (l *loop) fetch(ctx context.Context, a *reply) error {
	if tooMany := l.tooMany.Load(); tooMany != nil {
		return tooMany
	}
	ctx, cancel := context.WithTimeout(ctx, l.target.timeout)
	defer cancel()
	return l.job.source.fetch(ctx, l.target, a)
}

// finish notes how a scrape went.
func (l *loop) finish(start time.Time, err error) {
	duration := time.Since(start)
	l.manager.metrics.duration.Observe(duration.Seconds())
	health := HealthUp
	if err != nil {
		health = HealthDown
		l.manager.metrics.failures.WithLabelValues(reasonOf(err)).Inc()
		l.log.Debug("Scrape failed", "err", err)
	}
	l.status.Lock()
	was := l.status.health
	l.status.health, l.status.err, l.status.at, l.status.duration = health, err, start, duration
	l.status.Unlock()
	switch {
	case health == HealthDown && was != HealthDown:
		l.log.Warn("Target is down", "err", err)
	case health == HealthUp && was == HealthDown:
		l.log.Info("Target is up again")
	}
}
