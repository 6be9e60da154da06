package head

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage/facet"
)

// Gate decides which series may be new and whose samples are taken. It hears of every series that comes and goes, but
// not of facets. The writer calls it, one call at a time, and waits for it.
type Gate interface {
	// Admit returns why the series ls cannot be added, wrapping storage.ErrLimit or storage.ErrNoSpace; nil if it can.
	Admit(ls labels.Labels) error

	// Count adds n to the series that a target has in memory.
	Count(job, instance string, n int)

	// Open returns why no samples of the series with these labels are taken at the moment, wrapping
	// storage.ErrNoSpace; nil if they are.
	Open(ls labels.Labels) error
}

// open asks the gate whether the samples of a group are taken.
func (h *Head) open(common labels.Labels) error {
	if h.opts.Gate == nil {
		return nil
	}
	return h.opts.Gate.Open(common)
}

// admit asks the gate for a new series.
func (h *Head) admit(ls labels.Labels) error {
	if h.opts.Gate == nil {
		return nil
	}
	return h.opts.Gate.Admit(ls)
}

// counted tells the gate that a series came or went.
func (h *Head) counted(ls labels.Labels, n int) {
	if h.opts.Gate != nil && !ls.Has(facet.Name) {
		h.opts.Gate.Count(ls.Get("job"), ls.Get("instance"), n)
	}
}

// countLoaded tells the gate of all series that were loaded.
func (h *Head) countLoaded() {
	if h.opts.Gate == nil {
		return
	}
	h.dir.groups.all(func(id uint32, g *group) {
		n := 0
		plain := !g.solo && !slices.ContainsFunc(g.names, func(name string) bool {
			return name == "job" || name == "instance" || name == facet.Name
		})
		for s, series := range g.series {
			if series == deadID || h.dir.locs.get(series) != (loc{id, uint32(s)}) {
				continue
			}
			if plain {
				n++
			} else {
				h.counted(h.full(g, uint32(s)), 1)
			}
		}
		if n > 0 {
			h.opts.Gate.Count(g.common.Get("job"), g.common.Get("instance"), n)
		}
	})
}
