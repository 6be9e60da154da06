package exec

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"

	"github.com/hearth-project/hearth/core/model"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// cleaned removes names whose removal was delayed.
type cleaned struct{ of operator }

func (op *cleaned) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	out := make([]series, len(ss))
	for i, s := range ss {
		if s.drop {
			s.labels = s.labels.DropReserved(schema.IsMetadataLabel)
		}
		out[i] = s
	}
	return out, err
}

func (op *cleaned) run(q *query, out sink) error { return op.of.run(q, out) }

func (q *query) instant(op operator, t int64) (model.Value, error) {
	ss, err := op.open(q)
	if err != nil {
		return nil, err
	}
	vec := make(model.Vector, 0, len(ss))
	err = op.run(q, func(i int, col column) error {
		if !col.has(0) {
			return nil
		}
		s, size := model.VectorSample{Sample: model.Sample{T: t, V: col.v[0]}}, 1
		if s.H = col.hist(0); s.H != nil {
			s.V, size = 0, histSamples(s.H)
		}
		if err := q.checkResult(len(vec)+1, ss[i].labels, size); err != nil {
			return err
		}
		s.Labels = ss[i].metric()
		vec = append(vec, s)
		return nil
	})
	return vec, err
}

// rangeOf evaluates op into columns, at 8 bytes a sample. What an operator holds already is not copied.
func (q *query) rangeOf(op operator, g plan.Grid, res *Result) (model.Value, error) {
	out := &model.Columns{Start: g.Start, Step: g.Step}
	var err error
	if h, ok := op.(holder); ok {
		var m *matrix
		if m, err = h.matrix(q); err == nil {
			err = q.results(out, m.series, g, true, m.push)
		}
	} else {
		var ss []series
		if ss, err = op.open(q); err == nil {
			err = q.results(out, ss, g, false, func(to sink) error { return op.run(q, to) })
		}
	}
	if err != nil {
		return nil, err
	}
	began := time.Now()
	byLabels := func(a, b model.Column) int { return labels.Compare(a.Labels, b.Labels) }
	if !slices.IsSortedFunc(out.Series, byLabels) {
		slices.SortFunc(out.Series, byLabels)
	}
	res.Sort = time.Since(began)
	return out, nil
}

// results adds the columns that run pushes to out. Columns that are ours may be kept.
func (q *query) results(out *model.Columns, ss []series, g plan.Grid, ours bool, run func(sink) error) error {
	var runs, last []model.Run
	return run(func(i int, col column) error {
		n := 0
		if runs, n = runsOf(col.v, runs[:0]); !slices.Equal(runs, last) { // mostly all series have the same
			last = slices.Clone(runs)
		}
		hists, size := histogramsOf(col.h, g)
		if n+len(hists) == 0 {
			return nil
		}
		if err := q.checkResult(len(out.Series)+1, ss[i].labels, n+size); err != nil {
			return err
		}
		v := col.v
		if !ours || n < len(v) {
			if err := q.charge(n + len(runs) + size*cellsPerSample); err != nil {
				return err
			}
			v = make([]float64, 0, n)
			for _, r := range runs {
				v = append(v, col.v[r.First:r.First+r.N]...)
			}
		}
		out.Series = append(out.Series, model.Column{Labels: ss[i].metric(), V: v, Runs: last, Histograms: hists})
		return nil
	})
}

// runsOf appends where a column has values to runs, and returns how many.
func runsOf(v []float64, runs []model.Run) (_ []model.Run, n int) {
	for k := 0; k < len(v); k++ {
		first := k
		for k < len(v) && (v[k] == v[k] || !storage.IsAbsent(v[k])) {
			k++
		}
		if k > first {
			runs = append(runs, model.Run{First: int32(first), N: int32(k - first)})
			n += k - first
		}
	}
	return runs, n
}

// histogramsOf returns the histograms of a column at the steps of g, and for how many samples they count.
func histogramsOf(hs []*histogram.FloatHistogram, g plan.Grid) (out []model.Histogram, size int) {
	for k, h := range hs {
		if h != nil {
			out = append(out, model.Histogram{T: g.At(k), FH: h})
			size += histSamples(h)
		}
	}
	return out, size
}

// ErrLargeResult is a result that has more than it may.
var ErrLargeResult = errors.New("the result is too large")

// checkResult is told of each series of the result: how many there are with it, its labels and its samples.
func (q *query) checkResult(series int, ls labels.Labels, samples int) error {
	if q.maxSeries > 0 && series > q.maxSeries {
		return fmt.Errorf("%w: it has more than %d series ([query] max_result_series); aggregate, or select less", ErrLargeResult, q.maxSeries)
	}
	if q.maxResultBytes == 0 {
		return nil
	}
	q.resultBytes += int64(samples) * cellsPerSample * cellBytes
	ls.Range(func(l labels.Label) { q.resultBytes += int64(len(l.Name) + len(l.Value)) })
	if q.resultBytes > q.maxResultBytes {
		return fmt.Errorf("%w: it has more than %d bytes ([query] max_result_size); aggregate, select less, or take larger steps", ErrLargeResult, q.maxResultBytes)
	}
	return nil
}

func sortByLabels(mat model.Matrix) {
	byLabels := func(a, b model.Series) int { return labels.Compare(a.Labels, b.Labels) }
	if !slices.IsSortedFunc(mat, byLabels) {
		slices.SortFunc(mat, byLabels)
	}
}
