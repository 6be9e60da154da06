// Package metadata keeps what senders say of their metrics: type, help and unit of each family. Scrape targets say it
// with every scrape and are asked themselves; this is for those who write from elsewhere and say it now and then.
//
// Senders may differ, so a family has a statement for each that is different, as with Mimir. The table is bounded: when
// it is full, a new statement takes the place of the one that was last said the longest ago, if that is an hour or more;
// else it is refused. So a sender that invents names cannot push out what the others say. A statement of a family that
// has newer ones is dropped once it has not been said for an hour: its senders say something else now.
//
// The table outlives the process: file.go writes it to a file, whose bytes FORMAT.md gives.
package metadata

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hearth-project/hearth/core/internal/vfs"
	"github.com/hearth-project/hearth/core/storage"
)

const (
	maxName = 1024 // bytes of a name; a statement with a longer one is refused
	maxText = 1024 // bytes of a help text or a unit, as with Mimir; what is longer is cut
	stale   = time.Hour
)

// Options says how many statements are kept, and where.
type Options struct {
	FS  vfs.FS
	Dir string // of the file; it is made if there is none

	Max  int           // statements in all; 0 keeps none
	Keep time.Duration // after it was last said a statement is dropped; 0 is never

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      func() time.Time // nil means time.Now
}

// Store keeps metadata. It implements storage.MetadataWriter and storage.MetadataReader. Safe for concurrent use.
type Store struct {
	fs      vfs.FS
	dir     string
	log     *slog.Logger
	clock   func() time.Time
	refused prometheus.Counter
	failed  prometheus.Counter

	mu       sync.RWMutex
	max      int
	keep     time.Duration
	n        int                     // statements
	families map[string][]*statement // the one that was said last comes first
	full     int64                   // until this time, Unix milliseconds, no statement can be replaced
	changed  bool                    // since the file was written

	file struct {
		sync.Mutex
		written int64 // when, Unix milliseconds
		failing bool
	}
}

// statement is what is said of a family.
type statement struct {
	storage.Metadata
	seen int64 // when it was last said, Unix milliseconds
}

var (
	_ storage.MetadataWriter = (*Store)(nil)
	_ storage.MetadataReader = (*Store)(nil)
)

// Open reads what was kept. A file that cannot be read is logged, and the table begins empty: its senders fill it again.
func Open(o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	s := &Store{fs: o.FS, dir: o.Dir, log: o.Logger, clock: o.Clock, max: max(o.Max, 0), keep: o.Keep, families: map[string][]*statement{}}
	s.refused = prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_metadata_rejected_total", Help: "Statements about metrics refused: the table is full, or the name is too long or none."})
	s.failed = prometheus.NewCounter(prometheus.CounterOpts{Name: "hearth_metadata_write_failures_total", Help: "Times metadata could not be written to disk; it is kept in memory."})
	if o.Registerer != nil {
		o.Registerer.MustRegister(s.refused, s.failed,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hearth_metadata", Help: "Statements about metrics that are kept."}, func() float64 {
				s.mu.RLock()
				defer s.mu.RUnlock()
				return float64(s.n)
			}))
	}
	s.load()
	return s
}

// Resize changes how many statements are kept, and how long; those that were said last stay.
func (s *Store) Resize(most int, keep time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.max, s.keep, s.full = max(most, 0), keep, 0
	s.shrink()
}

// shrink drops statements until there are no more than max.
func (s *Store) shrink() {
	if s.n <= s.max {
		return
	}
	all := s.all()
	slices.SortFunc(all, func(a, b *statement) int { return cmp.Compare(a.seen, b.seen) })
	for _, st := range all[:s.n-s.max] {
		s.drop(st)
	}
}

func (s *Store) all() []*statement {
	all := make([]*statement, 0, s.n)
	for _, of := range s.families {
		all = append(all, of...)
	}
	return all
}

func (s *Store) drop(st *statement) {
	of := s.families[st.Metric]
	if of = slices.DeleteFunc(of, func(o *statement) bool { return o == st }); len(of) == 0 {
		delete(s.families, st.Metric)
	} else {
		s.families[st.Metric] = of
	}
	s.n--
	s.changed = true
}

