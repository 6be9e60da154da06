package exec

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/hearth-project/hearth/core/promql/fn"
	"github.com/hearth-project/hearth/core/promql/plan"
	"github.com/hearth-project/hearth/core/storage"
)

// ofNative is a function of a native histogram at step k.
type ofNative func(h *histogram.FloatHistogram, k int) (float64, fn.NaNs)

// nanRemark makes the remark on observations of NaN in a histogram of the metric name.
type nanRemark func(name string, n fn.NaNs) error

func quantileRemark(arg plan.Node) nanRemark {
	return func(name string, n fn.NaNs) error {
		if n == fn.NaNsResult {
			return annotations.NewNativeHistogramQuantileNaNResultInfo(name, arg.Pos())
		}
		return annotations.NewNativeHistogramQuantileNaNSkewInfo(name, arg.Pos())
	}
}

func fractionRemark(arg plan.Node) nanRemark {
	return func(name string, _ fn.NaNs) error {
		return annotations.NewNativeHistogramFractionNaNsInfo(name, arg.Pos())
	}
}

// shownName returns the name that remarks on functions of histograms give: it is gone by then unless that is delayed.
func shownName(q *query, ls labels.Labels) string {
	if q.delayed {
		return ls.Get(plan.NameLabel)
	}
	return ""
}

// conflicts takes away what m has both as a classic and as a native histogram at the same step.
func (c *classic) conflicts(q *query, m *matrix, arg plan.Node) {
	if len(c.hists) == 0 {
		return
	}
	var key []byte
	for _, i := range c.native {
		ls := m.series[i].metric()
		key = ls.Bytes(key)
		n, ok := c.at[string(key)]
		if !ok {
			continue
		}
		for k, h := range m.cols[i].h {
			if h == nil || !c.hists[n].has(k) {
				continue
			}
			q.annotate(annotations.NewMixedClassicNativeHistogramsWarning(shownName(q, ls), arg.Pos()))
			m.cols[i].h[k] = nil
			for _, counts := range c.hists[n].counts {
				counts[k] = storage.Absent
			}
		}
	}
}

// has tells whether there is a bucket at step k.
func (h *hist) has(k int) bool {
	for _, counts := range h.counts {
		if !storage.IsAbsent(counts[k]) {
			return true
		}
	}
	return false
}

// natives computes a column for each series of m that has native histograms: f of them.
func (c *classic) natives(q *query, m, out *matrix, f ofNative, remark nanRemark, label func(labels.Labels) labels.Labels) error {
	for _, i := range c.native {
		if err := q.ctx.Err(); err != nil {
			return err
		}
		col, err := q.holes(len(m.cols[i].v))
		if err != nil {
			return err
		}
		for k, h := range m.cols[i].h {
			if h == nil {
				continue
			}
			var nans fn.NaNs
			if col[k], nans = f(h, k); nans != fn.NoNaNs {
				q.annotate(remark(shownName(q, m.series[i].labels), nans))
			}
		}
		s := unnamed(q, m.series[i:i+1])[0]
		if label != nil {
			s = series{labels: label(s.metric()), drop: s.drop}
		}
		out.series = append(out.series, s)
		out.cols = append(out.cols, column{v: col})
	}
	return nil
}
