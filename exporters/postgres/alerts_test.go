package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// The example rules are valid, and ask for metrics and labels that the exporter has.
func TestExampleAlerts(t *testing.T) {
	p := parser.NewParser(parser.Options{})
	groups, errs := rulefmt.ParseFile("alerts.yml", false, model.UTF8Validation, p, nil)
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil {
		t.FailNow()
	}
	s := start(t)
	s.Exec("postgres", "CREATE TABLE orders (id int); SELECT pg_create_physical_replication_slot('spare', true)")
	e := configured(t, object{}).scrape(t, s)
	names := slices.Sorted(maps.Values(e.Names))
	rules := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			rules++
			expr, err := p.ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			for _, selector := range parser.ExtractSelectors(expr) {
				for _, m := range selector {
					if m.Name == model.MetricNameLabel && !slices.Contains(names, m.Value) {
						t.Errorf("%s asks for %s, which the exporter does not have", r.Alert, m.Value)
					}
				}
			}
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", r.Alert)
			}
		}
	}
	if rules < 10 {
		t.Errorf("only %d rules", rules)
	}
}
