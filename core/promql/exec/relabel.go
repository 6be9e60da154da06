package exec

import (
	"fmt"
	"strings"

	"github.com/grafana/regexp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/hearth-project/hearth/core/promql/plan"
)

// relabelled sets a label of each series.
type relabelled struct {
	of  operator
	dst string
	set func(labels.Labels) (value string, ok bool)
	max func(labels.Labels) int // bytes that the value may have
}

func (op *relabelled) open(q *query) ([]series, error) {
	ss, err := op.of.open(q)
	if err != nil {
		return nil, err
	}
	out := make([]series, len(ss))
	lb := labels.NewBuilder(labels.EmptyLabels())
	for i, s := range ss {
		if err := q.ctx.Err(); err != nil { // an expression may take long
			return nil, err
		}
		if err := q.charge(op.max(s.metric()) / cellBytes); err != nil {
			return nil, err
		}
		if v, ok := op.set(s.metric()); ok {
			lb.Reset(s.metric())
			lb.Set(op.dst, v)
			s.labels = lb.Labels()
			s.drop = s.drop && op.dst != plan.NameLabel
		}
		out[i] = s
	}
	return out, nil
}

func (op *relabelled) run(q *query, out sink) error { return op.of.run(q, out) }

func text(n plan.Node) string { return n.(*plan.Text).Val }

// labelReplace is label_replace(v, dst, replacement, src, regex).
func labelReplace(of operator, args []plan.Node) (operator, error) {
	dst, repl, src, expr := text(args[1]), text(args[2]), text(args[3]), text(args[4])
	re, err := regexp.Compile("^(?s:" + expr + ")$")
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression in label_replace(): %s", expr)
	}
	if !model.UTF8Validation.IsValidLabelName(dst) {
		return nil, fmt.Errorf("invalid destination label name in label_replace(): %s", dst)
	}
	refs := strings.Count(repl, "$")
	most := func(ls labels.Labels) int { return len(repl) + refs*len(ls.Get(src)) }
	return &merge{final: true, of: &relabelled{of, dst, func(ls labels.Labels) (string, bool) {
		v := ls.Get(src)
		found := re.FindStringSubmatchIndex(v)
		if found == nil {
			return "", false
		}
		return string(re.ExpandString(nil, repl, v, found)), true
	}, most}}, nil
}

// labelJoin is label_join(v, dst, separator, src...).
func labelJoin(of operator, args []plan.Node) (operator, error) {
	dst, sep := text(args[1]), text(args[2])
	src := make([]string, len(args)-3)
	for i, arg := range args[3:] {
		src[i] = text(arg)
		if !model.UTF8Validation.IsValidLabelName(src[i]) {
			return nil, fmt.Errorf("invalid source label name in label_join(): %s", src[i])
		}
	}
	if !model.UTF8Validation.IsValidLabelName(dst) {
		return nil, fmt.Errorf("invalid destination label name in label_join(): %s", dst)
	}
	most := func(ls labels.Labels) (n int) {
		for _, name := range src {
			n += len(ls.Get(name)) + len(sep)
		}
		return n
	}
	return &merge{final: true, of: &relabelled{of, dst, func(ls labels.Labels) (string, bool) {
		vals := make([]string, len(src))
		for i, name := range src {
			vals[i] = ls.Get(name)
		}
		return strings.Join(vals, sep), true
	}, most}}, nil
}
