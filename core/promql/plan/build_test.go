package plan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

var (
	testParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true})
	testStart  = time.Unix(1000, 0)
	testEnd    = time.Unix(1600, 0)
)

func TestPlans(t *testing.T) {
	for _, tt := range []struct{ name, expr, want string }{
		{"a selector looks at the time of the step", `up`, `up`},
		{"an offset looks back", `up offset 5m`, `up-300000`},
		{"a negative one ahead", `up offset -5m`, `up+300000`},
		{"@ fixes the time, and the value is computed once", `up @ 10`, `once(up@10000)`},
		{"@ start() is a time", `up @ start()`, `once(up@1000000)`},
		{"@ end() too", `up @ end() offset 1m`, `once(up@1600000-60000)`},
		{"what is invariant is wrapped as high as can be", `sum(rate(up[5m] @ 10)) + 1`, `once((sum(rate(up[300000]@10000)) + 1))`},
		{"and no higher", `sum(rate(up[5m] @ 10)) + up`, `(once(sum(rate(up[300000]@10000))) + up)`},
		{"literals are not wrapped", `up + 1`, `(up + 1)`},
		{"the time of a step is not invariant", `time() + 1`, `(time() + 1)`},
		{"nor what uses it", `predict_linear(up[5m] @ 10, 1)`, `predict_linear(up[300000]@10000, 1)`},
		{"dates are not", `hour(up @ 10)`, `hour(once(up@10000))`},
		{"timestamp of a selector is a selector", `timestamp(up)`, `stamp(up)`},
		{"with @ it is computed once", `timestamp(up @ 10)`, `once(stamp(up@10000))`},
		{"of something else it is the time of the step", `timestamp(-up)`, `timestamp(-up)`},
		{"and so is that of a timestamp", `timestamp(timestamp(up @ 10))`, `timestamp(once(stamp(up@10000)))`},
		{"within a subquery what is invariant is computed once", `sum_over_time((up @ 10)[5m:1m])`, `sum_over_time(once(up@10000)[300000:60000])`},
		{"a subquery may have @", `sum_over_time(up[5m:] @ 10 offset 1m)`, `once(sum_over_time(up[300000:0]@10000-60000))`},
		{"parentheses go", `((up)) + ((1))`, `(up + 1)`},
		{"plus is nothing but no selector", `timestamp(+up)`, `timestamp(+up)`},
		{"the parameter of an aggregation is evaluated as upstream does", `topk(scalar(up @ 10), up)`, `topk(scalar(up~10000), up)`},
		{"it knows no start()", `topk(scalar(up @ start()), up)`, `topk(scalar(up), up)`},
		{"groupings are sorted", `sum by (b, a) (up)`, `sum by a,b (up)`},
		{"what a query is asked for is a number", `start() + end() + range() + step()`, `once((((1000 + 1600) + 600) + 15))`},
		{"durations are computed", `rate(up[2m * 3] offset (1h / 2))`, `rate(up[360000]-1800000)`},
		{"from the step as well", `rate(up[step()])`, `rate(up[15000])`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := testParser.ParseExpr(tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			n, err := Build(e, testStart, testEnd, 15*time.Second, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := dump(n); got != tt.want {
				t.Errorf("plan of %s\n got %s\nwant %s", tt.expr, got, tt.want)
			}
		})
	}
}

// dump writes a plan with times in milliseconds.
func dump(n Node) string {
	switch n := n.(type) {
	case *Number:
		return fmt.Sprint(n.Val)
	case *Text:
		return fmt.Sprintf("%q", n.Val)
	case *Selector:
		if n.Stamp {
			return "stamp(" + n.Name + reference(n.Reference) + ")"
		}
		return n.Name + reference(n.Reference)
	case *Range:
		if n.Of != nil {
			return fmt.Sprintf("%s[%d]%s", n.Of.Name, n.Width, reference(n.Reference))
		}
		return fmt.Sprintf("%s[%d:%d]%s", dump(n.Sub.Expr), n.Width, n.Sub.Step, reference(n.Reference))
	case *Call:
		args := make([]string, len(n.Args))
		for i, a := range n.Args {
			args[i] = dump(a)
		}
		return n.Func + "(" + strings.Join(args, ", ") + ")"
	case *Aggregate:
		by, param := "", ""
		if len(n.Grouping) > 0 {
			by = " by " + strings.Join(n.Grouping, ",") + " "
		}
		if n.Param != nil {
			param = dump(n.Param) + ", "
		}
		return n.Op.String() + by + "(" + param + dump(n.Of) + ")"
	case *Binary:
		return "(" + dump(n.LHS) + " " + n.Op.String() + " " + dump(n.RHS) + ")"
	case *Plus:
		return "+" + dump(n.Of)
	case *Negate:
		return "-" + dump(n.Of)
	case *Invariant:
		return "once(" + dump(n.Of) + ")"
	}
	return fmt.Sprintf("%T", n)
}

func reference(r Reference) string {
	var s string
	if r.At != nil {
		s = fmt.Sprintf("@%d", *r.At)
		if r.Slides {
			s = fmt.Sprintf("~%d", *r.At)
		}
	}
	if r.Offset != 0 {
		s += fmt.Sprintf("%+d", -r.Offset)
	}
	return s
}

func TestWhatCanNotBePlanned(t *testing.T) {
	for _, tt := range []struct{ name, expr, want string }{
		{"a duration of nothing", `rate(up[1m - 1m])`, "8:15: duration must be greater than 0"},
		{"a division by zero", `rate(up[1m / (1 - 1)])`, "8:19: division by zero"},
		{"a remainder of zero", `up offset (5 % (1 - 1))`, "11:21: modulo by zero"},
		{"an endless duration", `up offset (2 ^ 2000)`, "11:19: duration is NaN or infinite"},
		{"one longer than time", `up offset (2 ^ 60)`, "11:17: duration is out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := testParser.ParseExpr(tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Build(e, testStart, testEnd, time.Minute, nil); err == nil || err.Error() != tt.want {
				t.Errorf("plan of %s: error %v, want %s", tt.expr, err, tt.want)
			}
		})
	}
}

