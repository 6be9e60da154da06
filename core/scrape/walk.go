package scrape

import (
	"io"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/exposition"
	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// walk goes over the body of one scrape with a page in hand and collects what is to be stored. The page is left as
// it was: walks may fail half way.
//
// As long as each line is the one that stood at its place in the scrape before, a walk only collects values. At the
// first line that is not, it moves: from there it looks lines up and notes which series it has seen.
type walk struct {
	page    *page
	meta    *metadata
	parser  *exposition.Parser
	builder *labels.Builder
	now     int64 // of the scrape, Unix milliseconds
	latest  int64 // Unix milliseconds; timestamps after it are too far in the future

	pos    int // in page.lines: what should come next
	moved  bool
	values []float64 // of the plain lines
	next   []line    // all lines so far, if moved

	// Native histograms, and their cells of the row.
	natives []nativeHistogram
	slots   []storage.Slot
	cells   []float64

	// Start timestamps, whose cells are the last, and zero samples where series start.
	wantStarts bool
	starts     []begun
	firstStart int // of cells
	zeros      []model.Series

	// Exemplars that the scrape before did not have.
	wantExemplars bool
	examples      []example
	readExemplars []exposition.Exemplar // scratch

	// Samples with timestamps of their own.
	solo    []model.Series
	samples []model.Sample // of solo, one each; not of those that are histograms
	tracked []uint32       // series among them whose staleness is tracked

	// What the page does not know.
	before    int                      // series of the page before the walk; new ones come after
	fresh     []labels.Labels          // of the new series
	learned   map[uint32]labels.Labels // of old series that have a timestamp for the first time
	newLines  map[lineID]uint32        // what they are, as in line
	newSeries map[uint64]uint32        // index by hash

	scraped, kept, added int   // as in report
	doubles, outOfBounds int   // samples dropped
	untried              int   // lines left
	over                 bool  // there are more new series than sample_limit allows
	tooWide              error // native_histogram_bucket_limit, if a histogram exceeds it
}

type lineID struct {
	hash   uint64
	length int
}

// begin prepares a walk.
func (w *walk) begin(p *page, meta *metadata, s *scratch, now, latest int64) {
	w.page, w.meta, w.parser, w.builder, w.now, w.latest = p, meta, &s.parser, s.builder, now, latest
	w.before = len(p.series)
	if w.learned == nil {
		w.learned, w.newLines, w.newSeries = map[uint32]labels.Labels{}, map[lineID]uint32{}, map[uint64]uint32{}
	}
	s.parser.SetSeed(p.env.seed)
	s.parser.SetOptions(p.rules.reading)
	w.wantStarts = p.rules.features.wantStarts()
}

// clear forgets the walk and keeps its memory.
func (w *walk) clear() {
	clear(w.solo)
	clear(w.zeros)
	clear(w.examples)
	clear(w.readExemplars[:cap(w.readExemplars)])
	clear(w.natives)
	clear(w.fresh)
	clear(w.learned)
	clear(w.newLines)
	clear(w.newSeries)
	*w = walk{
		values: w.values[:0], next: w.next[:0], solo: w.solo[:0], samples: w.samples[:0],
		natives: w.natives[:0], slots: w.slots[:0], cells: w.cells[:0], starts: w.starts[:0], zeros: w.zeros[:0],
		examples: w.examples[:0], readExemplars: w.readExemplars[:0], tracked: w.tracked[:0],
		fresh: w.fresh[:0], learned: w.learned, newLines: w.newLines, newSeries: w.newSeries,
	}
}

// read goes over the body. After an error nothing of it may be stored.
func (w *walk) read(body []byte, f exposition.Format) error {
	w.meta.begin()
	defer w.meta.end()
	w.wantExemplars = w.page.env.exemplars != nil && f != exposition.Text // which has none
	w.parser.Reset(body, f)
	w.expect()
	for {
		kind, err := w.parser.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return failf(failParse, "the exposition cannot be read as %s: %w", f, err)
		case kind == exposition.Series:
			if err := w.sample(); err != nil {
				return err
			}
		case kind == exposition.Histogram:
			if err := w.histogram(); err != nil {
				return err
			}
		case kind != exposition.Comment:
			w.meta.take(kind, w.parser)
		}
	}
}

