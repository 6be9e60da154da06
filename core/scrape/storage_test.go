package scrape

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// memory is a storage that keeps to the contract of package storage and shows what it was given. Samples must be in
// order, series by series; a row that has one that is refused is refused as a whole.
type memory struct {
	mu     sync.Mutex
	series map[string][]model.Sample // by labels
	native map[string][]model.Histogram
	starts map[string][]model.Start
	rows   int   // appended
	groups int   // open
	err    error // given to every writer if set
}

func newMemory() *memory {
	return &memory{series: map[string][]model.Sample{}, native: map[string][]model.Histogram{}, starts: map[string][]model.Start{}}
}

func (m *memory) refuses(series string, t int64, v float64) error {
	ss := m.series[series]
	if len(ss) == 0 {
		return nil
	}
	switch last := ss[len(ss)-1]; {
	case t < last.T:
		return fmt.Errorf("%s at %d: %w", series, t, storage.ErrOutOfOrder)
	case t == last.T && math.Float64bits(v) != math.Float64bits(last.V):
		return fmt.Errorf("%s at %d: %w", series, t, storage.ErrDuplicate)
	}
	return nil
}

func (m *memory) put(series string, t int64, v float64) {
	ss := m.series[series]
	if len(ss) == 0 || ss[len(ss)-1].T < t {
		m.series[series] = append(ss, model.Sample{T: t, V: v})
	}
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Append implements storage.Writer.
func (m *memory) Append(_ context.Context, batch []model.Series) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	var refused storage.AppendError
	for _, s := range batch {
		m.native[s.Labels.String()] = append(m.native[s.Labels.String()], s.Histograms...)
		for _, x := range s.Samples {
			if err := m.refuses(s.Labels.String(), x.T, x.V); err != nil {
				refused.Rejected++
				if refused.First == nil {
					refused.First = err
				}
				continue
			}
			refused.Stored++
			m.put(s.Labels.String(), x.T, x.V)
		}
	}
	if refused.First != nil {
		return &refused
	}
	return nil
}

// Group implements storage.Writer.
func (m *memory) Group(labels.Labels) (storage.Group, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	m.groups++
	return &memoryGroup{m: m}, nil
}

type memoryGroup struct {
	m      *memory
	series []string // by slot
	closed bool
}

// Slot implements storage.Group.
func (g *memoryGroup) Slot(ls labels.Labels) (storage.Slot, error) {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if g.closed {
		return 0, errors.New("the group was closed")
	}
	if ls.IsEmpty() || ls.Get("__name__") == "" {
		return 0, fmt.Errorf("series %s has no name", ls)
	}
	if g.m.err != nil {
		return 0, g.m.err
	}
	g.series = append(g.series, ls.String())
	return storage.Slot(len(g.series) - 1), nil
}

// Append implements storage.Group.
func (g *memoryGroup) Append(t int64, slots []storage.Slot, values []float64) error {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if g.closed {
		return errors.New("the group was closed")
	}
	if g.m.err != nil {
		return g.m.err
	}
	if len(slots) != len(values) {
		return fmt.Errorf("%d slots, %d values", len(slots), len(values))
	}
	named := map[string]bool{}
	for i, s := range slots {
		series := g.series[s]
		if named[series] {
			return fmt.Errorf("the row has %s twice", series)
		}
		named[series] = true
		if err := g.m.refuses(series, t, values[i]); err != nil {
			return err
		}
	}
	for i, s := range slots {
		g.m.put(g.series[s], t, values[i])
	}
	g.m.rows++
	return nil
}

// Close implements storage.Group.
func (g *memoryGroup) Close() {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.m.groups--
	}
}

// at returns the samples at a time, as "series value", sorted. Report series are left out unless asked for.
func (m *memory) at(t int64, withReports bool) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for series, ss := range m.series {
		if !withReports && isReport(series) {
			continue
		}
		for _, s := range ss {
			if s.T == t {
				out = append(out, series+" "+show(s.V))
			}
		}
	}
	slices.Sort(out)
	return out
}

// dump returns all samples, as "series time=value ...", sorted, without the report series that say how long it took.
func (m *memory) dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, series := range slices.Sorted(maps.Keys(m.series)) {
		if strings.Contains(series, "scrape_duration_seconds") {
			continue
		}
		b.WriteString(series)
		for _, s := range m.series[series] {
			fmt.Fprintf(&b, " %d=%s", s.T, show(s.V))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (m *memory) times(series string) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []int64
	for _, s := range m.series[series] {
		out = append(out, s.T)
	}
	return out
}

func (m *memory) value(series string, t int64) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.series[series] {
		if s.T == t {
			return show(s.V)
		}
	}
	return "none"
}

func isReport(series string) bool {
	return slices.ContainsFunc(reports[:], func(r string) bool { return strings.Contains(series, `__name__="`+r+`"`) })
}

func show(v float64) string {
	if model.IsStale(v) {
		return "stale"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
