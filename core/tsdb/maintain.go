package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

const (
	cutRange    = 2 * 60 * 60 * 1000 // of a part from the head, milliseconds
	cutReserve  = cutRange / 2       // what the head keeps beyond that
	checkpointT = 10 * time.Minute   // longest time between checkpoints while samples come
)

// alignDown returns the start of the cut range that t falls into.
func alignDown(t int64) int64 {
	d := t % cutRange
	if d < 0 {
		d += cutRange
	}
	return t - d
}

// byClock returns t, but no time that is more than an hour ahead of the clock. The clock may have been ahead: what was
// stored then decides nothing once it is right, be it what is cut or what is too old.
func (db *DB) byClock(t int64) int64 { return min(t, db.opts.Clock().Add(time.Hour).UnixMilli()) }

// maintain mends a failed log, cuts what is due and takes a checkpoint when the log is long.
func (db *DB) maintain(ctx context.Context) error {
	db.maintenance.Lock()
	defer db.maintenance.Unlock()
	db.watchSpace()
	err := db.maintainHead(ctx)
	db.noteFull(err)
	return err
}

func (db *DB) maintainHead(ctx context.Context) error {
	now := db.opts.Clock()
	if db.head.Failed() != nil {
		return db.checkpoint(now)
	}
	cut, err := db.cut(ctx)
	n := db.head.LogBytes()
	if cut || n > db.opts.CheckpointBytes || n > 0 && now.Sub(db.lastCheck) > checkpointT {
		if err == nil {
			err = db.letEndedGo(ctx)
		}
		err = errors.Join(err, db.checkpoint(now))
	}
	return err
}

const (
	endedLeast = 10_000 // series that ended, for which a cut before its time is worth it
	endedShare = 3      // and of so many series one ended
)

// letEndedGo cuts the head before its time if much of it are series that ended: the cut takes them away, and with them
// the memory that each needs as long as the head has samples of it.
func (db *DB) letEndedGo(ctx context.Context) error {
	mint, maxt := db.head.MinTime(), db.byClock(db.head.MaxTime())
	if mint > maxt || maxt-relieveKeep-mint < relieveWorth {
		return nil
	}
	ended, all := db.head.Ended(maxt - relieveKeep)
	if ended < endedLeast || ended*endedShare < all {
		return nil
	}
	db.log.Info("Many series ended: what is older than twenty minutes is cut", "ended", ended, "series", all)
	if err := db.cutTo(ctx, maxt-relieveKeep); err != nil {
		db.m.failures.Inc()
		return fmt.Errorf("cut of the head before %d: %w", maxt-relieveKeep, err)
	}
	return nil
}

// checkpoint takes a checkpoint of the head, and forgets what that makes unneeded.
func (db *DB) checkpoint(now time.Time) error {
	db.lastCheck = now
	if err := db.head.Checkpoint(); err != nil {
		return err
	}
	db.truncated = false
	return db.forgetTombstones()
}

// cut moves the oldest ranges of the head into parts while it holds more than a range and the reserve, by the
// times of the data. It tells whether anything was cut.
func (db *DB) cut(ctx context.Context) (done bool, err error) {
	for ctx.Err() == nil {
		mint, maxt := db.head.MinTime(), db.byClock(db.head.MaxTime())
		if mint > maxt {
			return done, nil
		}
		to := alignDown(mint) + cutRange
		if newest := db.newestPart(db.byClock(math.MaxInt64)); newest >= mint {
			if end := alignDown(newest) + cutRange; to <= end { // late samples wait for the next range
				to = end + cutRange
			}
		}
		if to > maxt-cutReserve {
			return done, nil
		}
		if err := db.cutTo(ctx, to); err != nil {
			db.m.failures.Inc()
			return done, fmt.Errorf("cut of the head before %d: %w", to, err)
		}
		done = true
	}
	return done, nil
}

// cutTo moves all before to into parts, one a range.
func (db *DB) cutTo(ctx context.Context, to int64) error {
	start := time.Now()
	db.head.Barrier(to)
	for t := db.head.NextTime(math.MinInt64); t < to; {
		lo := alignDown(t)
		hi := min(lo+cutRange, to)
		if err := db.cutPart(ctx, lo, hi-1); err != nil {
			return err
		}
		t = db.head.NextTime(hi)
	}
	db.head.Truncate(to)
	db.natives.sweep()
	db.truncated = true
	db.m.cutSeconds.Observe(time.Since(start).Seconds())
	return nil
}