// end ends a body that was read.
func (w *walk) end() error {
	if !w.moved && w.pos < len(w.page.lines) {
		w.move()
	}
	if limit := w.page.rules.cfg.SampleLimit; limit > 0 && (w.over || w.size() > limit) {
		return failf(failSampleLimit, "sample_limit exceeded: the target exposes %d samples (after metric_relabel_configs), the limit is %d", w.kept, limit)
	}
	return w.tooWide
}

// size returns how many samples are to be stored, if the storage takes them.
func (w *walk) size() int { return len(w.values) + len(w.natives) + len(w.solo) + w.untried }

// expect tells the parser which line should come.
func (w *walk) expect() {
	if w.pos < len(w.page.lines) {
		ln := &w.page.lines[w.pos]
		w.parser.Expect(int(ln.length), ln.hash)
	}
}

// sample takes the current line.
func (w *walk) sample() error {
	w.scraped++
	if !w.moved && w.parser.Expected() && w.page.lines[w.pos].kind() == plain {
		if _, has := w.timestamp(); !has {
			w.values = append(w.values, w.parser.Value())
			w.kept++
			w.pos++
			var err error
			if w.wantStarts {
				err = w.beginsPlain(w.page.lines[w.pos-1].series())
			}
			if w.wantExemplars && err == nil {
				err = w.exemplify(w.page.lines[w.pos-1].series(), w.now)
			}
			w.expect()
			return err
		}
	}
	t, has := w.timestamp()
	err := w.unusual(t, has, false)
	w.expect()
	return err
}

func (w *walk) timestamp() (int64, bool) {
	t, has := w.parser.Timestamp()
	return t, has && w.page.rules.cfg.HonorTimestamps
}

// unusual takes a line that is not simply one more value of the row; if has, it is for the time t. It may be a native
// histogram.
func (w *walk) unusual(t int64, has, isNative bool) error {
	lines := w.page.lines
	hash, length := w.parser.Hash(), len(w.parser.Raw())
	at, known := uint32(w.pos), w.parser.Expected()
	if !known {
		at, known = w.page.findLine(hash, length)
	}
	if !w.moved {
		if known && int(at) == w.pos {
			switch ln := lines[at]; {
			case ln.kind() == dropped:
				w.pos++
				return nil
			case ln.kind() == double && !has:
				w.pos++
				w.kept++
				w.doubles++
				return nil
			case ln.kind() == native && isNative && !has:
				w.pos++
				w.kept++
				return w.takeHistogram(ln.series())
			case ln.kind() == stamped && has:
				w.pos++
				w.kept++
				return w.stamp(ln.series(), t, isNative)
			}
		}
		w.move()
	}
	ln := line{hash: hash, length: uint32(length)}
	if known {
		w.pos = int(at) + 1
		ln.what = lines[at].what
	} else {
		var err error
		if ln.what, err = w.unknown(lineID{hash, length}); err != nil {
			return err
		}
	}
	switch ln.kind() {
	case dropped:
		w.next = append(w.next, ln)
		return nil
	case left:
		w.kept++
		w.untried++
		return nil
	}
	w.kept++
	if w.over {
		return nil
	}
	ref := ln.series()
	s := &w.page.series[ref]
	switch {
	case has:
		ln.what = stamped | ref
		if err := w.stamp(ref, t, isNative); err != nil {
			return err
		}
	case s.seen == w.page.visit:
		ln.what = double | ref
		w.doubles++
	default:
		if s.slot == noSlot {
			if _, err := w.learn(ref); err != nil {
				return err
			}
		}
		s.seen = w.page.visit
		if isNative {
			ln.what = native | ref
			if err := w.takeHistogram(ref); err != nil {
				return err
			}
			break
		}
		ln.what = plain | ref
		w.values = append(w.values, w.parser.Value())
		if w.wantStarts {
			if err := w.beginsPlain(ref); err != nil {
				return err
			}
		}
		if err := w.exemplify(ref, w.now); err != nil {
			return err
		}
	}
	w.next = append(w.next, ln)
	return nil
}

