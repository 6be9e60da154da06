package tsdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
	"github.com/hearth-project/hearth/core/tsdb/head"
)

// querier implements storage.Querier. It keeps the parts and tile files it has read until it is closed.
type querier struct {
	db         *DB
	mint, maxt int64
	lease      *head.Lease
	skipped    func(error) // hears why a part is left out; nil: the selection fails

	mu     sync.Mutex
	parts  map[*part]struct{}
	closed bool
}

// Querier implements storage.Queryable.
func (db *DB) Querier(mint, maxt int64) (storage.Querier, error) {
	db.parts.Lock()
	defer db.parts.Unlock()
	if db.parts.closed {
		return nil, storage.ErrClosed
	}
	return &querier{db: db, mint: mint, maxt: maxt, lease: head.NewLease(), parts: map[*part]struct{}{}}, nil
}

// SkipDamaged has selections from now on leave out parts that cannot be selected from because they are damaged. Each
// time f hears which and why. Without it such a selection fails.
func (q *querier) SkipDamaged(f func(err error)) { q.skipped = f }

// overlapping returns the parts with samples in mint..maxt, kept until the querier is closed. Whoever reads
// the head as well must do that before: a cut puts samples into a part first and takes them from the head then.
func (q *querier) overlapping(mint, maxt int64) ([]*part, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, storage.ErrClosed
	}
	q.db.parts.Lock()
	defer q.db.parts.Unlock()
	if q.db.parts.closed {
		return nil, storage.ErrClosed
	}
	var out []*part
	for _, p := range q.db.parts.list {
		if p.meta.MaxTime < mint || p.meta.MinTime > maxt {
			continue
		}
		if _, ok := q.parts[p]; !ok {
			p.refs.Add(1)
			q.parts[p] = struct{}{}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, byNumber) // of two samples at one time the later part's counts
	return out, nil
}

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	mint, maxt = max(mint, q.mint), min(maxt, q.maxt)
	if mint > maxt {
		return nil, nil
	}
	inHead := q.db.headMask() // before the head is read: what it lets go of may be forgotten
	recent, err := q.db.head.Select(ctx, q.lease, mint, maxt, ms...)
	if err != nil {
		return nil, fmt.Errorf("select from the head: %w", err)
	}
	parts, err := q.overlapping(mint, maxt)
	if err != nil {
		return nil, err
	}
	var lists [][]storage.Columns
	for _, p := range parts {
		cs, err := p.block.Select(ctx, mint, maxt, ms...)
		if err == nil {
			cs, err = p.mask().Apply(cs)
		}
		if err != nil {
			err = fmt.Errorf("select from part %s: %w", p.dir, err)
			if q.skipped == nil || !errors.Is(err, block.ErrCorrupt) {
				return nil, err
			}
			q.skipped(err)
			continue
		}
		if len(cs) > 0 {
			lists = append(lists, cs)
		}
	}
	for _, cs := range recent {
		if cs, err = inHead.Apply(cs); err != nil {
			return nil, fmt.Errorf("select from the head: %w", err)
		}
		if len(cs) > 0 {
			lists = append(lists, cs)
		}
	}
	switch len(lists) {
	case 0:
		return nil, nil
	case 1:
		return facet.Gather(lists[0]), nil
	}
	return facet.Gather(compact.MergeColumns(lists...)), nil
}

// LabelNames implements storage.Querier.
func (q *querier) LabelNames(ctx context.Context, ms ...*labels.Matcher) ([]string, error) {
	var lists [][]string
	if q.headOverlaps() {
		lists = append(lists, q.db.head.LabelNames(ms...))
	}
	parts, err := q.overlapping(q.mint, q.maxt)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		names, err := p.block.LabelNames(ctx, ms...)
		if err != nil {
			return nil, fmt.Errorf("label names of part %s: %w", p.dir, err)
		}
		lists = append(lists, names)
	}
	return facet.Visible(union(lists)), nil
}

// LabelValues implements storage.Querier.
func (q *querier) LabelValues(ctx context.Context, name string, ms ...*labels.Matcher) ([]string, error) {
	if name == facet.Name {
		return nil, nil
	}
	var lists [][]string
	if q.headOverlaps() {
		lists = append(lists, q.db.head.LabelValues(name, ms...))
	}
	parts, err := q.overlapping(q.mint, q.maxt)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		values, err := p.block.LabelValues(ctx, name, ms...)
		if err != nil {
			return nil, fmt.Errorf("values of label %s of part %s: %w", name, p.dir, err)
		}
		lists = append(lists, values)
	}
	return union(lists), nil
}

func (q *querier) headOverlaps() bool {
	return q.db.head.MinTime() <= q.maxt && q.db.head.MaxTime() >= q.mint
}

// union returns what is in any of the lists, each of them in order, in order.
func union(lists [][]string) []string {
	if len(lists) == 0 {
		return nil
	}
	all := lists[0]
	for _, list := range lists[1:] {
		both := make([]string, 0, max(len(all), len(list)))
		for len(all) > 0 && len(list) > 0 {
			c := strings.Compare(all[0], list[0])
			if c <= 0 {
				both, all = append(both, all[0]), all[1:]
			} else {
				both = append(both, list[0])
			}
			if c >= 0 {
				list = list[1:]
			}
		}
		all = append(append(both, all...), list...)
	}
	return all
}

// Close implements storage.Querier.
func (q *querier) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	for p := range q.parts {
		p.release()
	}
	q.lease.Close()
	return nil
}
