package exec

import (
	"math"
	"sort"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// classic is the classic histograms among the series of a vector: those that differ only in the label le.
type classic struct {
	hists  []hist
	at     map[string]int // hists by the labels of their series without le
	native []int          // series of the vector that have native histograms
}

type hist struct {
	series series // without le
	upper  []float64
	counts [][]float64
}

// newClassic groups the series of m. A series whose le is not a number is remarked on and left out.
func newClassic(q *query, m *matrix, arg plan.Node) *classic {
	c := &classic{at: map[string]int{}}
	var key []byte
	for i := range m.series {
		if m.cols[i].native() {
			c.native = append(c.native, i)
		}
		if empty(m.cols[i].v) {
			continue
		}
		s := m.series[i]
		ls := s.metric()
		upper, err := strconv.ParseFloat(ls.Get(labels.BucketLabel), 64)
		if err != nil {
			badBucket(q, ls, arg)
			continue
		}
		h := &c.hists[c.of(s, &key)]
		h.upper = append(h.upper, upper)
		h.counts = append(h.counts, m.cols[i].v)
	}
	for i := range c.hists {
		sort.Stable(byUpper{&c.hists[i]})
	}
	c.conflicts(q, m, arg)
	return c
}

// of returns which of the histograms a bucket belongs to. key is memory for it.
func (c *classic) of(s series, key *[]byte) int {
	ls := s.metric()
	*key = ls.BytesWithoutLabels(*key, labels.BucketLabel)
	n, ok := c.at[string(*key)]
	if !ok {
		n = len(c.hists)
		c.at[string(*key)] = n
		bare := labels.NewBuilder(ls).Del(labels.BucketLabel).Labels()
		c.hists = append(c.hists, hist{series: series{labels: bare, drop: s.drop}})
	}
	return n
}

// badBucket remarks on a series whose le is not a number.
func badBucket(q *query, ls labels.Labels, arg plan.Node) {
	q.annotate(annotations.NewBadBucketLabelWarning(shownName(q, ls), ls.Get(labels.BucketLabel), arg.Pos()))
}

// byUpper orders the buckets of a histogram, so that it need not be done for each step.
type byUpper struct{ *hist }

func (h byUpper) Len() int           { return len(h.upper) }
func (h byUpper) Less(i, j int) bool { return h.upper[i] < h.upper[j] }

func (h byUpper) Swap(i, j int) {
	h.upper[i], h.upper[j] = h.upper[j], h.upper[i]
	h.counts[i], h.counts[j] = h.counts[j], h.counts[i]
}

// ofBuckets is a function of the buckets of h at step k, of which there are some. It may have a remark.
type ofBuckets func(h *hist, b []fn.Bucket, k int) (v float64, remark error)

// each computes a column for every histogram: f of its buckets at each step where it has some.
func (c *classic) each(q *query, n int, out *matrix, f ofBuckets, label func(labels.Labels) labels.Labels) error {
	s := scan{n: len(c.hists), steps: n, worker: func() worker { return &histWorker{classic: c, f: f} }}
	for _, h := range c.hists {
		s.rows += 4 * len(h.counts) * n // a bucket costs more than a row does
	}
	return s.run(q, func(i int, col column) error {
		kept, err := q.keep(col)
		if err != nil {
			return err
		}
		s := unnamed(q, []series{c.hists[i].series})[0]
		if label != nil {
			s = series{labels: label(s.metric()), drop: s.drop}
		}
		out.series = append(out.series, s)
		out.cols = append(out.cols, kept)
		return nil
	})
}

type histWorker struct {
	*classic
	f   ofBuckets
	buf []fn.Bucket
}

func (w *histWorker) close() {}

func (w *histWorker) column(n int, col []float64) (c computed, _ error) {
	h := &w.hists[n]
	for k := range col {
		w.buf = w.buf[:0]
		for i, counts := range h.counts {
			if !storage.IsAbsent(counts[k]) {
				w.buf = append(w.buf, fn.Bucket{Upper: h.upper[i], Count: counts[k]})
			}
		}
		if len(w.buf) == 0 {
			col[k] = storage.Absent
			continue
		}
		var remark error
		if col[k], remark = w.f(h, w.buf, k); remark != nil {
			c.remarks = append(c.remarks, remark)
		}
		c.samples = 1
	}
	return c, nil
}

// histogramQuantiles is histogram_quantile and histogram_quantiles: params are the quantiles, and label, if not empty,
// is where the result tells which one it is.
func histogramQuantiles(of operator, arg plan.Node, label string, params []scalar, paramNodes []plan.Node, g plan.Grid) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		qs, err := scalars(q, params)
		if err != nil {
			return nil, err
		}
		for p, col := range qs {
			for _, x := range col {
				if err := invalidQuantile(x, paramNodes[p]); err != nil {
					q.annotate(err)
				}
			}
		}
		quantile := func(col []float64) ofBuckets {
			return func(h *hist, b []fn.Bucket, k int) (float64, error) {
				v, forced := fn.BucketQuantile(col[k], b)
				if forced == nil {
					return v, nil
				}
				name := shownName(q, h.series.labels)
				return v, annotations.NewHistogramQuantileForcedMonotonicityInfo(name, arg.Pos(), g.At(k), forced.Min, forced.Max, forced.Diff)
			}
		}
		if s, ok := of.(streamer); ok && label == "" && q.floats() {
			return streamClassic(q, s, arg, g.N, quantile(qs[0]))
		}
		in, err := collect(q, of)
		if err != nil {
			return nil, err
		}
		c := newClassic(q, in, arg)
		out := &matrix{}
		for _, col := range qs {
			f := quantile(col)
			q0 := col
			native := func(h *histogram.FloatHistogram, k int) (float64, fn.NaNs) { return fn.HistogramQuantile(q0[k], h) }
			if label == "" {
				if err := c.natives(q, in, out, native, quantileRemark(arg), nil); err != nil {
					return nil, err
				}
				if err := c.each(q, g.N, out, f, nil); err != nil {
					return nil, err
				}
				continue
			}
			if err := c.labelled(q, g.N, in, out, f, native, quantileRemark(arg), label, col); err != nil {
				return nil, err
			}
		}
		in.release(q)
		return together(q, out.nonEmpty(q))
	}}
}

