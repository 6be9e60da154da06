package rules

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// memory is a storage as the contract has it, in a map; it lets the clock of a test be anything.
type memory struct {
	mu     sync.Mutex
	series map[string]*model.Series
	refuse error // of every write, if set
	open   int   // group handles
}

func newMemory() *memory { return &memory{series: map[string]*model.Series{}} }

// put stores one sample. m.mu is held.
func (m *memory) put(ls labels.Labels, s model.Sample, dry bool) error {
	key := ls.String()
	known := m.series[key]
	if known == nil {
		known = &model.Series{Labels: ls}
	}
	if n := len(known.Samples); n > 0 {
		switch last := known.Samples[n-1]; {
		case s.T < last.T:
			return fmt.Errorf("series %s: %w", ls, storage.ErrOutOfOrder)
		case s.T == last.T && math.Float64bits(s.V) != math.Float64bits(last.V):
			return fmt.Errorf("series %s: %w", ls, storage.ErrDuplicate)
		case s.T == last.T:
			return nil
		}
	}
	if !dry {
		known.Samples = append(known.Samples, s)
		m.series[key] = known
	}
	return nil
}

func (m *memory) Append(_ context.Context, batch []model.Series) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return m.refuse
	}
	var out storage.AppendError
	for _, series := range batch {
		for _, s := range series.Samples {
			if err := m.put(series.Labels, s, false); err != nil {
				out.Rejected++
				if out.First == nil {
					out.First = err
				}
				continue
			}
			out.Stored++
		}
		if len(series.Histograms) > 0 {
			known := m.series[series.Labels.String()]
			if known == nil {
				known = &model.Series{Labels: series.Labels}
				m.series[series.Labels.String()] = known
			}
			known.Histograms = append(known.Histograms, series.Histograms...)
			out.Stored += len(series.Histograms)
		}
	}
	if out.Rejected > 0 {
		return &out
	}
	return nil
}

func (m *memory) Group(labels.Labels) (storage.Group, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	return &memoryGroup{m: m}, nil
}

type memoryGroup struct {
	m     *memory
	slots []labels.Labels
}

func (g *memoryGroup) Slot(ls labels.Labels) (storage.Slot, error) {
	g.slots = append(g.slots, ls)
	return storage.Slot(len(g.slots) - 1), nil
}

func (g *memoryGroup) Append(t int64, slots []storage.Slot, values []float64) error {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if g.m.refuse != nil {
		return g.m.refuse
	}
	for _, dry := range []bool{true, false} {
		for i, s := range slots {
			if err := g.m.put(g.slots[s], model.Sample{T: t, V: values[i]}, dry); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *memoryGroup) Close() {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.m.open--
}

// Querier implements storage.Queryable.
func (m *memory) Querier(mint, maxt int64) (storage.Querier, error) { return memoryQuerier{m}, nil }

type memoryQuerier struct{ m *memory }

func (q memoryQuerier) Select(_ context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	q.m.mu.Lock()
	defer q.m.mu.Unlock()
	var out []storage.Columns
	for _, key := range slices.Sorted(maps.Keys(q.m.series)) {
		s := q.m.series[key]
		if slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return !m.Matches(s.Labels.Get(m.Name)) }) {
			continue
		}
		c := &memoryColumns{labels: s.Labels}
		for _, p := range s.Samples {
			if p.T >= mint && p.T <= maxt {
				c.times, c.values = append(c.times, p.T), append(c.values, p.V)
			}
		}
		if len(c.times) > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

func (memoryQuerier) LabelNames(context.Context, ...*labels.Matcher) ([]string, error) {
	return nil, nil
}

func (memoryQuerier) LabelValues(context.Context, string, ...*labels.Matcher) ([]string, error) {
	return nil, nil
}
func (memoryQuerier) Close() error { return nil }

type memoryColumns struct {
	labels labels.Labels
	times  []int64
	values []float64
}

func (c *memoryColumns) Common() labels.Labels    { return c.labels }
func (c *memoryColumns) Len() int                 { return 1 }
func (c *memoryColumns) Labels(int) labels.Labels { return c.labels }
func (c *memoryColumns) Times() []int64           { return c.times }
func (c *memoryColumns) Rows(int) (lo, hi int)    { return 0, len(c.times) }
func (c *memoryColumns) Values(_, lo, hi int, dst []float64) ([]float64, error) {
	return append(dst[:0], c.values[lo:hi]...), nil
}

// dump returns all samples of all series but those that tests feed, one series a line, times as seconds since start.
func dump(t *testing.T, q storage.Queryable, start int64) []string {
	t.Helper()
	querier, err := q.Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer querier.Close()
	groups, err := querier.Select(t.Context(), 0, math.MaxInt64, labels.MustNewMatcher(labels.MatchNotRegexp, commonmodel.MetricNameLabel, "in_.*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range groups {
		for i := range c.Len() {
			lo, hi := c.Rows(i)
			values, err := c.Values(i, lo, hi, nil)
			if err != nil {
				t.Fatal(err)
			}
			var samples []model.Sample
			for j, v := range values {
				if !storage.IsAbsent(v) {
					samples = append(samples, model.Sample{T: c.Times()[lo+j], V: v})
				}
			}
			out = append(out, line(c.Labels(i), samples, start))
		}
	}
	slices.Sort(out)
	return out
}

func line(ls labels.Labels, samples []model.Sample, start int64) string {
	var b strings.Builder
	b.WriteString(ls.String())
	for _, s := range samples {
		if model.IsStale(s.V) {
			fmt.Fprintf(&b, " %d=stale", s.T-start)
		} else {
			fmt.Fprintf(&b, " %d=%v", s.T-start, s.V)
		}
	}
	return b.String()
}