// move leaves the simple way: what came up to here counts as seen.
func (w *walk) move() {
	p := w.page
	w.moved = true
	p.visit++
	w.next = append(w.next[:0], p.lines[:w.pos]...)
	for i := range p.reports() {
		p.series[i].seen = p.visit
	}
	for _, ln := range w.next {
		if ln.inRow() {
			p.series[ln.series()].seen = p.visit
		}
	}
	for _, ref := range w.tracked {
		p.series[ref].seen = p.visit
	}
}

// unknown finds out what a line is that the page does not have: its kind (plain or dropped) and series, as in line.
func (w *walk) unknown(id lineID) (uint32, error) {
	if what, ok := w.newLines[id]; ok {
		return what, nil
	}
	p := w.page
	if p.leaves(id.hash) {
		return left, nil
	}
	exposed := w.parser.Labels()
	ls, keep, err := p.rules.labelsOf(w.builder, exposed)
	if err != nil {
		return 0, err
	}
	if !keep {
		w.newLines[id] = dropped
		return dropped, nil
	}
	hash := p.env.hash(ls)
	ref, ok := p.findSeries(hash)
	if !ok {
		ref, ok = w.newSeries[hash]
	}
	if limit := p.rules.cfg.SampleLimit; !ok && limit > 0 && w.size() >= limit {
		w.over = true // only count from here
		return plain, nil
	}
	if !ok {
		ref = uint32(len(p.series))
		p.series = append(p.series, series{hash: hash, slot: noSlot, seen: p.visit - 1})
		w.fresh = append(w.fresh, ls)
		w.newSeries[hash] = ref
		if p.before == nil || !p.before.has(hash) {
			w.added++
		}
	}
	w.newLines[id] = ref
	return ref, nil
}

func (p *page) has(hash uint64) bool {
	_, ok := p.findSeries(hash)
	return ok
}

// stamp takes the current sample or native histogram with its own timestamp, in Unix milliseconds.
func (w *walk) stamp(ref uint32, t int64, isNative bool) error {
	if t > w.latest {
		w.outOfBounds++
		return nil
	}
	ls, err := w.learn(ref)
	if err != nil {
		return err
	}
	if err := w.exemplify(ref, t); err != nil {
		return err
	}
	alone := model.Series{Labels: ls}
	st, zero := int64(0), false
	if w.wantStarts {
		st = w.parser.StartTimestamp()
		if zero, err = w.begins(ref, st, t, false); err != nil {
			return err
		}
		if st != 0 && w.page.rules.features.keepStarts {
			alone.Starts = []model.Start{{T: t, ST: st}}
		}
	}
	if isNative {
		h, err := w.readHistogram(ref)
		if err != nil {
			return err
		}
		alone.Histograms = []model.Histogram{{T: t, H: h.integer, FH: h.float}}
		if zero {
			first := h.zeroOf()
			w.zeros = append(w.zeros, model.Series{Labels: ls, Histograms: []model.Histogram{{T: st, H: first.integer, FH: first.float}}})
		}
	} else if zero {
		w.zeros = append(w.zeros, model.Series{Labels: ls, Samples: []model.Sample{{T: st}}})
	}
	w.samples = append(w.samples, model.Sample{T: t, V: w.parser.Value()})
	w.solo = append(w.solo, alone)
	if w.page.rules.cfg.TrackTimestampsStaleness {
		w.tracked = append(w.tracked, ref)
		if w.moved {
			w.page.series[ref].seen = w.page.visit
		}
	}
	return nil
}

// learn returns the labels of the series of the current line.
func (w *walk) learn(ref uint32) (labels.Labels, error) {
	ls := w.known(ref)
	if !ls.IsEmpty() {
		return ls, nil
	}
	ls, _, err := w.page.rules.labelsOf(w.builder, w.parser.Labels())
	w.learned[ref] = ls
	return ls, err
}

// known returns the labels of a series if they are known.
func (w *walk) known(ref uint32) labels.Labels {
	if int(ref) >= w.before {
		return w.fresh[int(ref)-w.before]
	}
	if ls, ok := w.page.labels[ref]; ok {
		return ls
	}
	return w.learned[ref]
}

// undo takes back what the walk has added to the page.
func (w *walk) undo() {
	p := w.page
	p.series = p.series[:w.before]
	p.starts = p.starts[:min(len(p.starts), w.before)]
	for ref, f := range p.facets {
		if f.Forget(); int(ref) >= w.before {
			delete(p.facets, ref)
		}
	}
}
