package promql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/promql/exec"
)

// outline is a trace without what varies.
func outline(t *exec.Trace, indent string) string {
	s := fmt.Sprintf("%s%s [%s] %d steps, %d series, %d samples\n", indent, t.Operator, t.Expr, t.Steps, t.Series, t.Samples)
	for _, c := range t.Children {
		s += outline(c, indent+"  ")
	}
	return s
}

func TestExplainTellsWhatEachPartDid(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`sum by (i) (rate(up[1m])) / 2`, `
/ [sum by (i) (rate(up[1m])) / 2] 5 steps, 3 series, 60 samples
  sum [sum by (i) (rate(up[1m]))] 5 steps, 3 series, 60 samples
    rate [rate(up[1m])] 5 steps, 3 series, 60 samples
`},
		{`up{i="a"} + on () up{i="b"}`, `
+ [up{i="a"} + on () up{i="b"}] 5 steps, 1 series, 10 samples
  select [up{i="a"}] 5 steps, 1 series, 5 samples
  select [up{i="b"}] 5 steps, 1 series, 5 samples
`},
		{`topk(1, up) > scalar(up{i="c"})`, `
> [topk(1, up) > scalar(up{i="c"})] 5 steps, 0 series, 20 samples
  topk [topk(1, up)] 5 steps, 1 series, 15 samples
    select [up] 5 steps, 3 series, 15 samples
  select [up{i="c"}] 5 steps, 1 series, 5 samples
`},
		{`max_over_time(sum(up)[1m:15s])`, `
max_over_time [max_over_time(sum(up)[1m:15s])] 5 steps, 1 series, 20 samples
  sum [sum(up)] 8 steps, 1 series, 0 samples
    select [up] 8 steps, 3 series, 0 samples
`},
		{`count(up @ 1700000300)`, `
once [count(up @ 1700000300)] 5 steps, 1 series, 15 samples
  count [count(up @ 1700000300)] 1 steps, 1 series, 15 samples
    select [up @ 1700000300] 1 steps, 3 series, 15 samples
`},
		{`scalar(up{i="a"}) + scalar(up{i="b"})`, `
scalar [scalar(up{i="a"}) + scalar(up{i="b"})] 5 steps, 0 series, 10 samples
  select [up{i="a"}] 5 steps, 1 series, 5 samples
  select [up{i="b"}] 5 steps, 1 series, 5 samples
`},
	} {
		for _, e := range []*Engine{New(Options{}), withHelpers(2, Options{})} {
			res, err := e.Range(t.Context(), steadyData(3), tt.expr, now, now.Add(time.Minute), 15*time.Second, QueryOptions{Explain: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := "\n" + outline(res.Stats.Explain, ""); got != tt.want {
				t.Errorf("%s:%s\nwant%s", tt.expr, got, tt.want)
			}
			if tr := res.Stats.Explain; tr.Seconds <= 0 || tr.Bytes < 5*8 || tr.Seconds > res.Stats.Timings.ExecTotalTime {
				t.Errorf("%s took %v s, %d bytes", tt.expr, tr.Seconds, tr.Bytes)
			}
		}
	}
}

func TestExplainChangesNoResult(t *testing.T) {
	for _, expr := range []string{"up", "sum(up)", "topk(2, up)", "up + up", "sort_desc(up)", "absent(nothing)", "up[1m]", "1 + 1", `"text"`, "vector(time())"} {
		plain, err := New(Options{}).Instant(t.Context(), steadyData(3), expr, now, QueryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		explained, err := New(Options{}).Instant(t.Context(), steadyData(3), expr, now, QueryOptions{Explain: true})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(explained.Value), fmt.Sprint(plain.Value); got != want {
			t.Errorf("%s: %s, want %s", expr, got, want)
		}
		if plain.Stats.Explain != nil || explained.Stats.Explain == nil || !strings.Contains(explained.Stats.Explain.Expr, expr[:1]) {
			t.Errorf("%s: %v", expr, explained.Stats.Explain)
		}
	}
}
