package tsdb

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Retention is how long samples are kept. It may change while the database is open.
type Retention struct {
	Time       time.Duration // Options.Retention
	Bytes      int64         // Options.RetentionBytes
	Percentage float64       // Options.RetentionPercentage
	Selectors  []SelectorRetention
}

// SelectorRetention says how long samples are kept of the series that satisfy all matchers.
type SelectorRetention struct {
	Matchers []*labels.Matcher
	Keep     time.Duration
}

func (o *Options) retention() *Retention {
	return &Retention{Time: o.Retention, Bytes: o.RetentionBytes, Percentage: o.RetentionPercentage, Selectors: o.SelectorRetention}
}

func (r *Retention) check() error {
	if r.Time < 0 || r.Bytes < 0 || !(r.Percentage >= 0 && r.Percentage <= 100) {
		return fmt.Errorf("the retention of %s, %d bytes and %g percent is none", r.Time, r.Bytes, r.Percentage)
	}
	for _, s := range r.Selectors {
		if s.Keep <= 0 || r.Time > 0 && s.Keep > r.Time {
			return fmt.Errorf("the retention of %v is %s: it must be more than 0 and at most that of all series, %s", s.Matchers, s.Keep, r.Time)
		}
	}
	return nil
}

// SetRetention makes r what counts from now on; on an error nothing changes. What is too old by it goes within
// seconds, and what parts are to be written anew for, one after the other.
func (db *DB) SetRetention(r Retention) error {
	if err := r.check(); err != nil {
		return err
	}
	db.keep.Store(&r)
	db.head.SetRetention(r.Time)
	return nil
}

// sizeLimit returns how many bytes all files may have; 0 is no limit.
func (db *DB) sizeLimit() int64 {
	r := db.keep.Load()
	limit := r.Bytes
	if r.Percentage > 0 {
		if size, err := db.fs.Size(db.opts.Dir); err == nil && size > 0 {
			share := max(1, int64(float64(size)*r.Percentage/100))
			if limit == 0 || share < limit {
				limit = share
			}
		}
	}
	return limit
}

// retain deletes the parts whose newest sample is older than the newest of all by the retention time, and the
// oldest parts while all files are larger than the limit.
func (db *DB) retain() error {
	keep, limit := db.keep.Load().Time, db.sizeLimit()
	newest := db.byClock(max(db.newestPart(math.MaxInt64), db.head.MaxTime()))
	db.parts.Lock()
	var old []*part
	total := int64(0)
	for _, p := range db.parts.list {
		total += p.bytes
	}
	if limit > 0 {
		total += db.dirSize(db.opts.Dir+"/wal") + db.dirSize(db.opts.Dir+"/head")
	}
	for _, p := range db.parts.list {
		byTime := keep > 0 && p.meta.MaxTime < newest-keep.Milliseconds()
		bySize := limit > 0 && total > limit
		if byTime || bySize {
			old = append(old, p)
			total -= p.bytes
		}
	}
	db.parts.Unlock()
	if len(old) == 0 {
		return nil
	}
	if err := db.replace(nil, old); err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	db.m.deletions.Add(float64(len(old)))
	db.log.Info("Parts deleted by retention", "parts", len(old), "newest", newest)
	return nil
}
