package tsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
)

// Parts are merged within windows of these lengths, aligned like the ranges of the cut, so that any two parts
// lie in different windows or one in the window of the other. The first length is that of the cut itself: late
// samples make a second part there.
var mergeRanges = [...]int64{cutRange, 4 * cutRange, 12 * cutRange, 96 * cutRange, 384 * cutRange}

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
	set, number := db.beginMerge()
	if len(set) == 0 {
		return false, nil
	}
	defer func() {
		for _, p := range set {
			p.release()
		}
	}()
	total := int64(0)
	blocks := make([]*block.Block, len(set))
	for i, p := range set {
		total += p.bytes
		blocks[i] = p.block
	}
	if free, err := db.fs.Free(db.opts.Dir); err == nil && free < uint64(total)+uint64(total)/4 {
		db.log.Warn("Parts are not merged: the disk has no room for the result", "bytes", total, "free", free)
		return false, nil
	}
	start := time.Now()
	if _, err := compact.Merge(ctx, db.fs, db.partDir(number), blocks); err != nil {
		if !errors.Is(err, block.ErrCorrupt) {
			return false, err
		}
		db.noteDamage(ctx, set, err)
		return true, nil
	}
	p, err := db.openPart(number)
	if err != nil {
		return false, fmt.Errorf("merge: %w", err)
	}
	if err := db.replace([]*part{p}, set); err != nil {
		return false, fmt.Errorf("merge: %w", err)
	}
	db.m.merges.Inc()
	db.m.mergeSeconds.Observe(time.Since(start).Seconds())
	db.log.Info("Parts merged", "parts", len(set), "into", p.dir, "mint", p.meta.MinTime, "maxt", p.meta.MaxTime,
		"bytes_before", total, "bytes", p.bytes)
	return true, nil
}

// beginMerge chooses the parts to merge and the number of the result: greater than theirs, less than that of
// any part that is cut from now on. The parts are kept until released.
func (db *DB) beginMerge() ([]*part, uint64) {
	db.maintenance.Lock() // no cut is between its number and its place in the list
	defer db.maintenance.Unlock()
	end := alignDown(db.newestPart()) + cutRange
	db.parts.Lock()
	defer db.parts.Unlock()
	if db.parts.closed {
		return nil, 0
	}
	set := planMerge(db.parts.list, end, db.opts.Retention)
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