// labelled is each with the quantile of each step in a label: a series for each value the parameter takes.
func (c *classic) labelled(q *query, n int, in, out *matrix, f ofBuckets, native ofNative, remark nanRemark, label string, param []float64) error {
	done := map[uint64]bool{}
	for _, p := range param {
		bits := math.Float64bits(p)
		if done[bits] {
			continue
		}
		done[bits] = true
		text := "NaN"
		if p == p {
			text = labels.FormatOpenMetricsFloat(p)
		}
		at := func(h *hist, b []fn.Bucket, k int) (float64, error) {
			if math.Float64bits(param[k]) != bits {
				return storage.Absent, nil
			}
			return f(h, b, k)
		}
		set := func(ls labels.Labels) labels.Labels { return labels.NewBuilder(ls).Set(label, text).Labels() }
		nativeAt := func(h *histogram.FloatHistogram, k int) (float64, fn.NaNs) {
			if math.Float64bits(param[k]) != bits {
				return storage.Absent, fn.NoNaNs
			}
			return native(h, k)
		}
		if err := c.natives(q, in, out, nativeAt, remark, set); err != nil {
			return err
		}
		if err := c.each(q, n, out, at, set); err != nil {
			return err
		}
	}
	return nil
}

// histogramFraction is histogram_fraction(lower, upper, v).
func histogramFraction(of operator, arg plan.Node, lower, upper scalar, n int) operator {
	return &held{compute: func(q *query) (*matrix, error) {
		bounds, err := scalars(q, []scalar{lower, upper})
		if err != nil {
			return nil, err
		}
		fraction := func(_ *hist, b []fn.Bucket, k int) (float64, error) {
			return fn.BucketFraction(bounds[0][k], bounds[1][k], b), nil
		}
		if s, ok := of.(streamer); ok && q.floats() {
			return streamClassic(q, s, arg, n, fraction)
		}
		in, err := collect(q, of)
		if err != nil {
			return nil, err
		}
		c := newClassic(q, in, arg)
		out := &matrix{}
		err = c.natives(q, in, out, func(h *histogram.FloatHistogram, k int) (float64, fn.NaNs) {
			return fn.HistogramFraction(bounds[0][k], bounds[1][k], h)
		}, fractionRemark(arg), nil)
		if err != nil {
			return nil, err
		}
		err = c.each(q, n, out, fraction, nil)
		if err != nil {
			return nil, err
		}
		in.release(q)
		return together(q, out.nonEmpty(q))
	}}
}

// invalidQuantile remarks on a quantile that is not one.
func invalidQuantile(x float64, arg plan.Node) error {
	if math.IsNaN(x) || x < 0 || x > 1 {
		return annotations.NewInvalidQuantileWarning(x, arg.Pos())
	}
	return nil
}
