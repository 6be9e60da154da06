package promql

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// TestEveryFunctionIsEvaluated calls all functions the parser knows.
func TestEveryFunctionIsEvaluated(t *testing.T) {
	var o Options
	if err := o.Enable(Features()...); err != nil {
		t.Fatal(err)
	}
	e := New(o)
	for name, f := range parser.Functions {
		args := make([]string, len(f.ArgTypes))
		for i, typ := range f.ArgTypes {
			args[i] = map[parser.ValueType]string{
				parser.ValueTypeVector: "up", parser.ValueTypeMatrix: "up[5m]", parser.ValueTypeScalar: "0.5", parser.ValueTypeString: `"i"`,
			}[typ]
		}
		if name == "info" {
			args = args[:1] // the second is a selector without a name
		}
		expr := name + "(" + strings.Join(args, ", ") + ")"
		if _, err := e.Instant(t.Context(), steadyData(3), expr, now, QueryOptions{}); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		if strings.HasPrefix(name, "sort") { // is remarked on in a range query, nothing more
			continue
		}
		if _, err := e.Range(t.Context(), steadyData(3), expr, now, now.Add(time.Minute), time.Second, QueryOptions{}); err != nil {
			t.Errorf("%s as a range: %v", expr, err)
		}
	}
}

// TestEveryAggregationIsEvaluated does the same for aggregations.
func TestEveryAggregationIsEvaluated(t *testing.T) {
	e := New(Options{Syntax: syntax})
	n := 0
	for name, op := range map[string]parser.ItemType{
		"sum": parser.SUM, "avg": parser.AVG, "count": parser.COUNT, "min": parser.MIN, "max": parser.MAX, "group": parser.GROUP,
		"stddev": parser.STDDEV, "stdvar": parser.STDVAR, "topk": parser.TOPK, "bottomk": parser.BOTTOMK, "count_values": parser.COUNT_VALUES,
		"quantile": parser.QUANTILE, "limitk": parser.LIMITK, "limit_ratio": parser.LIMIT_RATIO,
	} {
		expr := name + " by (i) (up)"
		switch {
		case op == parser.COUNT_VALUES:
			expr = name + ` by (i) ("v", up)`
		case op.IsAggregatorWithParam():
			expr = name + " by (i) (1, up)"
		}
		if _, err := e.Instant(t.Context(), steadyData(3), expr, now, QueryOptions{}); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		n++
	}
	for op := parser.ItemType(0); op < 100_000; op++ {
		if op.IsAggregator() {
			n--
		}
	}
	if n != 0 {
		t.Errorf("the parser has %d aggregations more than are tried here", -n)
	}
}
