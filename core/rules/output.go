package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// output writes what a rule finds, one row an evaluation, and remembers the series of the last result so that those
// which vanish get a staleness marker.
type output struct {
	store  storage.Writer
	common labels.Labels // of all its series

	mu     sync.Mutex
	series map[string]*written // by label set: those of the last result
	round  uint64              // of the write in progress

	group  storage.Group // opened by the first write
	opened uint64        // counts the openings: slots are of one
	slots  int           // asked for since

	cells  []cell // the row of the write in progress: results, then markers
	rowOf  []storage.Slot
	values []float64
}

// cell is one sample of a row.
type cell struct {
	series *written
	value  float64
}

// written is a series of an output.
type written struct {
	labels labels.Labels
	slot   storage.Slot
	opened uint64 // when slot was asked for
	round  uint64 // of the last result with it
	stored bool   // at least once
}

func newOutput(w storage.Writer, s ruleSpec) *output {
	b := labels.NewBuilder(labels.EmptyLabels())
	if s.alerting {
		b.Set(labels.AlertName, s.name)
	} else {
		b.Set(commonmodel.MetricNameLabel, s.name)
		s.labels.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
	}
	return &output{store: w, common: b.Labels(), series: map[string]*written{}}
}

// write stores a result at t, Unix milliseconds, and ends the series of the result before that it lacks. Label sets
// must be distinct. If the storage refuses some of it, the rest is stored and the error tells the first reason; on
// any other error nothing counts as written.
func (o *output) write(ctx context.Context, t int64, v model.Vector) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.round++
	o.cells = o.cells[:0]
	var buf [1024]byte
	for _, s := range v {
		key := s.Labels.Bytes(buf[:])
		w := o.series[string(key)]
		if w == nil {
			w = &written{labels: s.Labels}
			o.series[string(key)] = w
		}
		w.round = o.round
		o.cells = append(o.cells, cell{w, s.V})
	}
	for _, w := range o.series {
		if w.round != o.round {
			o.cells = append(o.cells, cell{w, model.Stale})
		}
	}
	if len(o.cells) == 0 {
		return nil
	}
	refused, err := o.append(ctx, t, len(v))
	failed := err != nil && len(refused) == 0
	for key, w := range o.series {
		switch {
		case failed && w.stored || w.round == o.round && !failed:
			w.stored = true
		default:
			delete(o.series, key)
		}
	}
	switch {
	case failed:
		return fmt.Errorf("storing the result: %w", err)
	case err != nil:
		return fmt.Errorf("%d of %d samples were refused, the first: %w", len(refused), len(v), err)
	}
	return nil
}

// append stores the row, whose first n cells are results. The storage takes a row as a whole or not at all; where it
// does not, because another rule writes a series as well or the time went backwards, samples go singly, so that as
// many as possible are kept. It returns the results that were refused, no longer of this round, and the first reason.
func (o *output) append(ctx context.Context, t int64, n int) (refused []cell, err error) {
	if err = o.appendRow(t); err == nil || errors.Is(err, storage.ErrClosed) || errors.Is(err, storage.ErrNoSpace) {
		return nil, err
	}
	refused, err = o.appendSingly(ctx, t, o.cells[:n])
	if err != nil && len(refused) == 0 {
		return nil, err
	}
	markers := o.cells[n:]
	for _, c := range refused {
		c.series.round = 0
		if c.series.stored {
			markers = append(markers, cell{c.series, model.Stale})
		}
	}
	// A marker is refused where another rule goes on with the series: that is as it should be.
	if lost, err := o.appendSingly(ctx, t, markers); err != nil && len(lost) == 0 {
		return nil, err
	}
	return refused, err
}

// appendSingly stores each of the cells that the storage takes. It returns those that it refuses, and the first
// reason; an error without any is about the storage. The storage does not say which it refused, but to repeat what it
// has taken does no harm: so halves are tried until they are found.
func (o *output) appendSingly(ctx context.Context, t int64, cells []cell) (refused []cell, err error) {
	if len(cells) == 0 {
		return nil, nil
	}
	batch := make([]model.Series, len(cells))
	for i, c := range cells {
		batch[i] = model.Series{Labels: c.series.labels, Samples: []model.Sample{{T: t, V: c.value}}}
	}
	var partly *storage.AppendError
	err = o.store.Append(ctx, batch)
	if err == nil || !errors.As(err, &partly) {
		return nil, err
	}
	if partly.Rejected == len(cells) {
		return cells, partly.First
	}
	half := len(cells) / 2
	for _, part := range [][]cell{cells[:half], cells[half:]} {
		lost, err := o.appendSingly(ctx, t, part)
		if err != nil && len(lost) == 0 {
			return nil, err
		}
		refused = append(refused, lost...)
	}
	return refused, partly.First
}

func (o *output) appendRow(t int64) error {
	if err := o.open(); err != nil {
		return err
	}
	o.rowOf, o.values = o.rowOf[:0], o.values[:0]
	for _, c := range o.cells {
		w := c.series
		if w.opened != o.opened {
			slot, err := o.group.Slot(w.labels)
			if err != nil {
				return err
			}
			w.slot, w.opened = slot, o.opened
			o.slots++
		}
		o.rowOf, o.values = append(o.rowOf, w.slot), append(o.values, c.value)
	}
	return o.group.Append(t, o.rowOf, o.values)
}

// open opens the storage group, and opens it anew when most of its slots are of series that have ended.
func (o *output) open() error {
	if o.group != nil && o.slots > 2*len(o.series)+1024 {
		o.group.Close()
		o.group = nil
	}
	if o.group != nil {
		return nil
	}
	group, err := o.store.Group(o.common)
	if err != nil {
		return err
	}
	o.group, o.slots = group, 0
	o.opened++
	return nil
}

// has tells whether the series with the key was in the last result.
func (o *output) has(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.series[key] != nil
}

// end closes the output and returns the series of its last result.
func (o *output) end() []ended {
	o.close()
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []ended
	for key, w := range o.series {
		out = append(out, ended{w.labels, key})
	}
	clear(o.series)
	return out
}

// close gives up the storage group. A write after it opens it again.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.group != nil {
		o.group.Close()
		o.group = nil
	}
}