func TestGrids(t *testing.T) {
	for _, tt := range []struct {
		name             string
		start, end, step int64
		want             Grid
	}{
		{"an instant is one step", 1000, 1000, 0, Grid{Start: 1000, Step: 1, N: 1}},
		{"the end is included", 1000, 1030, 15, Grid{Start: 1000, Step: 15, N: 3, Ranged: true}},
		{"a rest is not", 1000, 1044, 15, Grid{Start: 1000, Step: 15, N: 3, Ranged: true}},
		{"a range may have one step", 1000, 1010, 15, Grid{Start: 1000, Step: 15, N: 1, Ranged: true}},
		{"before the start there is none", 1000, 999, 15, Grid{Start: 1000, Step: 15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := NewGrid(tt.start, tt.end, tt.step); got != tt.want {
				t.Errorf("grid %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestSubqueriesAreEvaluatedAtMultiplesOfTheirStep(t *testing.T) {
	at := int64(7_000)
	for _, tt := range []struct {
		name string
		r    Range
		want Grid
	}{
		{"from after the first window's start to the last one's end", Range{Width: 60, Sub: &Subquery{Step: 7}}, Grid{Start: 945, Step: 7, N: 37, Ranged: true}},
		{"a multiple at the start is not in the window", Range{Width: 20, Sub: &Subquery{Step: 10}}, Grid{Start: 990, Step: 10, N: 22, Ranged: true}},
		{"with an offset", Range{Width: 20, Reference: Reference{Offset: 5}, Sub: &Subquery{Step: 10}}, Grid{Start: 980, Step: 10, N: 22, Ranged: true}},
		{"with the default step", Range{Width: 20, Sub: &Subquery{}}, Grid{Start: 1000, Step: 100, N: 3, Ranged: true}},
		{"before 1970", Range{Width: 3000, Sub: &Subquery{Step: 1000}}, Grid{Start: -1000, Step: 1000, N: 3, Ranged: true}},
		{"at a fixed time once", Range{Width: 20, Reference: Reference{At: &at}, Sub: &Subquery{Step: 10}}, Grid{Start: 6990, Step: 10, N: 2, Ranged: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.Grid(NewGrid(1000, 1200, 50), 100); got != tt.want {
				t.Errorf("grid %+v, want %+v", got, tt.want)
			}
		})
	}
}
