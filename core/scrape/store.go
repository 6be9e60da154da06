package scrape

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// resolve gives each series that is in the row of w a slot. It is the last step of a scrape that can fail it. New series
// that a limit refuses are left out: to the next scrape they are new again.
func (p *page) resolve(w *walk) error {
	next, values, natives := w.next[:0], w.values[:0], w.natives[:0]
	plains, histograms, refused := 0, 0, 0 // up to here
	for _, ln := range w.next {
		taken := true
		if ln.inRow() && p.series[ln.series()].slot == noSlot {
			ls := w.known(ln.series())
			slot, err := p.group.Slot(ls)
			taken = !errors.Is(err, storage.ErrLimit)
			switch {
			case !taken:
				refused++
			case err != nil:
				return failf(failStorage, "the series %.200s cannot be stored: %w", ls, err)
			default:
				p.given++
				p.series[ln.series()].slot = slot
			}
		}
		switch ln.kind() {
		case plain:
			if taken {
				values = append(values, w.values[plains])
			}
			plains++
		case native:
			if taken {
				natives = append(natives, w.natives[histograms])
			}
			histograms++
		}
		if taken {
			next = append(next, ln)
		}
	}
	if refused > 0 {
		w.next, w.values, w.natives = next, values, natives
		w.added = max(0, w.added-refused)
	}
	p.env.metrics.drop(dropLimit, refused+w.untried)
	p.try(refused, len(w.newLines), w.untried)
	if err := p.resolveNatives(w); err != nil {
		return err
	}
	return p.resolveStarts(w)
}

// store writes a scrape that went well, and markers for the series that it did not have any more; t is in Unix
// milliseconds. Samples that the storage refuses are counted; an error means that it does not work.
func (p *page) store(ctx context.Context, w *walk, t int64, r report) error {
	p.env.metrics.drop(dropDuplicate, w.doubles)
	p.env.metrics.drop(dropOutOfBounds, w.outOfBounds)
	for i := range w.solo {
		if w.solo[i].Histograms == nil {
			w.solo[i].Samples = w.samples[i : i+1 : i+1]
		}
	}
	inRow := len(w.values)
	w.values = append(w.values, p.rules.report(r)...)
	slots := p.slots
	var errs [5]error
	errs[4] = p.writeZeros(ctx, w)
	errs[0] = p.writeSolo(ctx, w.solo) // first: timestamps are older than now, nearly always
	if p.before != nil {
		errs[1] = p.before.end(ctx, t, w)
		p.before = nil
	}
	if w.moved {
		gone, goneLabels := p.vanished(w)
		p.rebuild(w)
		slots = append(p.slots[:len(p.slots):len(p.slots)], gone...)
		for range gone {
			w.values = append(w.values, model.Stale)
		}
		errs[2] = p.writeMarkers(ctx, goneLabels, t)
	}
	if !w.moved {
		p.track(w)
	}
	p.live, p.cells, p.last = true, len(w.cells), t
	errs[3] = p.writeRow(t, row{slots, w.values, inRow, w})
	p.writeExemplars(w)
	return errors.Join(errs[:]...)
}

// track notes whose staleness is tracked after a scrape that has changed no line.
func (p *page) track(w *walk) {
	p.tracked = append(p.tracked[:0], w.tracked...)
	for _, ref := range w.tracked {
		if _, known := p.labels[ref]; !known {
			if p.labels == nil {
				p.labels = map[uint32]labels.Labels{}
			}
			p.labels[ref] = w.known(ref)
		}
	}
}

// fail writes that a scrape failed: its report, and markers for all series.
func (p *page) fail(ctx context.Context, t int64, r report) error {
	var ended error
	if p.before != nil {
		ended = p.before.end(ctx, t, nil)
		p.before = nil
	}
	slots := append([]storage.Slot(nil), p.slots[len(p.slots)-p.reports():]...)
	return errors.Join(ended, p.mark(ctx, t, slots, p.rules.report(r)))
}

// retire writes that the target is gone: markers for all series and the report. The page is closed then.
func (p *page) retire(ctx context.Context, t int64) error {
	slots := append([]storage.Slot(nil), p.slots[len(p.slots)-p.reports():]...)
	values := make([]float64, len(slots))
	for i := range values {
		values[i] = model.Stale
	}
	err := p.mark(ctx, t, slots, values)
	p.close()
	return err
}

// mark adds to a row the markers of all series that carry none, and writes it.
func (p *page) mark(ctx context.Context, t int64, slots []storage.Slot, values []float64) error {
	slots = p.liveSlots(slots)
	for _, f := range p.facets {
		f.Forget()
	}
	for len(values) < len(slots) {
		values = append(values, model.Stale)
	}
	var stamped []labels.Labels
	for _, ref := range p.tracked {
		stamped = append(stamped, p.labels[ref])
	}
	p.live, p.tracked = false, nil
	return errors.Join(p.writeMarkers(ctx, stamped, t), p.writeRow(t, row{slots: slots, values: values}))
}

