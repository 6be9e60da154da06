package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
)

// Parts are merged within windows of these lengths, aligned like the ranges of the cut, so that any two parts
// lie in different windows or one in the window of the other. The first length is that of the cut itself: late
// samples make a second part there.
var mergeRanges = [...]int64{cutRange, 12 * cutRange, 96 * cutRange}

const (
	retentionShare = 10 // a merged part spans at most this share of the retention: it goes as a whole
	worthShare     = 8  // the others have at least this share of the largest part's bytes,
	worthParts     = 8  // or are this many: late samples shall not have a large part written over and over
)

// window returns the start of the window of length r that t falls into.
func window(t, r int64) int64 {
	d := t % r
	if d < 0 {
		d += r
	}
	return t - d
}

// planMerge returns the parts to merge next, in the order of their numbers; none if there is nothing to do.
// All parts of a window are merged, so that what stays beside the result is older than all of it and the order
// of numbers stays that of age. Windows before end get no more samples but late ones.
func planMerge(parts []*part, end int64, retention time.Duration) []*part {
	for _, r := range mergeRanges {
		if r > cutRange && retention > 0 && r > retention.Milliseconds()/retentionShare {
			break
		}
		windows := map[int64][]*part{}
		var starts []int64
		for _, p := range parts {
			w := window(p.meta.MinTime, r)
			if window(p.meta.MaxTime, r) != w || w+r > end {
				continue
			}
			if windows[w] == nil {
				starts = append(starts, w)
			}
			windows[w] = append(windows[w], p)
		}
		slices.Sort(starts)
		for _, w := range starts {
			if set := windows[w]; worthMerging(set) {
				slices.SortFunc(set, byNumber)
				return set
			}
		}
	}
	return nil
}

func byNumber(a, b *part) int {
	switch {
	case a.number < b.number:
		return -1
	case a.number > b.number:
		return 1
	}
	return 0
}

func worthMerging(set []*part) bool {
	if len(set) < 2 {
		return false
	}
	total, largest := int64(0), int64(0)
	for _, p := range set {
		if p.damaged.Load() {
			return false
		}
		total += p.bytes
		largest = max(largest, p.bytes)
	}
	return len(set) > worthParts || (total-largest)*worthShare >= largest
}

// merge makes one part of several. It tells whether there may be more to merge.
func (db *DB) merge(ctx context.Context) (more bool, err error) {
	return db.mergeParts(ctx, func(parts []*part, end int64) []*part { return planMerge(parts, end, db.keep.Load().Time) })
}

// errPreempted ends a merge that others do not want to wait for.
var errPreempted = errors.New("a merge was called off for something more urgent")

// mergeParts makes one part of those that choose chooses among all, or none if nothing of them is left. end is
// where the cut range of the newest sample in parts ends. It tells whether anything was chosen. The caller
// holds compaction.
func (db *DB) mergeParts(ctx context.Context, choose func(parts []*part, end int64) []*part) (more bool, err error) {
	set, number := db.beginMerge(choose)
	if len(set) == 0 {
		return false, nil
	}
	defer func() {
		for _, p := range set {
			p.release()
		}
	}()
	total := int64(0)
	limits, _ := db.limits()
	inputs := make([]compact.Input, len(set))
	for i, p := range set {
		total += p.bytes
		inputs[i] = compact.Input{Block: p.block, Mask: compact.Mask{Tombstones: p.mask().Tombstones, Limits: limits}}
	}
	if free, err := db.fs.Free(db.opts.Dir); err == nil && free < uint64(total)+uint64(total)/4 {
		db.log.Warn("Parts are not merged: the disk has no room for the result", "bytes", total, "free", free)
		return false, nil
	}
	start := time.Now()
	var fresh []*part
	_, err = compact.Merge(ctx, db.fs, db.partDir(number), inputs, db.pace())
	switch {
	case errors.Is(err, block.ErrCorrupt):
		db.noteDamage(ctx, set, err)
		return true, nil
	case errors.Is(err, errPreempted):
		return false, nil
	case errors.Is(err, block.ErrEmpty):
	case err != nil:
		return false, err
	default:
		p, err := db.openPart(number)
		if err != nil {
			return false, fmt.Errorf("merge: %w", err)
		}
		fresh = append(fresh, p)
	}
	if err := db.replace(fresh, set); err != nil {
		return false, fmt.Errorf("merge: %w", err)
	}
	db.m.merges.Inc()
	db.m.mergeSeconds.Observe(time.Since(start).Seconds())
	for _, p := range fresh {
		db.m.mergeBytes.Add(float64(p.bytes))
		db.log.Info("Parts merged", "parts", len(set), "into", p.dir, "mint", p.meta.MinTime, "maxt", p.meta.MaxTime,
			"bytes_before", total, "bytes", p.bytes)
	}
	return true, nil
}

const (
	mergeTurn  = 20 * time.Millisecond // a merge works so long before it looks who else is there,
	longestGap = 200 * time.Millisecond
)

// pace returns what a merge calls between groups. While samples come it rests as long as it has worked, so that
// it takes half a core at most, and gives way when somebody waits for it to end.
func (db *DB) pace() func(context.Context) error {
	began, newest := time.Now(), db.head.MaxTime()
	return func(ctx context.Context) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if db.waiting.Load() > 0 {
			return errPreempted
		}
		worked := time.Since(began)
		if worked < mergeTurn {
			return nil
		}
		if now := db.head.MaxTime(); now != newest {
			newest = now
			rest := time.NewTimer(min(worked, longestGap))
			defer rest.Stop()
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-rest.C:
			}
		}
		began = time.Now()
		return nil
	}
}

// beginMerge has the parts to merge chosen, and the number of the result: greater than theirs, less than that of
// any part that is cut from now on. The parts are kept until released.
func (db *DB) beginMerge(choose func(parts []*part, end int64) []*part) ([]*part, uint64) {
	db.maintenance.Lock() // no cut is between its number and its place in the list
	defer db.maintenance.Unlock()
	end := alignDown(db.newestPart(math.MaxInt64)) + cutRange
	db.parts.Lock()
	defer db.parts.Unlock()
	if db.parts.closed {
		return nil, 0
	}
	set := choose(db.parts.list, end)
	if len(set) == 0 {
		return nil, 0
	}
	for _, p := range set {
		p.refs.Add(1)
	}
	n := db.parts.manifest.next
	db.parts.manifest.next++
	return set, n
}

// noteDamage finds out which of the parts are damaged. They are left as they are and serve what can be read:
// a merge would make the gap permanent.
func (db *DB) noteDamage(ctx context.Context, set []*part, cause error) {
	found := false
	for _, p := range set {
		err := p.block.Verify(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		found = true
		p.damaged.Store(true)
		db.m.damage.Inc()
		db.log.Error("A part is damaged and not merged; queries that need the damaged bytes fail, others do not. "+
			"To serve the rest of such queries, stop hearth and move the part's directory away", "part", p.dir, "err", err)
	}
	if found || ctx.Err() != nil {
		return
	}
	db.m.damage.Inc()
	db.log.Error("Parts cannot be merged though their checksums are right; they stay as they are", "parts", len(set), "err", cause)
	for _, p := range set {
		p.damaged.Store(true)
	}
}
