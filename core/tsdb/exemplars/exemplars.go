// Package exemplars keeps the newest exemplars: references from samples to traces, so many in all and no more. They are
// in memory, in the order in which they came, and each that comes when there is no room takes the place of the oldest.
// What is kept, and what is refused, follows upstream's tsdb.CircularExemplarStorage.
//
// Unlike upstream's they outlive the process: files.go writes them to files, whose bytes FORMAT.md gives.
package exemplars

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

// Options says how many exemplars are kept, and where.
type Options struct {
	FS  vfs.FS
	Dir string // of the files; it is made if there is none

	Max    int           // exemplars in all; 0 keeps none
	Window time.Duration // how far behind the newest of its series one may be

	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Store keeps exemplars. It implements storage.ExemplarWriter and storage.ExemplarQueryable. Safe for concurrent use.
type Store struct {
	log *slog.Logger
	m   metrics

	mu     sync.RWMutex
	window int64
	ring   []*item // in the order in which they came, from next on
	next   int     // the place of the next one; what is there goes
	series map[string]*series
	files  files
	buf    []byte
}

// series is what is kept of one series.
type series struct {
	labels labels.Labels
	items  []*item // by time, value and hash of the labels
	id     uint64  // in the file that is written; 0 if it is not there yet
	file   uint64  // which that was
}

type item struct {
	exemplar.Exemplar
	of *series
}

var (
	_ storage.ExemplarWriter    = (*Store)(nil)
	_ storage.ExemplarQueryable = (*Store)(nil)
)

// Open reads what was kept. Damage is logged, and what is beside it is read; an error is one of the disk.
func Open(o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{log: o.Logger, window: o.Window.Milliseconds(), ring: make([]*item, max(o.Max, 0)), series: map[string]*series{}}
	s.files = files{fs: o.FS, dir: o.Dir}
	s.m = newMetrics(s, o.Registerer)
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open exemplars in %s: %w", o.Dir, err)
	}
	return s, nil
}

// Resize changes how many exemplars are kept and how late they may come; the newest stay.
func (s *Store) Resize(most int, window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.window = window.Milliseconds()
	most = max(most, 0)
	if most == len(s.ring) {
		return
	}
	var all []*item
	for k := range s.ring {
		if it := s.ring[(s.next+k)%len(s.ring)]; it != nil {
			all = append(all, it)
		}
	}
	for len(all) > most {
		s.drop(all[0])
		all = all[1:]
	}
	s.ring = make([]*item, most)
	copy(s.ring, all)
	if s.next = len(all); s.next == most {
		s.next = 0
	}
}

// AppendExemplars implements storage.ExemplarWriter.
func (s *Store) AppendExemplars(ls labels.Labels, es []exemplar.Exemplar) error {
	var res storage.AppendError
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ring) == 0 {
		return nil
	}
	for _, e := range es {
		added, err := s.add(ls, e)
		switch {
		case err != nil:
			res.Rejected++
			s.m.refused.Inc()
			if res.First == nil {
				res.First = fmt.Errorf("exemplar %s of series %s at %d: %w", e.Labels, ls, e.Ts, err)
			}
		case added != nil:
			res.Stored++
			s.files.write(s, added)
		}
	}
	s.m.appended.Add(float64(res.Stored))
	if res.Rejected > 0 {
		return &res
	}
	return nil
}

// add puts an exemplar into the ring, and returns it; nil if it is there already.
func (s *Store) add(ls labels.Labels, e exemplar.Exemplar) (*item, error) {
	if err := check(e.Labels); err != nil {
		return nil, err
	}
	s.buf = ls.Bytes(s.buf[:0])
	of := s.series[string(s.buf)]
	if of != nil {
		newest := of.items[len(of.items)-1]
		switch {
		case newest.Exemplar.Equals(e):
			return nil, nil
		case e.Ts < newest.Ts && e.Ts <= newest.Ts-s.window, e.Ts == newest.Ts && less(e, newest.Exemplar):
			return nil, storage.ErrOutOfOrder
		}
		if at := of.place(e.Ts); at > 0 && at < len(of.items) && of.items[at-1].Ts == e.Ts {
			return nil, nil // of a time that is past, one is enough
		}
	}
	if old := s.ring[s.next]; old != nil {
		s.drop(old)
		of = s.series[string(s.buf)]
	}
	if of == nil {
		of = &series{labels: ls.Copy()}
		s.series[string(s.buf)] = of
	}
	it := &item{Exemplar: exemplar.Exemplar{Labels: e.Labels.Copy(), Value: e.Value, Ts: e.Ts, HasTs: e.HasTs}, of: of}
	of.items = slices.Insert(of.items, of.place(e.Ts), it)
	s.ring[s.next] = it
	if s.next++; s.next == len(s.ring) {
		s.next = 0
	}
	return it, nil
}

