package head

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/tsdb/index"
)

const (
	maxGroup   = 8192    // series of a group; a target that has more gets several
	maxLabels  = 1024    // of a series
	maxSetSize = 1 << 20 // bytes of a label set

	sharedAhead = 64 // series that are looked at for what they have in common
)

// seriesAt returns where the series is, making it if there is none: in the group of hd, or for hd nil in one
// by job and instance. follow returns the labels of the k-th series after it, empty ones at the end; it may be
// nil.
func (h *Head) seriesAt(sum uint32, ls labels.Labels, hd *Handle, follow func(k int) labels.Labels) (loc, error) {
	if id, ok := h.known(sum, ls); ok {
		return h.dir.locs.get(id), nil
	}
	if err := checkLabels(ls); err != nil {
		return noLoc, err
	}
	if err := h.admit(ls); err != nil {
		return noLoc, err
	}
	var g *group
	if hd != nil {
		h.w.key = append(hd.common.Bytes(append(h.w.key[:0], 'c')), 0)
	} else {
		h.w.key = targetKey(h.w.key[:0], ls)
	}
	if g = h.w.byLabel[string(h.w.key)]; g == nil || len(g.series) >= maxGroup {
		var common labels.Labels
		if hd != nil {
			common = hd.common
		} else {
			common = h.shared(ls, follow)
		}
		var err error
		if g, err = h.joinable(detached(common), hd == nil); err != nil {
			return noLoc, err
		}
	}
	h.wake(g)
	own := index.Own(g.common, ls)
	h.w.bytes = binary.AppendUvarint(h.w.bytes[:0], uint64(g.id))
	h.w.bytes = appendLabels(binary.AppendUvarint(h.w.bytes, uint64(len(g.series))), own)
	if _, err := h.log.Append(recSeries, h.w.bytes); err != nil {
		return noLoc, err
	}
	n := h.sets.keep(own)
	at := h.newSeries(g, sum, n)
	h.counted(ls, 1)
	h.indexed(h.idx(), g.series[at.slot], g, n)
	return at, nil
}

// shared returns the labels that a new group of ls' job and instance shall have in common: those that the next
// series of the same two have as well, if there are any. The more is common, the less each series costs.
func (h *Head) shared(ls labels.Labels, follow func(k int) labels.Labels) labels.Labels {
	target := func(ls labels.Labels) (job, instance string) { return ls.Get("job"), ls.Get("instance") }
	job, instance := target(ls)
	var common []labels.Label
	ls.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel {
			common = append(common, l)
		}
	})
	n := 0
	for ; n < sharedAhead && follow != nil && job+instance != ""; n++ {
		next := follow(n + 1)
		if j, i := target(next); next.IsEmpty() || j != job || i != instance {
			break
		}
		common = slices.DeleteFunc(common, func(l labels.Label) bool { return next.Get(l.Name) != l.Value })
	}
	if n == 0 {
		common = slices.DeleteFunc(common, func(l labels.Label) bool { return l.Name != "job" && l.Name != "instance" })
	}
	return labels.New(common...)
}

// joinable makes a group that new series join, under the key in h.w.key.
func (h *Head) joinable(common labels.Labels, byTarget bool) (*group, error) {
	id := h.w.nextGrp
	flags := uint64(0)
	if byTarget {
		flags |= groupByTarget
	}
	rec := appendLabels(binary.AppendUvarint(nil, uint64(id)), common)
	if _, err := h.log.Append(recGroup, binary.AppendUvarint(rec, flags)); err != nil {
		return nil, err
	}
	g := h.addGroup(id, common)
	g.byTarget = byTarget
	h.w.byLabel[string(h.w.key)] = g
	return g, nil
}

// known returns the series with the labels ls, whose hash is sum.
func (h *Head) known(sum uint32, ls labels.Labels) (uint32, bool) {
	return h.w.table.get(sum, func(id uint32) bool {
		at := h.dir.locs.get(id)
		g := h.dir.groups.get(at.group)
		return index.Same(g.common, h.sets.get(g.own[at.slot]), ls)
	})
}

var errBadLabels = errors.New("bad label set")

func checkLabels(ls labels.Labels) error {
	if ls.IsEmpty() {
		return fmt.Errorf("%w: it is empty", errBadLabels)
	}
	if ls.Len() > maxLabels || ls.ByteSize() > maxSetSize {
		return fmt.Errorf("%w: one of %.100q has %d labels with %d bytes, at most %d and %d are stored",
			storage.ErrLimit, ls.Get(model.MetricNameLabel), ls.Len(), ls.ByteSize(), maxLabels, maxSetSize)
	}
	last, bad := "", ""
	ls.Range(func(l labels.Label) {
		if l.Name <= last || l.Value == "" {
			bad = l.Name
		}
		last = l.Name
	})
	if bad != "" || last == "" {
		return fmt.Errorf("%w %s: label %q is empty, double or out of order", errBadLabels, ls, bad)
	}
	return nil
}
