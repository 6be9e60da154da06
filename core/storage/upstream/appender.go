package upstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	up "github.com/prometheus/prometheus/storage"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/storage"
)

// batch collects samples until they are committed. Unlike upstream's, what the storage refuses is told by Commit,
// and the rest of the batch is stored.
type batch struct {
	ctx    context.Context
	w      storage.Writer
	series []model.Series
	index  map[string]int // of series, by the bytes of their labels
	buf    []byte
}

func newBatch(ctx context.Context, w storage.Writer) *batch {
	return &batch{ctx: ctx, w: w, index: map[string]int{}}
}

// add adds the sample v, or if they are not nil h or fh, with the start timestamp st, 0 for none.
func (b *batch) add(ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) error {
	s, err := b.of(ls, t)
	if err != nil {
		return err
	}
	if st != 0 {
		s.Starts = append(s.Starts, model.Start{T: t, ST: st})
	}
	switch {
	case fh != nil:
		s.Histograms = append(s.Histograms, model.Histogram{T: t, FH: fh.Copy()})
	case h != nil:
		s.Histograms = append(s.Histograms, model.Histogram{T: t, H: h.Copy()})
	default:
		s.Samples = append(s.Samples, model.Sample{T: t, V: v})
	}
	return nil
}

// of returns the series of the batch that a sample at t goes to.
func (b *batch) of(ls labels.Labels, t int64) (*model.Series, error) {
	if b.w == nil {
		return nil, errors.New("the storage is only read")
	}
	if ls.IsEmpty() {
		return nil, fmt.Errorf("sample at %d: a series has labels", t)
	}
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return nil, fmt.Errorf("series %s: label %q occurs twice", ls, name)
	}
	b.buf = ls.Bytes(b.buf[:0])
	i, ok := b.index[string(b.buf)]
	if !ok {
		i = len(b.series)
		b.index[string(b.buf)] = i
		b.series = append(b.series, model.Series{Labels: ls})
	}
	return &b.series[i], nil
}

// Commit stores the samples. Errors are upstream's sentinels and the storage's at once.
func (b *batch) Commit() error {
	if len(b.series) == 0 {
		return nil
	}
	err := b.w.Append(b.ctx, b.series)
	b.Rollback()
	for _, s := range []struct{ ours, theirs error }{
		{storage.ErrOutOfOrder, up.ErrOutOfOrderSample}, {storage.ErrDuplicate, up.ErrDuplicateSampleForTimestamp},
		{storage.ErrTooOld, up.ErrTooOldSample}, {storage.ErrTooNew, up.ErrOutOfBounds},
	} {
		if errors.Is(err, s.ours) {
			return fmt.Errorf("%w: %w", s.theirs, err)
		}
	}
	return err
}

// Rollback forgets the samples.
func (b *batch) Rollback() error {
	b.series = nil
	clear(b.index)
	return nil
}

// appender implements storage.Appender of upstream. It gives out no references: 0 says so.
type appender struct{ *batch }

func (a *appender) Append(_ up.SeriesRef, ls labels.Labels, t int64, v float64) (up.SeriesRef, error) {
	return 0, a.add(ls, 0, t, v, nil, nil)
}

func (a *appender) AppendHistogram(_ up.SeriesRef, ls labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (up.SeriesRef, error) {
	return 0, a.add(ls, 0, t, 0, h, fh)
}

// AppendHistogramSTZeroSample does nothing: start timestamps are stored as such, by AppenderV2.
func (a *appender) AppendHistogramSTZeroSample(up.SeriesRef, labels.Labels, int64, int64, *histogram.Histogram, *histogram.FloatHistogram) (up.SeriesRef, error) {
	return 0, nil
}

// SetOptions does nothing: what is out of order is for the storage to decide.
func (a *appender) SetOptions(*up.AppendOptions) {}

func (a *appender) AppendExemplar(up.SeriesRef, labels.Labels, exemplar.Exemplar) (up.SeriesRef, error) {
	return 0, nil
}

func (a *appender) UpdateMetadata(up.SeriesRef, labels.Labels, metadata.Metadata) (up.SeriesRef, error) {
	return 0, nil
}

func (a *appender) AppendSTZeroSample(up.SeriesRef, labels.Labels, int64, int64) (up.SeriesRef, error) {
	return 0, nil
}

// appenderV2 implements storage.AppenderV2 of upstream. The reference it returns is the hash of the labels, and
// it needs none back.
type appenderV2 struct{ *batch }

func (a *appenderV2) Append(_ up.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, _ up.AppendV2Options) (up.SeriesRef, error) {
	if err := a.add(ls, st, t, v, h, fh); err != nil {
		return 0, err
	}
	return up.SeriesRef(ls.Hash()), nil
}