// place returns where among the items one of the time t goes.
func (of *series) place(t int64) int {
	at := len(of.items)
	for at > 0 && of.items[at-1].Ts > t {
		at--
	}
	return at
}

// less orders exemplars of one time.
func less(a, b exemplar.Exemplar) bool {
	return a.Value < b.Value || a.Value == b.Value && a.Labels.Hash() < b.Labels.Hash()
}

func check(ls labels.Labels) error {
	n := 0
	name, twice := ls.HasDuplicateLabelNames()
	if twice {
		return fmt.Errorf("%w: %q occurs twice", storage.ErrExemplarLabels, name)
	}
	ls.Range(func(l labels.Label) { n += utf8.RuneCountInString(l.Name) + utf8.RuneCountInString(l.Value) })
	if n > exemplar.ExemplarMaxLabelSetLength {
		return fmt.Errorf("%w: names and values have %d characters, at most %d are kept", storage.ErrExemplarLabels, n, exemplar.ExemplarMaxLabelSetLength)
	}
	return nil
}

// drop forgets an exemplar, and its series if it was the last.
func (s *Store) drop(it *item) {
	of := it.of
	switch i := slices.Index(of.items, it); {
	case len(of.items) == 1:
		delete(s.series, string(of.labels.Bytes(nil)))
	case i == 0: // nearly always
		of.items[0] = nil
		of.items = of.items[1:]
	default:
		of.items = slices.Delete(of.items, i, i+1)
	}
}

// Exemplars implements storage.ExemplarQueryable.
func (s *Store) Exemplars(ctx context.Context, mint, maxt int64, selectors ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	out := []exemplar.QueryResult{}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, of := range s.series {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if of.items[0].Ts > maxt || of.items[len(of.items)-1].Ts < mint || !slices.ContainsFunc(selectors, func(ms []*labels.Matcher) bool {
			return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(of.labels.Get(m.Name)) })
		}) {
			continue
		}
		r := exemplar.QueryResult{SeriesLabels: of.labels}
		for _, it := range of.items {
			if it.Ts >= mint && it.Ts <= maxt {
				r.Exemplars = append(r.Exemplars, it.Exemplar)
			}
		}
		if len(r.Exemplars) > 0 {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b exemplar.QueryResult) int { return labels.Compare(a.SeriesLabels, b.SeriesLabels) })
	return out, nil
}

// Run writes what came to the files, once a second until ctx ends, and returns nil. The process may lose the last
// second's when it is killed.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			s.flush()
		}
	}
}

func (s *Store) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.flush(s)
}

// Close writes what is pending.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files.flush(s)
	return s.files.close()
}

type metrics struct {
	appended, refused prometheus.Counter
	damage, failures  prometheus.Counter
}

func newMetrics(s *Store, reg prometheus.Registerer) metrics {
	m := metrics{
		appended: prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_exemplars_appended_total", Help: "Exemplars taken."}),
		refused:  prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_exemplars_rejected_total", Help: "Exemplars refused: out of order, or with labels that are too long."}),
		damage:   prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_exemplars_damage_total", Help: "Damaged places met in files of exemplars."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_exemplars_write_failures_total", Help: "Times exemplars could not be written to disk; they are kept in memory."}),
	}
	if reg != nil {
		kept := func() float64 {
			s.mu.RLock()
			defer s.mu.RUnlock()
			n := 0
			for _, of := range s.series {
				n += len(of.items)
			}
			return float64(n)
		}
		reg.MustRegister(m.appended, m.refused, m.damage, m.failures,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_exemplars", Help: "Exemplars that are kept."}, kept))
	}
	return m
}

var errNotRecord = errors.New("a record that is none of exemplars")
