package promql

import (
	"strings"
	"testing"

	"github.com/hearth-project/hearth/core/model"
)

func TestFeaturesAreOffUntilEnabled(t *testing.T) {
	for _, tt := range []struct{ feature, expr, refusal string }{
		{"promql-experimental-functions", `mad_over_time(up[5m])`, `function "mad_over_time" is not enabled`},
		{"promql-experimental-functions", `info(up)`, `function "info" is not enabled`},
		{"promql-experimental-functions", `limitk(2, up)`, `limitk() is experimental`},
		{"promql-extended-range-selectors", `rate(up[5m] anchored)`, `anchored modifier is experimental and not enabled`},
		{"promql-extended-range-selectors", `up smoothed`, `smoothed modifier is experimental and not enabled`},
		{"promql-binop-fill-modifiers", `up + fill(0) up`, `binop fill modifiers are experimental and not enabled`},
		{"promql-duration-expr", `rate(up[1m * 5])`, ""},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			_, err := New(Options{}).Instant(t.Context(), steadyData(2), tt.expr, now, QueryOptions{})
			if refused := err != nil; refused != (tt.refusal != "") || refused && !strings.Contains(err.Error(), tt.refusal) {
				t.Errorf("without %s: %v, want %q", tt.feature, err, tt.refusal)
			}
			var o Options
			if err := o.Enable(tt.feature); err != nil {
				t.Fatal(err)
			}
			if _, err := New(o).Instant(t.Context(), steadyData(2), tt.expr, now, QueryOptions{}); err != nil {
				t.Errorf("with %s: %v", tt.feature, err)
			}
		})
	}
}

func TestStartTimestampsAreZeroWhenUsed(t *testing.T) {
	for _, tt := range []struct {
		features []string
		expr     string
		want     float64
	}{
		{nil, "start_timestamp(up)", 0},
		{[]string{"use-start-timestamps"}, "start_timestamp(up)", 3},
		{[]string{"use-start-timestamps"}, "start_timestamp(up @ end())", 3},
		{[]string{"use-start-timestamps"}, "start_timestamp(up + 0)", 0}, // not a sample any more
	} {
		o := Options{}
		if err := o.Enable(append(tt.features, "promql-experimental-functions")...); err != nil {
			t.Fatal(err)
		}
		res, err := New(o).Instant(t.Context(), steadyData(3), "count("+tt.expr+" == 0) or vector(0)", now, QueryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Value.(model.Vector); len(got) != 1 || got[0].V != tt.want {
			t.Errorf("%s with %v: %v, want %v", tt.expr, tt.features, got, tt.want)
		}
	}
}

func TestAnUnknownFeatureIsNamed(t *testing.T) {
	err := new(Options).Enable("promql-time-travel")
	if err == nil || !strings.Contains(err.Error(), `"promql-time-travel"`) || !strings.Contains(err.Error(), "promql-delayed-name-removal") {
		t.Error(err)
	}
}
