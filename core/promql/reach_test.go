package promql

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestRandomQueriesReachTheWholeLanguage counts what random queries are made of. With -v it prints the counts.
func TestRandomQueriesReachTheWholeLanguage(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 5))
	syntax, n := parser.NewParser(syntax), map[string]int{}
	reach := func(what string, is bool) {
		if is {
			n[what]++
		}
	}
	var duration func(parser.Expr)
	duration = func(e parser.Expr) {
		if d, ok := e.(*parser.DurationExpr); ok && d != nil {
			n["duration "+d.Op.String()]++
			duration(d.LHS)
			duration(d.RHS)
		}
	}
	for range 20_000 {
		c := randomCaseOf(r, r.IntN(2) == 0)
		expr, err := syntax.ParseExpr(c.expr)
		if err != nil {
			n["(does not parse)"]++
			continue
		}
		parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
			switch e := node.(type) {
			case *parser.Call:
				n[e.Func.Name+"()"]++
			case *parser.AggregateExpr:
				n["aggregation "+e.Op.String()]++
				reach("without", e.Without)
				reach("by", len(e.Grouping) > 0 && !e.Without)
			case *parser.BinaryExpr:
				n["operator "+e.Op.String()]++
				reach("bool", e.ReturnBool)
				if m := e.VectorMatching; m != nil {
					n[m.Card.String()]++
					reach("on", m.On)
					reach("ignoring", !m.On && len(m.MatchingLabels) > 0)
					reach("included labels", len(m.Include) > 0)
					reach("fill left", m.FillValues.LHS != nil)
					reach("fill right", m.FillValues.RHS != nil)
				}
			case *parser.UnaryExpr:
				n["unary "+e.Op.String()]++
			case *parser.VectorSelector:
				reach("anchored", e.Anchored)
				reach("smoothed", e.Smoothed)
				reach("@", e.Timestamp != nil)
				reach("@ start()", e.StartOrEnd == parser.START)
				reach("@ end()", e.StartOrEnd == parser.END)
				reach("offset", e.OriginalOffset > 0)
				reach("negative offset", e.OriginalOffset < 0)
				reach("offset expression", e.OriginalOffsetExpr != nil)
				duration(e.OriginalOffsetExpr)
				reach("UTF-8 name", strings.Contains(e.String(), "."))
				reach("a regular expression for the name", strings.Contains(e.String(), "__name__=~"))
			case *parser.MatrixSelector:
				reach("range expression", e.RangeExpr != nil)
				duration(e.RangeExpr)
			case *parser.SubqueryExpr:
				n["subquery"]++
				reach("subquery without a step", e.Step == 0 && e.StepExpr == nil)
				reach("subquery's step expression", e.StepExpr != nil)
				reach("subquery's @", e.Timestamp != nil || e.StartOrEnd != 0)
				reach("subquery's offset", e.OriginalOffset != 0)
				reach("subquery within a subquery", slices.ContainsFunc(path, func(p parser.Node) bool { _, ok := p.(*parser.SubqueryExpr); return ok }))
			}
			return nil
		})
	}
	var want []string
	for name, f := range parser.Functions {
		if name == "start_timestamp" { // TestRandomQueriesOfStartTimestampsEqualUpstream has it
			continue
		}
		want = append(want, f.Name+"()")
	}
	for op := range parser.ItemType(100_000) {
		switch {
		case op.IsAggregator():
			want = append(want, "aggregation "+op.String())
		case op.IsOperator() && op != parser.EQL_REGEX && op != parser.NEQ_REGEX && op != parser.AT:
			want = append(want, "operator "+op.String())
		}
	}
	want = append(want, "without", "by", "bool", "one-to-one", "one-to-many", "many-to-one", "many-to-many", "on", "ignoring", "included labels",
		"fill left", "fill right", "unary -", "unary +", "anchored", "smoothed", "@", "@ start()", "@ end()", "offset", "negative offset",
		"offset expression", "UTF-8 name", "a regular expression for the name", "range expression", "subquery", "subquery without a step",
		"subquery's step expression", "subquery's @", "subquery's offset", "subquery within a subquery",
		"duration +", "duration -", "duration *", "duration /", "duration %", "duration ^", "duration step", "duration range", "duration min_of", "duration max_of")
	for _, what := range want {
		if n[what] == 0 {
			t.Errorf("no query has %s", what)
		}
	}
	var table strings.Builder
	for _, what := range slices.Sorted(maps.Keys(n)) {
		fmt.Fprintf(&table, "%7d %s\n", n[what], what)
	}
	t.Logf("of 20000 queries:\n%s", &table)
}
