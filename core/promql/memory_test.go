package promql

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	upstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/storage"
)

// memory is a storage of groups held in memory; the same data can be read by both engines.
type memory []*columns

func (m memory) Querier(mint, maxt int64) (storage.Querier, error) { return memoryQuerier{m}, nil }

type memoryQuerier struct{ memory }

func (memoryQuerier) Close() error { return nil }

func (memoryQuerier) LabelNames(context.Context, ...*labels.Matcher) ([]string, error) {
	return nil, nil
}

func (memoryQuerier) LabelValues(context.Context, string, ...*labels.Matcher) ([]string, error) {
	return nil, nil
}

func (m memoryQuerier) Select(_ context.Context, mint, maxt int64, ms ...*labels.Matcher) ([]storage.Columns, error) {
	var out []storage.Columns
	for _, c := range m.memory {
		if sel := c.within(mint, maxt, ms); sel.Len() > 0 {
			out = append(out, sel.selected())
		}
	}
	return out, nil
}

// within returns the series of c that match and have a sample in mint..maxt, with the rows of that time.
func (c *columns) within(mint, maxt int64, ms []*labels.Matcher) *columns {
	lo, _ := slices.BinarySearch(c.times, mint)
	hi, _ := slices.BinarySearch(c.times, maxt+1)
	out := &columns{times: c.times[lo:hi]}
	for i, ls := range c.labels {
		if !matches(ls, ms) {
			continue
		}
		out.labels = append(out.labels, ls)
		out.values = append(out.values, c.values[i][lo:hi])
		out.hists = append(out.hists, c.hists[i][lo:hi])
		if from, to := out.Rows(len(out.labels) - 1); from == to {
			n := len(out.labels) - 1
			out.labels, out.values, out.hists = out.labels[:n], out.values[:n], out.hists[:n]
		}
	}
	return out
}

func matches(ls labels.Labels, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}

// samplesOf is memory as an upstream storage, its series in order of labels.
type samplesOf struct{ memory }

func (s samplesOf) Querier(mint, maxt int64) (upstorage.Querier, error) {
	return samplesQuerier(s), nil
}

type samplesQuerier struct{ memory }

func (samplesQuerier) Close() error { return nil }

func (samplesQuerier) LabelNames(context.Context, *upstorage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (samplesQuerier) LabelValues(context.Context, string, *upstorage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (s samplesQuerier) Select(_ context.Context, _ bool, h *upstorage.SelectHints, ms ...*labels.Matcher) upstorage.SeriesSet {
	set := &seriesSet{at: -1}
	for _, c := range s.memory {
		sel := c.within(h.Start, h.End, ms)
		for i, ls := range sel.labels {
			var samples []chunks.Sample
			for row, v := range sel.values[i] {
				if s := sel.hists[i][row]; s.h != nil || !storage.IsAbsent(v) {
					s.v = v
					samples = append(samples, sample{s})
				}
			}
			set.series = append(set.series, upstorage.NewListSeries(ls, samples))
		}
	}
	slices.SortFunc(set.series, func(a, b upstorage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return set
}

type seriesSet struct {
	series []upstorage.Series
	at     int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.series) }
func (s *seriesSet) At() upstorage.Series              { return s.series[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

// sample is a sample for upstream.
type sample struct{ s storedSample }

func (s sample) T() int64                { return s.s.t }
func (s sample) ST() int64               { return s.s.st }
func (s sample) F() float64              { return s.s.v }
func (s sample) H() *histogram.Histogram { return nil }

// FH returns a copy: upstream uses the memory again.
func (s sample) FH() *histogram.FloatHistogram { return s.s.h.Copy() }

func (s sample) Type() chunkenc.ValueType {
	if s.s.h != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

func (s sample) Copy() chunks.Sample { return s }
