package head

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/tsdb/index"
)

const (
	maxGroup   = 8192    // series of a group; a target that has more gets several
	maxLabels  = 1024    // of a series
	maxSetSize = 1 << 20 // bytes of a label set
)

// seriesAt returns where the series is, making it if there is none: in the group of hd, or for hd nil in one
// by job and instance.
func (h *Head) seriesAt(sum uint32, ls labels.Labels, hd *Handle) (loc, error) {
	if id, ok := h.known(sum, ls); ok {
		return h.dir.locs.get(id), nil
	}
	if err := checkLabels(ls); err != nil {
		return noLoc, err
	}
	var common labels.Labels
	if hd != nil {
		common = hd.common
	} else {
		var b labels.ScratchBuilder
		ls.Range(func(l labels.Label) {
			if l.Name == "instance" || l.Name == "job" {
				b.Add(l.Name, l.Value)
			}
		})
		common = b.Labels()
	}
	g, err := h.groupFor(common)
	if err != nil {
		return noLoc, err
	}
	own := index.Own(g.common, ls)
	h.w.bytes = binary.AppendUvarint(h.w.bytes[:0], uint64(g.id))
	h.w.bytes = appendLabels(binary.AppendUvarint(h.w.bytes, uint64(len(g.series))), own)
	if _, err := h.log.Append(recSeries, h.w.bytes); err != nil {
		return noLoc, err
	}
	return h.newSeries(g, sum, ls, own), nil
}

// known returns the series with the labels ls, whose hash is sum.
func (h *Head) known(sum uint32, ls labels.Labels) (uint32, bool) {
	return h.w.table.get(sum, func(id uint32) bool {
		at := h.dir.locs.get(id)
		g := h.dir.groups.get(at.group)
		return index.Same(g.common, h.sets.get(g.own[at.slot]), ls)
	})
}

// groupFor returns the group that new series with these common labels join.
func (h *Head) groupFor(common labels.Labels) (*group, error) {
	h.w.bytes = common.Bytes(h.w.bytes[:0])
	if g := h.w.byLabel[string(h.w.bytes)]; g != nil && len(g.series) < maxGroup {
		return g, nil
	}
	common = detached(common)
	id := h.w.nextGrp
	if _, err := h.log.Append(recGroup, appendLabels(binary.AppendUvarint(nil, uint64(id)), common)); err != nil {
		return nil, err
	}
	g := h.addGroup(id, common)
	h.w.byLabel[string(h.w.bytes)] = g
	return g, nil
}

var errBadLabels = errors.New("bad label set")

func checkLabels(ls labels.Labels) error {
	if ls.IsEmpty() {
		return fmt.Errorf("%w: it is empty", errBadLabels)
	}
	if ls.Len() > maxLabels || ls.ByteSize() > maxSetSize {
		return fmt.Errorf("%w: more than %d labels or %d bytes", errBadLabels, maxLabels, maxSetSize)
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
