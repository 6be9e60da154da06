package exec

import (
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// series is what a column belongs to.
type series struct {
	labels labels.Labels
	strip  bool // labels still has its name (and type and unit), which are to be gone when it is read
	drop   bool // the name goes at the end of the query, with delayed removal
}

// metric returns the labels.
func (s *series) metric() labels.Labels {
	if s.strip {
		s.labels = s.labels.DropReserved(schema.IsMetadataLabel)
		s.strip = false
	}
	return s.labels
}

// name returns the metric name, empty if it has been dropped.
func (s *series) name() string {
	if s.strip {
		return ""
	}
	return s.labels.Get(plan.NameLabel)
}

// unnamed returns ss without names: because what is computed of them is another quantity.
func unnamed(q *query, ss []series) []series {
	out := make([]series, len(ss))
	for i, s := range ss {
		if q.delayed {
			s.drop = true
		} else {
			s.strip = true
		}
		out[i] = s
	}
	return out
}

// distinct tells, cheaply if possible, whether label sets that are distinct as selected stay so when stripped.
func distinct(ss []series) bool {
	if len(ss) < 2 {
		return true
	}
	if sameName(ss) {
		return true
	}
	seen := make(map[uint64]struct{}, len(ss))
	for i := range ss {
		h := ss[i].metric().Hash()
		if _, dup := seen[h]; dup {
			return false
		}
		seen[h] = struct{}{}
	}
	return true
}

// sameName tells whether all series are yet to be stripped and that takes the same name from each and nothing else.
func sameName(ss []series) bool {
	var name string
	for i, s := range ss {
		if !s.strip {
			return false
		}
		n := s.labels.Get(plan.NameLabel)
		if i == 0 {
			name = n
		}
		if n != name || s.labels.Get(model.MetricTypeLabel) != "" || s.labels.Get(model.MetricUnitLabel) != "" {
			return false
		}
	}
	return true
}
