package head

import (
	"context"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// A storage.Ref is the number of a series, plus one. Numbers are not used again.

// Refs implements storage.RefWriter.
func (h *Head) Refs(ctx context.Context, series []labels.Labels, refs []storage.Ref) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := h.scratch.Get().(*scratch)
	defer h.scratch.Put(s)
	s.sums = s.sums[:0]
	for i := range series {
		s.sums = append(s.sums, h.w.hash.sum(series[i]))
	}
	h.w.Lock()
	defer h.w.Unlock()
	if err := h.writable(); err != nil {
		return err
	}
	var bad storage.AppendError
	for i := range series {
		at, err := h.seriesAt(s.sums[i], series[i], nil, func(k int) labels.Labels {
			if k += i; k < len(series) {
				return series[k]
			}
			return labels.EmptyLabels()
		})
		if err != nil {
			refs[i] = 0
			bad.Rejected++
			if bad.First == nil {
				bad.First = err
			}
			continue
		}
		refs[i] = storage.Ref(h.dir.groups.get(at.group).series[at.slot] + 1)
	}
	if bad.Rejected > 0 {
		return &bad
	}
	return nil
}

// AppendPoints implements storage.RefWriter.
func (h *Head) AppendPoints(ctx context.Context, points []storage.Point, gone []int) ([]int, error) {
	if err := ctx.Err(); err != nil {
		return gone, err
	}
	gone, res, pos, err := h.appendPoints(points, gone)
	if err != nil {
		return gone, err
	}
	if err := h.commit(pos); err != nil {
		return gone, err
	}
	h.samples.Add(int64(res.Stored))
	if res.Rejected > 0 {
		return gone, &res
	}
	return gone, nil
}

// ahead is how many places of series are looked up before the first is used: the lookups wait for memory, and
// so they wait together.
const ahead = 128

func (h *Head) appendPoints(points []storage.Point, gone []int) (_ []int, res storage.AppendError, pos wal.Pos, err error) {
	h.w.Lock()
	defer h.w.Unlock()
	if err := h.writable(); err != nil {
		h.m.reject(err, 1)
		return gone, res, 0, err
	}
	b := &h.w.batch
	b.begin(h)
	var g *group
	var shut error // why samples of the group are not taken
	var places [ahead]loc
	for lo := 0; lo < len(points); lo += ahead {
		part := points[lo:min(lo+ahead, len(points))]
		if len(b.cells)+len(part) > maxBatch {
			if err := h.flush(b); err != nil {
				return gone, res, 0, err
			}
			b.next(h)
		}
		for i := range part {
			places[i] = h.dir.locs.get(uint32(part[i].Ref) - 1)
		}
		for i := range part {
			p, at := &part[i], places[i]
			if at == noLoc {
				gone = append(gone, lo+i)
				continue
			}
			if g == nil || g.id != at.group {
				g = h.groupAt(at.group)
				shut = h.open(g.common)
			}
			if shut != nil {
				b.reject(h, fmt.Errorf("series %s: %w", h.full(g, at.slot), shut))
				continue
			}
			if p.T < b.lo || p.T > b.hi {
				b.reject(h, fmt.Errorf("series %s: %w", h.full(g, at.slot), h.timeError(p.T, b)))
				continue
			}
			b.stage(g, at.slot, p.T, p.V)
		}
	}
	if err := h.flush(b); err != nil {
		return gone, res, 0, err
	}
	return gone, storage.AppendError{Stored: b.stored, Rejected: b.rejected, First: b.first}, h.log.End(), nil
}
