package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/hearth-project/hearth/core/tsdb/block"
	"github.com/hearth-project/hearth/core/tsdb/compact"
)

// limits returns until when the samples of series with a retention of their own are not kept, and which retention says
// so.
func (db *DB) limits() ([]compact.Limit, *Retention) {
	r := db.keep.Load()
	newest := db.byClock(max(db.newestPart(math.MaxInt64), db.head.MaxTime()))
	var out []compact.Limit
	for _, s := range r.Selectors {
		out = append(out, compact.Limit{Matchers: s.Matchers, Before: newest - s.Keep.Milliseconds()})
	}
	return out, r
}

// limit writes parts anew that are older as a whole than some of their series are kept.
func (db *DB) limit(ctx context.Context) error {
	limits, of := db.limits()
	if len(limits) == 0 {
		return nil
	}
	for ctx.Err() == nil {
		list, err := db.listed()
		if err != nil {
			return err
		}
		var due *part
		for _, p := range list {
			if due = p; slices.ContainsFunc(overlappingWith(p, list), (*part).isDamaged) {
				due = nil
				continue
			}
			concerned, err := p.concerned(ctx, limits, of)
			if err != nil {
				return fmt.Errorf("retention of part %s: %w", p.dir, err)
			}
			if concerned {
				break
			}
			due = nil
		}
		if due == nil {
			return nil
		}
		more, err := db.mergeParts(ctx, func(parts []*part, _ int64) []*part { return overlappingWith(due, parts) })
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// concerned tells whether the part has series of which all samples are older than they are kept. The limits are those
// of a retention.
func (p *part) concerned(ctx context.Context, limits []compact.Limit, of *Retention) (bool, error) {
	if p.keptBy != of {
		p.keptBy, p.kept = of, map[int]bool{}
	}
	for i, l := range limits {
		if p.kept[i] || p.meta.MaxTime >= l.Before {
			continue
		}
		cs, err := p.block.Select(ctx, p.meta.MinTime, p.meta.MaxTime, l.Matchers...)
		if errors.Is(err, block.ErrCorrupt) {
			p.damaged.Store(true)
			p.db.m.damage.Inc()
			p.db.log.Error("A part is damaged and keeps samples beyond their retention", "part", p.dir, "err", err)
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, c := range cs {
			for s := range c.Len() {
				ls := c.Labels(s)
				if slices.IndexFunc(limits, func(l compact.Limit) bool { return compact.Matches(ls, l.Matchers) }) == i {
					return true, nil
				}
			}
		}
		p.kept[i] = true // there are others now, or none
	}
	return false, nil
}
