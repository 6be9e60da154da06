package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
	"github.com/hearth-project/hearth/core/storage/facet"
	"github.com/hearth-project/hearth/core/tsdb/head"
	"github.com/hearth-project/hearth/core/tsdb/wal"
)

// natives are the series that got native histograms one by one, each a group of its own: its facets have the same
// times, and a histogram is a row.
type natives struct {
	some atomic.Bool // there are any
	mu   sync.RWMutex
	all  map[uint64][]*native // by hash of the labels
}

// native is a series that gets native histograms.
type native struct {
	ls labels.Labels

	mu     sync.Mutex
	group  *head.Handle
	facets *facet.Series
	newest int64 // time of the newest sample of the series that is known; not before it is looked up
	known  bool  // newest has been looked up
	used   bool  // since the last sweep
	slots  []storage.Slot
	values []float64
}

// find returns the series, nil if it is none of them.
func (n *natives) find(ls labels.Labels) *native {
	if !n.some.Load() {
		return nil
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.among(n.all[ls.Hash()], ls)
}

func (n *natives) among(list []*native, ls labels.Labels) *native {
	for _, s := range list {
		if labels.Equal(s.ls, ls) {
			return s
		}
	}
	return nil
}

// get returns the series, adding it if it is none of them.
func (n *natives) get(h *head.Head, ls labels.Labels) (*native, error) {
	if s := n.find(ls); s != nil {
		return s, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	hash := ls.Hash()
	if s := n.among(n.all[hash], ls); s != nil {
		return s, nil
	}
	g, err := h.Group(ls)
	if err != nil {
		return nil, err
	}
	s := &native{ls: ls.Copy(), group: g.(*head.Handle), newest: math.MinInt64}
	s.facets = facet.New(g, s.ls)
	if n.all == nil {
		n.all = map[uint64][]*native{}
	}
	n.all[hash] = append(n.all[hash], s)
	n.some.Store(true)
	return s, nil
}

// sweep forgets the series that got no sample since the last sweep.
func (n *natives) sweep() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for hash, list := range n.all {
		var kept []*native
		for _, s := range list {
			s.mu.Lock()
			if s.used {
				s.used = false
				kept = append(kept, s)
			} else {
				s.group.Close()
				s.group = nil
			}
			s.mu.Unlock()
		}
		if n.all[hash] = kept; kept == nil {
			delete(n.all, hash)
		}
	}
	n.some.Store(len(n.all) > 0)
}

// forget forgets the series if none of its samples has been stored: one that a limit refuses leaves nothing behind.
func (n *natives) forget(s *native) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil || s.newest != math.MinInt64 {
		return
	}
	s.group.Close()
	s.group = nil
	hash := s.ls.Hash()
	if n.all[hash] = slices.DeleteFunc(n.all[hash], func(o *native) bool { return o == s }); len(n.all[hash]) == 0 {
		delete(n.all, hash)
	}
	n.some.Store(len(n.all) > 0)
}

func isNative(s model.Series) bool { return len(s.Histograms)+len(s.Starts) > 0 }

// appendNative stores the samples of series with histograms or start timestamps, and what series that have had any got besides. It returns
// the series whose samples are left to store.
func (db *DB) appendNative(ctx context.Context, batch []model.Series) (rest []model.Series, res storage.AppendError, err error) {
	if !db.natives.some.Load() && !slices.ContainsFunc(batch, isNative) {
		return batch, res, nil
	}
	var end wal.Pos
	rest = make([]model.Series, 0, len(batch))
	for i := range batch {
		in := &batch[i]
		s := db.natives.find(in.Labels)
		if s == nil && !isNative(*in) {
			rest = append(rest, *in)
			continue
		}
		if s == nil {
			if s, err = db.natives.get(db.head, in.Labels); err != nil {
				if fatal(err) {
					return nil, res, err
				}
				reject(&res, err, len(in.Samples)+len(in.Histograms))
				continue
			}
		}
		refused := res.Rejected
		pos, err := db.appendTo(ctx, s, in, &res)
		if res.Rejected > refused {
			db.natives.forget(s)
		}
		if err != nil {
			return nil, res, err
		}
		end = max(end, pos)
	}
	if res.Stored > 0 {
		if err := db.head.Commit(end, res.Stored); err != nil {
			return nil, res, err
		}
	}
	return rest, res, nil
}

func reject(res *storage.AppendError, err error, n int) {
	res.Rejected += n
	if res.First == nil {
		res.First = err
	}
}

// fatal tells whether an error is of the database as a whole.
func fatal(err error) bool {
	return errors.Is(err, storage.ErrClosed) || errors.Is(err, storage.ErrNoSpace)
}

