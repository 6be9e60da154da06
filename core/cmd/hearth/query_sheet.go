package main

import (
	"slices"

	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/internal/floattext"
)

// sheet is an answer in rows and columns.
type sheet struct {
	head  []string
	rows  [][]string
	right int    // so many columns at the end are numbers
	empty string // what to say when there are no rows
}

// flat has a row for each sample, series or name, with a column for each label.
func flat(v any) sheet {
	switch v := v.(type) {
	case ranged:
		return flat(v.Matrix)
	case model.Vector:
		s := labelled(v, func(e *model.Sample) model.Metric { return e.Metric }, "time", "value")
		for i, e := range v {
			s.rows[i] = append(s.rows[i], stamp(e.Timestamp), valueOf(e.Value, e.Histogram))
		}
		return s
	case model.Matrix:
		series := labelled(v, func(e *model.SampleStream) model.Metric { return e.Metric }, "time", "value")
		s := sheet{head: series.head}
		for i, e := range v {
			ls := slices.Clip(series.rows[i])
			for _, p := range e.Values {
				s.rows = append(s.rows, append(ls, stamp(p.Timestamp), valueOf(p.Value, nil)))
			}
			for _, p := range e.Histograms {
				s.rows = append(s.rows, append(ls, stamp(p.Timestamp), valueOf(0, p.Histogram)))
			}
		}
		return s
	case *model.Scalar:
		return sheet{head: []string{"time", "value"}, rows: [][]string{{stamp(v.Timestamp), valueOf(v.Value, nil)}}}
	case *model.String:
		return sheet{head: []string{"time", "value"}, rows: [][]string{{stamp(v.Timestamp), v.Value}}}
	case []model.LabelSet:
		return labelled(v, func(e model.LabelSet) model.Metric { return model.Metric(e) })
	case model.LabelNames:
		return names("label", v)
	case model.LabelValues:
		return names("value", v)
	}
	return sheet{}
}

// labelled begins a sheet with the labels of elements, the metric's name first.
func labelled[E any](elements []E, of func(E) model.Metric, more ...string) sheet {
	used := map[model.LabelName]bool{}
	for _, e := range elements {
		for name := range of(e) {
			used[name] = true
		}
	}
	columns := make(model.LabelNames, 0, len(used))
	for name := range used {
		if name != model.MetricNameLabel {
			columns = append(columns, name)
		}
	}
	slices.Sort(columns)
	if used[model.MetricNameLabel] {
		columns = slices.Insert(columns, 0, model.MetricNameLabel)
	}
	var s sheet
	for _, name := range columns {
		s.head = append(s.head, string(name))
	}
	s.head = append(s.head, more...)
	for _, e := range elements {
		row := make([]string, 0, len(s.head))
		for _, name := range columns {
			row = append(row, string(of(e)[name]))
		}
		s.rows = append(s.rows, row)
	}
	return s
}

func names[T ~string](head string, list []T) sheet {
	s := sheet{head: []string{head}}
	for _, n := range list {
		s.rows = append(s.rows, []string{string(n)})
	}
	return s
}

func stamp(t model.Time) string { return t.Time().UTC().Format("2006-01-02T15:04:05.999Z07:00") }

// valueOf is a value with all its digits, as the API answers it.
func valueOf(v model.SampleValue, h *model.SampleHistogram) string {
	if h != nil {
		return h.String()
	}
	return string(floattext.Append(nil, float64(v)))
}
