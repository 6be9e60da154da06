package exec

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// rangeVector makes the evaluation of a range vector by itself, at one point in time: its samples as they are.
func (b builder) rangeVector(r *plan.Range, res *Result) (func() (model.Value, error), error) {
	if b.grid.N != 1 {
		return nil, fmt.Errorf("a range vector can't be evaluated at %d steps", b.grid.N)
	}
	var rows rows
	var err error
	if r.Sub != nil {
		rows, err = b.subquery(r, b.count.weight, bare)
	} else {
		rows, err = b.rows(r)
	}
	if err != nil {
		return nil, err
	}
	ref, width := b.reach(r)
	return func() (model.Value, error) {
		src, err := rows.source(b.q)
		if err != nil {
			return nil, err
		}
		mat := model.Matrix{}
		buf := scanBuffer{q: b.q}
		defer buf.close()
		for n, at := range src.refs {
			if err := b.q.ctx.Err(); err != nil {
				return nil, err
			}
			g := src.groups[at.group]
			lo, hi := fn.Span(g.Times(), ref, width)
			lo, v, err := buf.read(g, int(at.i), lo, hi)
			if err != nil {
				return nil, err
			}
			if err := b.q.charge(len(v) * cellsPerSample); err != nil {
				return nil, err
			}
			points := samplesOf(g.Times()[lo:], v)
			hists, size, err := buf.points(g, int(at.i), lo, len(v), r)
			if err != nil {
				return nil, err
			}
			if r.Of != nil && r.Of.Extend != plan.Plain {
				points = b.extended(r).Samples(points, r.Times(b.grid).At(0))
			}
			if len(points)+len(hists) > 0 {
				if r.Of != nil {
					n := int64(len(points) + size)
					b.q.samples.Add(n * b.count.weight)
					b.count.add(0, counts{n, n})
				}
				if err := b.q.checkResult(len(mat)+1, src.series[n].labels, len(points)+size); err != nil {
					return nil, err
				}
				s := src.series[n]
				s.strip = s.strip || s.drop
				mat = append(mat, model.Series{Labels: s.metric(), Samples: points, Histograms: hists})
			}
		}
		began := time.Now()
		sortByLabels(mat)
		res.Sort = time.Since(began)
		if b.q.delayed {
			return mergeSorted(mat)
		}
		return mat, nil
	}, nil
}

// mergeSorted joins series that have come to have the same labels.
func mergeSorted(mat model.Matrix) (model.Matrix, error) {
	out := mat[:0]
	for _, s := range mat {
		if len(out) == 0 || !labels.Equal(out[len(out)-1].Labels, s.Labels) {
			out = append(out, s)
			continue
		}
		last := &out[len(out)-1]
		last.Samples = append(last.Samples, s.Samples...)
		slices.SortFunc(last.Samples, func(a, b model.Sample) int { return cmp.Compare(a.T, b.T) })
		last.Histograms = append(last.Histograms, s.Histograms...)
		slices.SortFunc(last.Histograms, func(a, b model.Histogram) int { return cmp.Compare(a.T, b.T) })
		for i := range last.Samples[1:] {
			if last.Samples[i].T == last.Samples[i+1].T {
				return nil, errSameLabels
			}
		}
	}
	return out, nil
}

// points returns the histograms of series i of g in n rows from lo on, and for how many samples they count.
func (b *scanBuffer) points(g storage.Columns, i, lo, n int, r *plan.Range) (out []model.Histogram, size int, err error) {
	hs, err := b.histograms(g, i, lo, lo+n)
	if err != nil {
		return nil, 0, err
	}
	for row, h := range hs {
		if h == nil {
			continue
		}
		if r.Of != nil && r.Of.Extend != plan.Plain {
			return nil, 0, fmt.Errorf("%s modifier is not supported with histograms", modifier(r.Of.Extend))
		}
		out = append(out, model.Histogram{T: g.Times()[lo+row], FH: h})
		size += histSamples(h)
	}
	return out, size, b.q.charge(size * cellsPerSample)
}

// modifier returns how an extension is written.
func modifier(e plan.Extension) string {
	if e == plan.Smoothed {
		return "smoothed"
	}
	return "anchored"
}

// samplesOf returns what rows have samples that are not staleness markers.
func samplesOf(times []int64, v []float64) []model.Sample {
	out := make([]model.Sample, 0, len(v))
	for i, x := range v {
		if !storage.IsAbsent(x) && !model.IsStale(x) {
			out = append(out, model.Sample{T: times[i], V: x})
		}
	}
	return out
}