// appendTo stores the samples of one series in order of time.
func (db *DB) appendTo(ctx context.Context, s *native, in *model.Series, res *storage.AppendError) (end wal.Pos, err error) {
	s.mu.Lock()
	for s.group == nil { // swept a moment ago
		s.mu.Unlock()
		if s, err = db.natives.get(db.head, in.Labels); err != nil {
			return 0, err
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.used = true
	if !s.known {
		err := db.each(ctx, s.ls, db.head.MinTime(), math.MaxInt64, func(c storage.Columns, i int) error {
			if lo, hi := c.Rows(i); lo < hi {
				s.newest = max(s.newest, c.Times()[hi-1])
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
		s.known = true
	}
	floats, hists, starts := in.Samples, in.Histograms, in.Starts
	start := func(t int64) int64 {
		for len(starts) > 0 && starts[0].T < t {
			starts = starts[1:]
		}
		if len(starts) > 0 && starts[0].T == t {
			return starts[0].ST
		}
		return 0
	}
	for len(floats)+len(hists) > 0 {
		var pos wal.Pos
		if len(hists) == 0 || len(floats) > 0 && floats[0].T <= hists[0].T {
			pos, err = db.appendFloat(ctx, s, floats[0], start(floats[0].T))
			floats = floats[1:]
		} else {
			pos, err = db.appendHistogram(ctx, s, hists[0], start(hists[0].T))
			hists = hists[1:]
		}
		switch {
		case err == nil:
			end = max(end, pos)
			res.Stored++
		case fatal(err) || ctx.Err() != nil:
			return end, err
		default:
			db.head.Refused(err)
			reject(res, err, 1)
		}
	}
	return end, nil
}

func (db *DB) appendFloat(ctx context.Context, s *native, p model.Sample, start int64) (wal.Pos, error) {
	if p.T <= s.newest {
		if was, err := db.stored(ctx, s.ls, p.T); err != nil {
			return 0, err
		} else if was.h != nil {
			return 0, fmt.Errorf("series %s at %d has a histogram, came %v: %w", s.ls, p.T, p.V, storage.ErrDuplicate)
		}
	}
	at, err := s.facets.Plain()
	if err != nil {
		return 0, err
	}
	return s.put(p.T, start, append(s.slots[:0], at), append(s.values[:0], p.V))
}

func (db *DB) appendHistogram(ctx context.Context, s *native, p model.Histogram, start int64) (pos wal.Pos, err error) {
	var stale bool
	switch {
	case p.H != nil:
		stale = model.IsStale(p.H.Sum)
		err = p.H.Validate()
	case p.FH != nil:
		stale = model.IsStale(p.FH.Sum)
		err = p.FH.Validate()
	default:
		err = errors.New("it is empty")
	}
	if stale { // the end of the series, which is no histogram
		return db.appendFloat(ctx, s, model.Sample{T: p.T, V: model.Stale}, start)
	}
	if err != nil {
		return 0, fmt.Errorf("histogram of series %s at %d: %w", s.ls, p.T, err)
	}
	if p.T <= s.newest {
		switch was, err := db.stored(ctx, s.ls, p.T); {
		case err != nil:
			return 0, err
		case was.same(p):
			return 0, nil
		case was.any:
			return 0, fmt.Errorf("series %s at %d has another sample than the histogram that came: %w", s.ls, p.T, storage.ErrDuplicate)
		}
		s.facets.Forget()
		defer s.facets.Forget()
	}
	if p.H != nil {
		s.slots, s.values, err = s.facets.Histogram(p.H, s.slots[:0], s.values[:0])
	} else {
		s.slots, s.values, err = s.facets.FloatHistogram(p.FH, s.slots[:0], s.values[:0])
	}
	if err != nil {
		return 0, err
	}
	return s.put(p.T, start, s.slots, s.values)
}

// put stores a row of the series.
func (s *native) put(t, start int64, slots []storage.Slot, values []float64) (wal.Pos, error) {
	slots, values, err := s.facets.Start(start, slots, values)
	if err != nil {
		return 0, err
	}
	s.slots, s.values = slots, values
	pos, err := s.group.Put(t, slots, values)
	if err == nil {
		s.newest = max(s.newest, t)
	}
	return pos, err
}

// sample is what is stored of a series at a time.
type sample struct {
	any     bool
	h       *histogram.FloatHistogram // nil if it is a number
	integer bool
}

// same tells whether the sample is this histogram.
func (s sample) same(p model.Histogram) bool {
	if s.h == nil || s.integer != (p.H != nil) {
		return false
	}
	h := p.Float()
	gauge := func(h *histogram.FloatHistogram) bool { return h.CounterResetHint == histogram.GaugeType }
	return gauge(h) == gauge(s.h) && h.Copy().Compact(0).Equals(s.h.Copy().Compact(0))
}

// stored returns what is stored of a series at t.
func (db *DB) stored(ctx context.Context, ls labels.Labels, t int64) (s sample, err error) {
	err = db.each(ctx, ls, t, t, func(c storage.Columns, i int) error {
		vals, err := c.Values(i, 0, len(c.Times()), nil)
		if err != nil {
			return err
		}
		s.any = s.any || slices.ContainsFunc(vals, func(v float64) bool { return !storage.IsAbsent(v) })
		hc, ok := c.(storage.HistogramColumns)
		if !ok || !hc.HasHistograms(i) {
			return nil
		}
		var hs storage.Histograms
		if err := hc.Histograms(i, 0, len(c.Times()), &hs); err != nil {
			return err
		}
		for r := range hs.Schema {
			if h := hs.At(r); h != nil {
				s.any, s.h, s.integer = true, h, hs.Integer[r]
			}
		}
		return nil
	})
	return s, err
}

// each calls f for what a selection of one series in mint..maxt returns.
func (db *DB) each(ctx context.Context, ls labels.Labels, mint, maxt int64, f func(c storage.Columns, i int) error) error {
	q, err := db.Querier(mint, maxt)
	if err != nil {
		return err
	}
	defer q.Close()
	var ms []*labels.Matcher
	ls.Range(func(l labels.Label) { ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value)) })
	cs, err := q.Select(ctx, mint, maxt, ms...)
	if err != nil {
		return err
	}
	for _, c := range cs {
		for i := range c.Len() {
			if !labels.Equal(c.Labels(i), ls) {
				continue
			}
			if err := f(c, i); err != nil {
				return err
			}
		}
	}
	return nil
}