// end ends a page whose successor has made the walk w: the series that this did not see are marked stale; all if w is
// nil. The report series go on.
func (p *page) end(ctx context.Context, t int64, w *walk) error {
	goesOn := func(hash uint64) bool {
		if w == nil {
			return false
		}
		ref, ok := w.newSeries[hash]
		return ok && w.page.series[ref].seen == w.page.visit
	}
	var slots []storage.Slot
	var values []float64
	if p.live {
		for _, ln := range p.lines {
			if s := p.series[ln.series()]; ln.inRow() && !goesOn(s.hash) {
				slots = append(slots, s.slot)
				values = append(values, model.Stale)
			}
		}
	}
	var stamped []labels.Labels
	for _, ref := range p.tracked {
		if !goesOn(p.series[ref].hash) {
			stamped = append(stamped, p.labels[ref])
		}
	}
	err := errors.Join(p.writeMarkers(ctx, stamped, t), p.writeRow(t, row{slots: slots, values: values}))
	p.close()
	return err
}

// vanished returns the series of the last scrape that w has not seen: slots, and labels of those with timestamps.
func (p *page) vanished(w *walk) (slots []storage.Slot, stamped []labels.Labels) {
	if p.live {
		for _, ln := range p.lines {
			if s := &p.series[ln.series()]; ln.inRow() && s.seen != p.visit {
				slots = append(slots, s.slot)
			}
		}
	}
	for _, ref := range p.tracked {
		if p.series[ref].seen != p.visit {
			stamped = append(stamped, p.labels[ref])
		}
	}
	return slots, stamped
}

// row is what a scrape writes at its time.
type row struct {
	slots  []storage.Slot
	values []float64
	n      int   // the first are samples of the target, the others markers and reports
	w      *walk // native histograms, too; nil for none
}

// writeRow writes a row. If the storage refuses it, halves of it are tried, and so on, until only what it refuses is
// left out; of a native histogram all cells are stored or none.
func (p *page) writeRow(t int64, r row) error {
	refused := 0
	note := func(err error, counts bool) error {
		reason := refusalOf(err)
		if reason == "" {
			return err
		}
		if counts { // else a marker or a report of a series that another target has, too: as expected
			p.env.metrics.drop(reason, 1)
			refused++
		}
		return nil
	}
	var write func(slots []storage.Slot, values []float64, n int) error
	write = func(slots []storage.Slot, values []float64, n int) error {
		if len(slots) == 0 {
			return nil
		}
		err := p.group.Append(t, slots, values)
		if refusalOf(err) != "" && len(slots) > 1 {
			mid := len(slots) / 2
			return errors.Join(write(slots[:mid], values[:mid], n), write(slots[mid:], values[mid:], n-mid))
		}
		return note(err, n > 0)
	}
	var err error
	samples := r.n
	if r.w == nil || len(r.w.cells) == 0 {
		err = write(r.slots, r.values, r.n)
	} else {
		w := r.w
		samples += len(w.natives)
		n := len(w.slots)
		w.slots, w.cells = append(w.slots, r.slots...), append(w.cells, r.values...)
		err = p.group.Append(t, w.slots, w.cells)
		if refusalOf(err) != "" {
			err = write(r.slots, r.values, r.n)
			for _, h := range w.natives {
				p.facets[h.ref].Forget()
				err = errors.Join(err, note(p.group.Append(t, w.slots[h.lo:h.hi], w.cells[h.lo:h.hi]), true))
			}
			if len(w.starts) > 0 {
				err = errors.Join(err, write(w.slots[w.firstStart:n], w.cells[w.firstStart:n], 0))
			}
		}
		w.slots, w.cells = w.slots[:n], w.cells[:n]
	}
	if err != nil {
		return &failure{failStorage, err}
	}
	p.env.metrics.samples.Add(float64(samples - refused))
	return nil
}

// writeSolo writes samples that have timestamps of their own.
func (p *page) writeSolo(ctx context.Context, batch []model.Series) error {
	if len(batch) == 0 {
		return nil
	}
	err := p.env.storage.Append(ctx, batch)
	stored := len(batch)
	if reason := refusalOf(err); reason != "" {
		refused := len(batch)
		var part *storage.AppendError
		if errors.As(err, &part) {
			refused = part.Rejected
		}
		p.env.metrics.drop(reason, refused)
		stored -= refused
	} else if err != nil {
		return &failure{failStorage, err}
	}
	p.env.metrics.samples.Add(float64(stored))
	return nil
}

// writeMarkers marks series stale that are written by their labels. What the storage refuses has newer samples.
func (p *page) writeMarkers(ctx context.Context, of []labels.Labels, t int64) error {
	if len(of) == 0 {
		return nil
	}
	batch := make([]model.Series, len(of))
	for i, ls := range of {
		batch[i] = model.Series{Labels: ls, Samples: []model.Sample{{T: t, V: model.Stale}}}
	}
	if err := p.env.storage.Append(ctx, batch); err != nil && refusalOf(err) == "" {
		return &failure{failStorage, err}
	}
	return nil
}
