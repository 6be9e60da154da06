package scrape

import (
	"hash/maphash"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
)

// page is what a loop remembers of the scrapes of its target: the lines of the last good one and the series behind
// them, which it knows by hash, 48 bytes a series in all. Labels are not kept. What a scrape did not have is forgotten
// with its end. Only good scrapes change a page, apart from live.
type page struct {
	env   *env
	rules *rules
	group storage.Group
	given int // slots the group has given out
	cells int // of native histograms in the last good scrape

	lines    []line         // in their order
	series   []series       // the report series first
	byLine   table          // of lines
	bySeries table          // of series
	slots    []storage.Slot // of the row: of the plain lines, in their order, then of the report series
	live     bool           // the last scrape was good: its series carry no staleness marker

	// Of series that have native histograms: those of the last good scrape, and where their cells go.
	natives []uint32
	facets  map[uint32]*facet.Series

	starts []start // by series, if start timestamps are wanted and there are any
	last   int64   // time of the last good scrape, Unix milliseconds

	examples map[uint64]uint64 // hash of the last exemplars by hash of the series

	// Of series with timestamps of their own. They do not come in rows, so they are written by their labels.
	labels  map[uint32]labels.Labels
	tracked []uint32 // those whose staleness is tracked and that carry no marker

	tries  int    // new lines that a scrape tries to store while a limit refuses some; 0 is all
	trying uint64 // a line is tried if its hash, turned by the number of the walk, is less; 0 is all

	visit  uint32 // number of the last walk that had to look at series one by one
	before *page  // the predecessor, until the first scrape has shown what of it goes on
}

// env is what pages share.
type env struct {
	storage   storage.Writer
	exemplars storage.ExemplarWriter // nil: they are let go of
	metrics   *metrics
	seed      maphash.Seed // of all hashes in pages
}

// line is a line of an exposition: a series as it stands there.
type line struct {
	hash   uint64 // of its bytes, name and labels
	length uint32
	what   uint32 // its kind, and the index of its series
}

// The kinds of lines.
const (
	plain    uint32 = iota << 29 // a sample of the row
	native                       // a native histogram of the row
	double                       // of a series that an earlier line has already
	stamped                      // with a timestamp of its own
	dropped                      // not to be stored; has no series
	left                         // new, while limits of the storage refuse new series; not remembered
	kindMask uint32 = 7 << 29
)

func (l line) kind() uint32   { return l.what & kindMask }
func (l line) series() uint32 { return l.what &^ kindMask }

// inRow tells whether the line is a sample of the row.
func (l line) inRow() bool { return l.kind() <= native }

// series is a series of the target.
type series struct {
	hash uint64       // of its labels
	slot storage.Slot // noSlot until it is in a row for the first time
	seen uint32       // number of the walk that had it last, if that looked
}

const noSlot = ^storage.Slot(0)

// newPage makes a page for a target. What of its predecessor is not in the first scrape is marked stale then.
func newPage(e *env, r *rules, b *labels.Builder, before *page) (*page, error) {
	g, err := e.storage.Group(r.target.public)
	if err != nil {
		return nil, err
	}
	p := &page{env: e, rules: r, group: g, before: before, given: len(r.reports())}
	for _, name := range r.reports() {
		ls := r.reportLabels(b, name)
		slot, err := g.Slot(ls)
		if err != nil {
			g.Close()
			return nil, err
		}
		p.series = append(p.series, series{hash: e.hash(ls), slot: slot})
		p.slots = append(p.slots, slot)
	}
	p.index()
	return p, nil
}

// reports returns how many report series there are; they are the first of series.
func (p *page) reports() int { return len(p.rules.reports()) }

// hash returns the identity of a series.
func (e *env) hash(ls labels.Labels) uint64 {
	var buf [1024]byte
	return maphash.Bytes(e.seed, ls.Bytes(buf[:0]))
}

func (p *page) index() {
	p.byLine.fill(len(p.lines), func(i uint32) uint64 { return p.lines[i].hash })
	p.bySeries.fill(len(p.series), func(i uint32) uint64 { return p.series[i].hash })
}

func (p *page) findLine(hash uint64, length int) (uint32, bool) {
	return p.byLine.find(hash, func(i uint32) bool { return p.lines[i].hash == hash && int(p.lines[i].length) == length })
}

func (p *page) findSeries(hash uint64) (uint32, bool) {
	return p.bySeries.find(hash, func(i uint32) bool { return p.series[i].hash == hash })
}

// worn tells whether the storage group has given out so many slots for series that are gone that it is time for a new
// one.
func (p *page) worn() bool { return p.given > 2*(len(p.series)+p.cells)+1000 }

// liveSlots appends the slots of the series that carry no marker, without the report series.
func (p *page) liveSlots(to []storage.Slot) []storage.Slot {
	if !p.live {
		return to
	}
	to = append(to, p.slots[:len(p.slots)-p.reports()]...)
	for _, ref := range p.natives {
		to = append(to, p.series[ref].slot)
	}
	return to
}

// rebuild makes the lines that w has seen those of the page, and forgets all others.
func (p *page) rebuild(w *walk) {
	to := make([]uint32, len(p.series)) // new index by old, 0 for none: there stands a report series
	kept := make([]series, p.reports(), len(w.next)+p.reports())
	copy(kept, p.series)
	for i := range p.reports() {
		to[i] = uint32(i)
	}
	var starts []start
	if p.starts != nil {
		starts = make([]start, p.reports(), cap(kept))
	}
	var stampedLabels map[uint32]labels.Labels
	p.slots, p.natives = p.slots[:0], p.natives[:0]
	for i, ln := range w.next {
		if ln.kind() == dropped {
			continue
		}
		old := ln.series()
		if to[old] == 0 && old >= uint32(p.reports()) {
			to[old] = uint32(len(kept))
			kept = append(kept, p.series[old])
			if starts != nil {
				starts = append(starts, p.startOf(old))
			}
		}
		w.next[i].what = ln.kind() | to[old]
		switch ln.kind() {
		case plain:
			p.slots = append(p.slots, p.series[old].slot)
		case native:
			p.natives = append(p.natives, to[old])
		case stamped:
			if ls := w.known(old); !ls.IsEmpty() {
				if stampedLabels == nil {
					stampedLabels = map[uint32]labels.Labels{}
				}
				stampedLabels[to[old]] = ls
			}
		}
	}
	for i := range p.reports() {
		p.slots = append(p.slots, p.series[i].slot)
	}
	p.tracked = p.tracked[:0]
	for _, old := range w.tracked {
		p.tracked = append(p.tracked, to[old])
	}
	p.facets = keep(p.facets, p.natives, w.natives)
	p.series, p.labels, p.starts = kept, stampedLabels, starts
	if cap(p.lines) > 2*len(w.next)+64 {
		p.lines = nil
	}
	p.lines = append(p.lines[:0], w.next...)
	p.index()
}

// close gives the storage group up.
func (p *page) close() {
	if p.before != nil {
		p.before.close()
	}
	p.group.Close()
}
