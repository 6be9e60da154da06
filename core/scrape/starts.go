package scrape

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/histogram"

	"github.com/hearth-project/hearth/core/config"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
)

// startReach is how long before its scrape a start may be for a zero sample: as far as upstream's head takes samples.
const startReach = time.Hour

// features is what of scraping is on that is off unless asked for.
type features struct {
	zeroStarts   bool // a series gets a zero sample where it starts
	keepStarts   bool // start timestamps are stored
	typeAndUnit  bool // as labels
	openMetrics2 bool
}

func featuresOf(g *config.Global) features {
	return features{
		zeroStarts:   g.Has(config.FeatureZeroStarts),
		keepStarts:   g.Has(config.FeatureStarts),
		typeAndUnit:  g.Has(config.FeatureTypeAndUnit),
		openMetrics2: g.Has(config.FeatureOpenMetrics),
	}
}

func (f features) wantStarts() bool { return f.zeroStarts || f.keepStarts }

// start is what a page knows of the start of a series.
type start struct {
	st   int64        // Unix milliseconds; 0 before the first
	slot storage.Slot // of the start timestamps; noSlot until there is one
}

// begun is a sample of a scrape that has a start timestamp.
type begun struct {
	ref   uint32 // series
	st    int64  // Unix milliseconds
	inRow bool
}

// begins takes the start timestamp st of the current sample, which is of the row or for time t. zero is whether there
// is to be a zero sample.
func (w *walk) begins(ref uint32, st, t int64, inRow bool) (zero bool, err error) {
	if st == 0 {
		return false, nil
	}
	f := w.page.rules.features
	known := w.page.startOf(ref)
	zero = f.zeroStarts && st != known.st && st < t && st >= t-startReach.Milliseconds() &&
		(int(ref) >= w.before || !inRow || st > w.page.last)
	if zero || f.keepStarts && known.slot == noSlot {
		if _, err := w.learn(ref); err != nil {
			return false, err
		}
	}
	w.starts = append(w.starts, begun{ref, st, inRow})
	return zero, nil
}

// beginsPlain is begins for the value of the row that was taken last.
func (w *walk) beginsPlain(ref uint32) error {
	st := w.parser.StartTimestamp()
	zero, err := w.begins(ref, st, w.now, true)
	if zero {
		w.zeros = append(w.zeros, model.Series{Labels: w.known(ref), Samples: []model.Sample{{T: st}}})
	}
	return err
}

// zeroOf returns the histogram without observations at the start of another.
func (n *nativeHistogram) zeroOf() nativeHistogram {
	zero := nativeHistogram{ref: n.ref}
	if h := n.integer; h != nil {
		zero.integer = &histogram.Histogram{CounterResetHint: histogram.CounterReset, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, CustomValues: h.CustomValues}
	} else {
		h := n.float
		zero.float = &histogram.FloatHistogram{CounterResetHint: histogram.CounterReset, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, CustomValues: h.CustomValues}
	}
	return zero
}

// startOf returns what is known of the start of a series.
func (p *page) startOf(ref uint32) start {
	if int(ref) < len(p.starts) {
		return p.starts[ref]
	}
	return start{slot: noSlot}
}

// resolveStarts makes the start timestamps of w cells of the row.
func (p *page) resolveStarts(w *walk) error {
	if len(w.starts) == 0 {
		return nil
	}
	for len(p.starts) < len(p.series) {
		p.starts = append(p.starts, start{slot: noSlot})
	}
	w.firstStart = len(w.cells)
	for _, b := range w.starts {
		s := &p.starts[b.ref]
		switch {
		case !p.rules.features.keepStarts || !b.inRow || p.series[b.ref].slot == noSlot: // the last: refused by a limit
		case s.slot != noSlot:
			w.slots, w.cells = append(w.slots, s.slot), append(w.cells, float64(b.st))
		default:
			ls := w.known(b.ref)
			var err error
			if w.slots, w.cells, err = facet.New(p.group, ls).Start(b.st, w.slots, w.cells); errors.Is(err, storage.ErrLimit) {
				continue
			} else if err != nil {
				return failf(failStorage, "the start timestamp of the series %.200s cannot be stored: %w", ls, err)
			}
			s.slot = w.slots[len(w.slots)-1]
			p.given++
		}
	}
	return nil
}

// writeZeros writes the zero samples of w. That the storage refuses those that are not in order is what it is for: their
// series are older than this page, and have theirs.
func (p *page) writeZeros(ctx context.Context, w *walk) error {
	if len(w.zeros) > 0 {
		if err := p.env.storage.Append(ctx, w.zeros); err != nil && refusalOf(err) == "" {
			return &failure{failStorage, err}
		}
	}
	for i := range w.natives {
		n := &w.natives[i]
		if n.zeroAt == 0 || n.lo == n.hi { // the latter: refused by a limit
			continue
		}
		f := p.facets[n.ref]
		f.Forget()
		zero := n.zeroOf()
		slots, cells, err := zero.cells(f, nil, nil)
		if err == nil {
			err = p.group.Append(n.zeroAt, slots, cells)
		}
		if err != nil {
			if refusalOf(err) == "" {
				return &failure{failStorage, err}
			}
			f.Forget()
		}
		// What was before it is another now.
		if _, _, err := n.cells(f, w.slots[n.lo:n.lo:n.hi], w.cells[n.lo:n.lo:n.hi]); err != nil {
			return &failure{failStorage, err}
		}
	}
	for _, b := range w.starts {
		p.starts[b.ref].st = b.st
	}
	return nil
}
