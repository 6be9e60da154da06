package head

import (
	"context"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// Records of the log: FORMAT.md, section 3.
const (
	recGroup  = 1 // a group and its common labels
	recSeries = 2 // a slot of a group and its own labels
	recRows   = 3 // cells
	recMove   = 4 // a series goes on in a group of its own
)

// scratch is what an append needs outside of the lock.
type scratch struct{ sums []uint32 }

// Append implements storage.Writer.
func (h *Head) Append(ctx context.Context, series []model.Series) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := h.scratch.Get().(*scratch)
	defer h.scratch.Put(s)
	s.sums = s.sums[:0]
	for i := range series {
		s.sums = append(s.sums, h.w.hash.sum(series[i].Labels))
	}
	stored, rejected, first, pos, err := h.appendSeries(series, s.sums)
	if err != nil {
		return err
	}
	if err := h.commit(pos); err != nil {
		return err
	}
	h.samples.Add(int64(stored))
	if rejected > 0 {
		return &storage.AppendError{Rejected: rejected, Stored: stored, First: first}
	}
	return nil
}

func (h *Head) appendSeries(series []model.Series, sums []uint32) (stored, rejected int, first error, pos wal.Pos, err error) {
	h.w.Lock()
	defer h.w.Unlock()
	if err := h.writable(); err != nil {
		h.m.reject(err, 1)
		return 0, 0, nil, 0, err
	}
	b := &h.w.batch
	b.begin(h)
	var g *group
	var shut error // why samples of the group are not taken
	for i := range series {
		if len(series[i].Samples) == 0 {
			continue
		}
		at, err := h.seriesAt(sums[i], series[i].Labels, nil, func(k int) labels.Labels {
			if k += i; k < len(series) {
				return series[k].Labels
			}
			return labels.EmptyLabels()
		})
		if err != nil {
			for range series[i].Samples {
				b.reject(h, err)
			}
			continue
		}
		if g == nil || g.id != at.group {
			g = h.groupAt(at.group)
			shut = h.open(g.common)
		}
		if shut != nil {
			for range series[i].Samples {
				b.reject(h, fmt.Errorf("series %s: %w", series[i].Labels, shut))
			}
			continue
		}
		for _, s := range series[i].Samples {
			if s.T < b.lo || s.T > b.hi {
				b.reject(h, fmt.Errorf("series %s: %w", series[i].Labels, h.timeError(s.T, b)))
				continue
			}
			b.stage(g, at.slot, s.T, s.V)
			if len(b.cells) == maxBatch {
				if err := h.flush(b); err != nil {
					return 0, 0, nil, 0, err
				}
				b.next(h)
				if now := h.dir.locs.get(g.series[at.slot]); now != at { // it moved
					at = now
					g = h.groupAt(at.group)
				}
			}
		}
	}
	if err := h.flush(b); err != nil {
		return 0, 0, nil, 0, err
	}
	return b.stored, b.rejected, b.first, h.log.End(), nil
}

// timeError says why t is outside of what the batch takes.
func (h *Head) timeError(t int64, b *batch) error {
	if t > b.hi {
		return fmt.Errorf("%w: time %d is more than %v ahead of the clock", storage.ErrTooNew, t, maxFuture)
	}
	return fmt.Errorf("%w: time %d, the oldest that is kept is %d", storage.ErrTooOld, t, b.lo)
}