// Pending returns how much memory the head will need for the series it has, beyond what it needs now, in bytes: each keeps
// its last rows.
func (db *DB) Pending() int64 {
	s := db.head.Stats()
	return max(0, int64(s.Series)*head.OpenBytes-s.OpenBytes)
}

const (
	relieveKeep  = 20 * 60 * 1000 // what the head keeps when it is cut before its time, milliseconds
	relieveWorth = 30 * 60 * 1000 // what a cut must take away at least
)

// Relieve lets go of memory before it is time: what is older than twenty minutes is cut from the head, with the series
// that have nothing newer, and a checkpoint moves the rest, but for the last rows, into files.
func (db *DB) Relieve(ctx context.Context) error {
	db.maintenance.Lock()
	defer db.maintenance.Unlock()
	if db.head.Failed() == nil {
		mint, maxt := db.head.MinTime(), db.byClock(db.head.MaxTime())
		if mint <= maxt && maxt-relieveKeep-mint >= relieveWorth {
			if err := db.cutTo(ctx, maxt-relieveKeep); err != nil {
				db.m.failures.Inc()
				db.noteFull(err)
				return fmt.Errorf("cut of the head before %d: %w", maxt-relieveKeep, err)
			}
		}
	}
	err := db.checkpoint(db.opts.Clock())
	db.noteFull(err)
	return err
}

// cutPart writes what the head has of mint..maxt into a part and adds it.
func (db *DB) cutPart(ctx context.Context, mint, maxt int64) error {
	lease := head.NewLease()
	defer lease.Close()
	lists, err := db.head.Select(ctx, lease, mint, maxt)
	if err != nil {
		return err
	}
	mask := db.headMask()
	for i := range lists {
		if lists[i], err = mask.Apply(lists[i]); err != nil {
			return err
		}
	}
	lists = slices.DeleteFunc(lists, func(cs []storage.Columns) bool { return len(cs) == 0 })
	if len(lists) == 0 {
		return nil
	}
	groups := lists[0]
	if len(lists) > 1 {
		groups = compact.MergeColumns(lists...)
	}
	n := db.nextNumber()
	if _, err := block.Write(db.fs, db.partDir(n), mint, maxt, groups); err != nil {
		return err
	}
	p, err := db.openPart(n)
	if err != nil {
		return err
	}
	if err := db.replace([]*part{p}, nil); err != nil {
		return err
	}
	db.m.cuts.Inc()
	db.m.cutBytes.Add(float64(p.bytes))
	db.log.Info("Part cut", "part", p.dir, "mint", p.meta.MinTime, "maxt", p.meta.MaxTime, "bytes", p.bytes)
	return nil
}

func (db *DB) nextNumber() uint64 {
	db.parts.Lock()
	defer db.parts.Unlock()
	n := db.parts.manifest.next
	db.parts.manifest.next++
	return n
}

// replace makes fresh parts live and old ones dead, durably, and takes over the references to both.
func (db *DB) replace(fresh, old []*part) error {
	db.parts.Lock()
	defer db.parts.Unlock()
	err := error(storage.ErrClosed)
	if !db.parts.closed {
		err = db.parts.manifest.edit(numbers(fresh), numbers(old))
	}
	if err != nil {
		for _, p := range fresh { // the directory stays: the edit may have reached the disk
			p.release()
		}
		return err
	}
	dead := map[*part]bool{}
	for _, p := range old {
		dead[p] = true
		p.doomed.Store(true)
	}
	var list []*part
	for _, p := range db.parts.list {
		if !dead[p] {
			list = append(list, p)
		}
	}
	db.parts.list = append(list, fresh...)
	db.sortParts()
	for _, p := range old {
		p.release()
	}
	return nil
}

func numbers(ps []*part) []uint64 {
	var out []uint64
	for _, p := range ps {
		out = append(out, p.number)
	}
	return out
}

// retire deletes what retention does not keep and merges parts. It is called every five seconds, and so long at
// most data is kept beyond its time or size; the files of a deleted part go when the last query that reads them
// is done.
func (db *DB) retire(ctx context.Context) error {
	db.compaction.Lock()
	defer db.compaction.Unlock()
	err := db.retain()
	if err == nil {
		err = db.limit(ctx)
	}
	for err == nil && ctx.Err() == nil {
		var more bool
		if more, err = db.merge(ctx); !more {
			break
		}
	}
	if err != nil {
		db.m.failures.Inc()
		db.noteFull(err)
	}
	return err
}
