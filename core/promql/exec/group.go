package exec

import (
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/schema"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// grouping tells which group of an aggregation each series belongs to. Groups are in the order they first occur in.
type grouping struct {
	of     []int // for each series
	groups []series
	size   []int // series in each group
	at     []int // where the result of a group is, for whoever makes one
}

// newGrouping groups ss as by (names) or without (names) say.
func newGrouping(ss []series, a *plan.Aggregate, names []string) *grouping {
	g := &grouping{of: make([]int, len(ss))}
	at := make(map[uint64]int)
	lb := labels.NewBuilder(labels.EmptyLabels())
	metadata := a.Without || slices.ContainsFunc(names, schema.IsMetadataLabel)
	var buf []byte
	for i := range ss {
		s := &ss[i]
		if metadata {
			s.metric() // the key may depend on what is to be stripped
		}
		var key uint64
		switch {
		case a.Without:
			key, buf = s.labels.HashWithoutLabels(buf, names...)
		case len(names) > 0:
			key, buf = s.labels.HashForLabels(buf, names...)
		}
		n, ok := at[key]
		if !ok {
			n = len(g.groups)
			at[key] = n
			g.groups = append(g.groups, series{labels: groupLabels(lb, s.labels, a.Without, names)})
			g.size = append(g.size, 0)
		}
		g.of[i] = n
		g.size[n]++
		g.groups[n].drop = g.groups[n].drop || s.drop
	}
	g.at = make([]int, len(g.groups))
	return g
}

// groupLabels returns the labels of the group that a series with labels ls falls into.
func groupLabels(lb *labels.Builder, ls labels.Labels, without bool, names []string) labels.Labels {
	switch {
	case without:
		lb.Reset(ls)
		lb.Del(names...)
		lb.Del(plan.NameLabel)
		return lb.Labels()
	case len(names) > 0:
		lb.Reset(ls)
		lb.Keep(names...)
		return lb.Labels()
	}
	return labels.EmptyLabels()
}
