package rules

import (
	"context"
	"errors"
	"fmt"
	"sync"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

var errSameSeries = errors.New("vector contains metrics with the same labelset after applying rule labels")

// output writes what one rule finds, one row an evaluation, and remembers the series of the last result: so those
// that vanish get a staleness marker, and for those that go on neither labels nor slots are worked out again.
type output struct {
	store  storage.Writer
	common labels.Labels                     // of all its series
	rename func(labels.Labels) labels.Labels // what becomes of the labels of a result; nil leaves them

	mu     sync.Mutex
	series map[string]*written // those of the last result
	inputs map[string]*written // the same by labels before rename, and some that have ended
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
	series    *written
	value     float64
	histogram *histogram.FloatHistogram // in place of the value if it is not nil
}

// written is a series of an output.
type written struct {
	labels labels.Labels
	key    string // in output.series: the bytes of labels
	slot   storage.Slot
	opened uint64 // when slot was asked for
	round  uint64 // of the last result with it
	stored bool   // at least once
	ended  bool   // no longer in output.series
}

func newOutput(w storage.Writer, s ruleSpec) *output {
	o := &output{store: w, series: map[string]*written{}, inputs: map[string]*written{}}
	if s.alerting {
		o.common = labels.FromStrings(labels.AlertName, s.name)
		return o
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	o.rename = func(ls labels.Labels) labels.Labels {
		b.Reset(ls)
		b.Set(commonmodel.MetricNameLabel, s.name)
		s.labels.Range(func(l labels.Label) { b.Set(l.Name, l.Value) })
		return b.Labels()
	}
	o.common = o.rename(labels.EmptyLabels())
	return o
}

// write stores a result at t, Unix milliseconds, and ends the series of the result before that it lacks. It returns
// how many samples the result has. A result with more than limit series, if that is not 0, or with one twice, is none.
// If the storage refuses some of it, the rest is stored and the error tells the first reason; on any other error
// nothing counts as written.
func (o *output) write(ctx context.Context, t int64, v model.Vector, limit int) (samples int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.gather(v, limit); err != nil {
		o.undo()
		return 0, err
	}
	if len(o.cells) == 0 {
		return 0, nil
	}
	refused, err := o.append(ctx, t, len(v))
	if err != nil && len(refused) == 0 {
		o.undo()
		return len(v), fmt.Errorf("storing the result: %w", err)
	}
	for _, c := range o.cells {
		if c.series.stored = true; c.series.round != o.round {
			o.drop(c.series)
		}
	}
	if err != nil {
		return len(v), fmt.Errorf("%d of %d samples were refused, the first: %w", len(refused), len(v), err)
	}
	return len(v), nil
}

// gather begins a round: it fills the cells.
func (o *output) gather(v model.Vector, limit int) error {
	o.round++
	o.cells = o.cells[:0]
	if len(o.inputs) > 2*len(o.series)+1024 {
		clear(o.inputs)
	}
	for _, s := range v {
		w := o.find(s.Labels)
		if w.round == o.round {
			return errSameSeries
		}
		w.round = o.round
		o.cells = append(o.cells, cell{w, s.V, s.H})
	}
	if limit > 0 && len(v) > limit {
		return fmt.Errorf("exceeded limit of %d with %d series", limit, len(v))
	}
	if len(o.series) > len(v) {
		for _, w := range o.series {
			if w.round != o.round {
				o.cells = append(o.cells, cell{series: w, value: model.Stale})
			}
		}
	}
	return nil
}

// find returns the series that an element of a result with these labels belongs to, making it if there is none.
func (o *output) find(ls labels.Labels) *written {
	var buf [1024]byte
	in := ls.Bytes(buf[:])
	if o.rename == nil {
		return o.get(in, ls)
	}
	w := o.inputs[string(in)]
	if w == nil || w.ended {
		out := o.rename(ls)
		w = o.get(out.Bytes(nil), out)
		o.inputs[string(in)] = w
	}
	return w
}

func (o *output) get(key []byte, ls labels.Labels) *written {
	w := o.series[string(key)]
	if w == nil {
		w = &written{labels: ls, key: string(key)}
		o.series[w.key] = w
	}
	return w
}

func (o *output) drop(w *written) {
	delete(o.series, w.key)
	w.ended = true
}

// undo forgets what the write in progress was the first to have.
func (o *output) undo() {
	for _, c := range o.cells {
		if !c.series.stored {
			o.drop(c.series)
		}
	}
}

// append stores the row, whose first n cells are results. The storage takes a row as a whole or not at all; where it
// does not, because another rule writes a series as well or the time went backwards, samples go singly, so that as
// many as possible are kept. Histograms are no part of rows. It returns the results that were refused, no longer of
// this round, and the first reason.
func (o *output) append(ctx context.Context, t int64, n int) (refused []cell, err error) {
	singly := o.cells[:n]
	if err = o.appendRow(t); errors.Is(err, storage.ErrClosed) || errors.Is(err, storage.ErrNoSpace) {
		return nil, err
	}
	stored := err == nil
	if stored {
		singly = o.histograms(n)
	}
	refused, err = o.appendSingly(ctx, t, singly)
	if err != nil && len(refused) == 0 {
		return nil, err
	}
	var markers []cell
	if !stored {
		markers = o.cells[n:]
	}
	for _, c := range refused {
		c.series.round = 0
		if c.series.stored {
			markers = append(markers, cell{series: c.series, value: model.Stale})
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
		batch[i] = c.sample(t)
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

// histograms returns which of the first n cells are histograms.
func (o *output) histograms(n int) (out []cell) {
	for _, c := range o.cells[:n] {
		if c.histogram != nil {
			out = append(out, c)
		}
	}
	return out
}

func (c cell) sample(t int64) model.Series {
	if c.histogram != nil {
		return model.Series{Labels: c.series.labels, Histograms: []model.Histogram{{T: t, FH: c.histogram}}}
	}
	return model.Series{Labels: c.series.labels, Samples: []model.Sample{{T: t, V: c.value}}}
}

func (o *output) appendRow(t int64) error {
	if err := o.open(); err != nil {
		return err
	}
	o.rowOf, o.values = o.rowOf[:0], o.values[:0]
	for _, c := range o.cells {
		if c.histogram != nil {
			continue
		}
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
	if len(o.rowOf) == 0 {
		return nil
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
	w := o.series[key]
	return w != nil && w.stored
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
	clear(o.inputs)
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
