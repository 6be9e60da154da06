package tsdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// Delete deletes the samples in mint..maxt (Unix milliseconds, inclusive) of the series that satisfy all matchers.
// When it returns they are not seen any more, also after a crash; after an error all of them are seen, or none. No
// matcher means all series. Their bytes go when their parts are merged, and till then LabelNames and LabelValues know
// them; CleanTombstones does not wait for that.
//
// Samples that come later are kept, with one exception: a late sample of a deleted series whose time is within
// what was deleted from the head is taken for deleted, until that time is cut from the head.
func (db *DB) Delete(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) error {
	unlock := db.alone()
	defer unlock()
	if err := db.delete(ctx, mint, maxt, ms); err != nil {
		return fmt.Errorf("delete %v in %d..%d: %w", ms, mint, maxt, err)
	}
	return nil
}

// alone keeps cuts, merges and deletions from going on until the function it returns is called. A merge that is
// under way is called off; it begins anew later.
func (db *DB) alone() (unlock func()) {
	db.waiting.Add(1)
	db.compaction.Lock()
	db.waiting.Add(-1)
	db.maintenance.Lock()
	return func() {
		db.maintenance.Unlock()
		db.compaction.Unlock()
	}
}

func (db *DB) delete(ctx context.Context, mint, maxt int64, ms []*labels.Matcher) error {
	if mint > maxt {
		return errors.New("the range is empty")
	}
	if db.truncated { // or a crash would bring back, into the head, what is in parts now
		if err := db.head.Checkpoint(); err != nil {
			return err
		}
		db.truncated = false
	}
	t := tombstone{Tombstone: compact.Tombstone{Matchers: ms, Mint: mint, Maxt: maxt, Ends: map[string]int64{}}}
	list, err := db.listed()
	if err != nil {
		return err
	}
	for _, p := range list {
		if p.meta.MaxTime < mint || p.meta.MinTime > maxt {
			continue
		}
		cs, err := p.block.Select(ctx, mint, maxt, ms...)
		switch {
		case errors.Is(err, block.ErrCorrupt): // what it has cannot be told
		case err != nil:
			return err
		case len(cs) == 0:
			continue
		}
		t.parts = append(t.parts, p.number)
	}
	slices.Sort(t.parts)
	lease := head.NewLease()
	defer lease.Close()
	lists, err := db.head.Select(ctx, lease, mint, maxt, ms...)
	if err != nil {
		return err
	}
	for _, c := range slices.Concat(lists...) {
		ts, k := c.Times(), compact.GroupKey(c.Common())
		if end, ok := t.Ends[k]; !ok || end < ts[len(ts)-1] {
			t.Ends[k] = ts[len(ts)-1]
		}
	}
	if len(t.parts) == 0 && len(t.Ends) == 0 {
		return nil
	}
	return db.setTombstones(append(db.prunedTombstones(), t))
}

// listed returns the parts that live. Whoever calls it keeps merges and deletions away while it uses them.
func (db *DB) listed() ([]*part, error) {
	db.parts.Lock()
	defer db.parts.Unlock()
	if db.parts.closed {
		return nil, storage.ErrClosed
	}
	return slices.Clone(db.parts.list), nil
}

// prunedTombstones returns the tombstones that still apply.
func (db *DB) prunedTombstones() []tombstone {
	headMint := db.head.MinTime()
	db.parts.Lock()
	defer db.parts.Unlock()
	return db.parts.tombs.pruned(func(n uint64) bool {
		if db.parts.manifest.live[n] {
			return true
		}
		_, err := db.fs.Stat(db.partDir(n)) // if the manifest were lost, it would live again
		return !errors.Is(err, fs.ErrNotExist)
	}, headMint)
}

// setTombstones makes these the tombstones, durably, and has them count.
func (db *DB) setTombstones(list []tombstone) error {
	db.parts.Lock()
	s := tombstones{sequence: db.parts.tombs.sequence + 1, list: list}
	db.parts.Unlock()
	if err := s.write(db.fs, db.opts.Dir); err != nil {
		// One copy may be there. What is seen until the next start is what was before; so is it then, if the
		// sequence is overtaken now.
		db.parts.Lock()
		defer db.parts.Unlock()
		old := tombstones{sequence: s.sequence + 1, list: db.parts.tombs.list}
		db.parts.tombs.sequence = old.sequence
		return errors.Join(err, old.write(db.fs, db.opts.Dir))
	}
	db.parts.Lock()
	defer db.parts.Unlock()
	db.parts.tombs = s
	db.parts.inHead = s.ofHead()
	for _, p := range db.parts.list {
		p.setTombstones(s.ofPart(p.number))
	}
	return nil
}

func (p *part) setTombstones(ts []compact.Tombstone) { p.tombs.Store(&ts) }

// mask returns what is not to be seen of the part.
func (p *part) mask() compact.Mask {
	if ts := p.tombs.Load(); ts != nil {
		return compact.Mask{Tombstones: *ts}
	}
	return compact.Mask{}
}

// headMask returns what is not to be seen of the head.
func (db *DB) headMask() compact.Mask {
	db.parts.Lock()
	defer db.parts.Unlock()
	return compact.Mask{Tombstones: db.parts.inHead}
}

// forgetTombstones drops the tombstones of parts that are gone, and of what the head does not hold any more. For
// the head it must be called after a checkpoint: what a crash brings back must not be seen.
func (db *DB) forgetTombstones() error {
	list := db.prunedTombstones()
	db.parts.Lock()
	same := slices.EqualFunc(list, db.parts.tombs.list, func(a, b tombstone) bool {
		return len(a.parts) == len(b.parts) && len(a.Ends) == len(b.Ends)
	})
	db.parts.Unlock()
	if same {
		return nil
	}
	return db.setTombstones(list)
}

// CleanTombstones writes the parts that have deleted samples anew without them. What is deleted in the head
// leaves the disk when the head is cut.
func (db *DB) CleanTombstones(ctx context.Context) error {
	db.waiting.Add(1)
	db.compaction.Lock()
	db.waiting.Add(-1)
	defer db.compaction.Unlock()
	for {
		more, err := db.mergeParts(ctx, func(parts []*part, _ int64) []*part {
			for _, p := range parts {
				if p.mask().Empty() {
					continue
				}
				if set := overlappingWith(p, parts); !slices.ContainsFunc(set, (*part).isDamaged) {
					return set
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("clean tombstones: %w", err)
		}
		if !more {
			break
		}
	}
	db.maintenance.Lock()
	defer db.maintenance.Unlock()
	return db.forgetTombstones()
}

// overlappingWith returns p and the parts that overlap it, and those that overlap these, in order of their
// numbers: what can be written anew with a greater number, since no other part has samples at the same times.
func overlappingWith(p *part, parts []*part) []*part {
	set := []*part{p}
	mint, maxt := p.meta.MinTime, p.meta.MaxTime
	for grown := true; grown; {
		grown = false
		for _, o := range parts {
			if o.meta.MaxTime >= mint && o.meta.MinTime <= maxt && !slices.Contains(set, o) {
				set, grown = append(set, o), true
				mint, maxt = min(mint, o.meta.MinTime), max(maxt, o.meta.MaxTime)
			}
		}
	}
	slices.SortFunc(set, byNumber)
	return set
}
