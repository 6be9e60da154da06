package rules

import (
	"context"
	"fmt"
	"strings"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/util/strutil"

	"github.com/hearth-project/hearth/core/model"
)

// variables are what a template may say in place of a field of its data.
const variables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// maxExpanded is how many bytes a template may make. Alerts are sent, stored and shown: none needs a text of this size.
const maxExpanded = 1 << 20

// templates expands the labels and annotations of a rule for one sample of its result.
type templates struct {
	ctx  context.Context
	rule *rule
	at   time.Time
	of   model.VectorSample
	data any // made when the first template is met
}

func newTemplates(ctx context.Context, r *rule, s model.VectorSample, at time.Time) *templates {
	return &templates{ctx: ctx, rule: r, at: at, of: s}
}

// expand returns text with its templates executed. What goes wrong stands in the result: an alert with a bad summary
// is better than none.
func (t *templates) expand(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	env := t.rule.env
	if t.data == nil {
		t.data = template.AlertTemplateData(t.of.Labels.Map(), t.rule.group.external.Map(), env.ExternalURL.String(), promql.Sample{F: t.of.V})
	}
	out, err := template.NewTemplateExpander(t.ctx, variables+text, "__alert_"+t.rule.spec.name, t.data,
		commonmodel.Time(t.at.UnixMilli()), t.query, env.ExternalURL, nil).Expand()
	if err != nil {
		env.Logger.Warn("a template of an alert: its text stands in the alert", "alert", t.rule.spec.name, "err", err)
		return fmt.Sprintf("<error expanding template: %s>", err)
	}
	if len(out) > maxExpanded {
		env.Logger.Warn("a template of an alert makes a text that is too long", "alert", t.rule.spec.name, "bytes", len(out), "most", maxExpanded)
		return fmt.Sprintf("<error expanding template: it makes %d bytes, at most %d are kept>", len(out), maxExpanded)
	}
	return out
}

// query serves the template function query.
func (t *templates) query(ctx context.Context, expr string, at time.Time) (promql.Vector, error) {
	v, err := t.rule.env.Query(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	out := make(promql.Vector, len(v))
	for i, s := range v {
		out[i] = promql.Sample{Metric: s.Labels, T: s.T, F: s.V}
	}
	return out, nil
}

// link is where a user sees the expression of an alert.
func (r *rule) link() string {
	return strings.TrimRight(r.env.ExternalURL.String(), "/") + strutil.TableLinkForExpression(r.spec.expr)
}