// AppendMetadata implements storage.MetadataWriter.
func (s *Store) AppendMetadata(said []storage.Metadata) {
	if len(said) == 0 {
		return
	}
	now := s.clock().UnixMilli()
	refused := 0
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.max == 0 {
		return
	}
	for i := range said {
		if !s.take(&said[i], now) {
			refused++
		}
	}
	s.refused.Add(float64(refused))
}

// take notes a statement. Texts are copied: they may be parts of something larger.
func (s *Store) take(m *storage.Metadata, now int64) bool {
	help, unit := clean(m.Help), clean(m.Unit)
	of := s.families[m.Metric]
	for i, st := range of {
		if st.Help == help && st.Type == m.Type && st.Unit == unit {
			st.seen = max(st.seen, now)
			copy(of[1:i+1], of[:i])
			of[0] = st
			return true
		}
	}
	if m.Metric == "" || len(m.Metric) > maxName || !utf8.ValidString(m.Metric) || s.n >= s.max && !s.makeRoom(now) {
		return false
	}
	st := &statement{storage.Metadata{Metric: strings.Clone(m.Metric), Type: m.Type, Help: strings.Clone(help), Unit: strings.Clone(unit)}, now}
	s.families[st.Metric] = slices.Insert(s.families[st.Metric], 0, st)
	s.n++
	s.changed = true
	return true
}

// clean returns a text as valid UTF-8 and not too long.
func clean(text string) string { return cut(strings.ToValidUTF8(cut(text), "\ufffd")) }

// cut returns a text that is not too long, without a part of a character at its end.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// makeRoom drops the statements that are stale, down to a sixteenth less than there may be: looking for them goes through
// all, so it has to be worth it. It tells whether there was one.
func (s *Store) makeRoom(now int64) bool {
	if now < s.full {
		return false
	}
	all := s.all()
	slices.SortFunc(all, func(a, b *statement) int { return cmp.Compare(a.seen, b.seen) })
	dropped := 0
	for _, st := range all[:max(1, s.max/16)] {
		if st.seen > now-stale.Milliseconds() {
			s.full = st.seen + stale.Milliseconds() // no sooner than this is it worth looking again
			break
		}
		s.drop(st)
		dropped++
	}
	return dropped > 0
}

// tidy drops the statements of families whose senders say something else now, and those of families that are gone.
func (s *Store) tidy(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for metric, of := range s.families {
		newest := of[0].seen
		kept := slices.DeleteFunc(of, func(st *statement) bool {
			return st.seen < newest && st.seen <= now-stale.Milliseconds() || s.keep > 0 && st.seen <= now-s.keep.Milliseconds()
		})
		switch {
		case len(kept) == len(of):
			continue
		case len(kept) == 0:
			delete(s.families, metric)
		default:
			s.families[metric] = kept
		}
		s.n, s.changed = s.n-(len(of)-len(kept)), true
	}
}

// Metadata implements storage.MetadataReader.
func (s *Store) Metadata(metric string) []storage.Metadata {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []storage.Metadata
	if metric != "" {
		for _, st := range s.families[metric] {
			out = append(out, st.Metadata)
		}
		return out
	}
	out = make([]storage.Metadata, 0, s.n)
	for _, of := range s.families {
		for _, st := range of {
			out = append(out, st.Metadata)
		}
	}
	slices.SortStableFunc(out, func(a, b storage.Metadata) int { return strings.Compare(a.Metric, b.Metric) })
	return out
}

// Run writes the table to its file when it has changed, every ten seconds until ctx ends, and returns nil. The process may
// lose the last ones when it is killed; senders say them again.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(10 * time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			now := s.clock().UnixMilli()
			s.tidy(now)
			s.save(now, false)
		}
	}
}

// Close writes the table, with when each statement was last said. A disk that does not take it is told to the log: that
// is no reason for a stop to fail.
func (s *Store) Close() { _ = s.save(s.clock().UnixMilli(), true) }
