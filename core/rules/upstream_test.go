package rules

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The tests of this file run upstream's rule manager beside ours, on the same files and the same data, and compare
// every sample that they write and every alert that they send.

func TestEverySampleAndAlertIsUpstreams(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"a rule sees what an earlier one has just recorded", []step{{rules: `
groups:
- name: g
  rules:
  - {record: "a:sum", expr: "sum by (x) (in_a)"}
  - {record: "a:twice", expr: "a:sum * 2", labels: {k: v, x: ""}}
`, run: 3 * time.Minute, feed: feed{`in_a{x="1"}`: steady(1), `in_a{x="2"}`: steady(2)}}}},
		{"series that vanish are marked, and come back", []step{{rules: `
groups:
- name: g
  interval: 20s
  rules: [{record: r, expr: "in_a > 1"}]
`, run: 5 * time.Minute, feed: feed{`in_a{x="1"}`: square(time.Minute), `in_a{x="2"}`: square(90 * time.Second)}}}},
		{"alerts wait, fire, hold on and resolve", []step{{rules: alertRules, run: 50 * time.Minute,
			feed: feed{`in_a{x="1"}`: square(4 * time.Minute), `in_a{x="2"}`: square(11 * time.Minute), `in_a{x="3"}`: steady(5)}}}},
		{"a scalar is a series without labels", []step{{rules: `
groups:
- name: g
  rules: [{record: t, expr: "scalar(in_a) * 2"}, {record: s, expr: "scalar(in_a) + 1"}]
`, run: 2 * time.Minute, feed: feed{`in_a`: steady(3)}}}},
		{"an offset evaluates the past", []step{{rules: `
groups:
- name: g
  query_offset: 47s
  rules: [{record: r, expr: in_a}, {alert: A, expr: "in_a > 1", for: 1m}]
- name: none
  query_offset: 0s
  rules: [{record: n, expr: in_a}]
`, offset: 30 * time.Second, run: 8 * time.Minute, feed: feed{`in_a{x="1"}`: square(2 * time.Minute)}}}},
		{"limits, and what breaks a rule, leave the others alone", []step{{rules: `
groups:
- name: g
  limit: 1
  rules:
  - {record: two, expr: in_a}
  - {alert: Two, expr: "in_a > 0"}
  - {record: one, expr: sum(in_a)}
  - {record: same, expr: in_a, labels: {x: "1"}}
  - {alert: Same, expr: "in_a > 0", labels: {x: "1"}}
  - {record: many, expr: "in_a * on () in_a"}
  - {record: last, expr: "count(in_a)"}
`, run: 4 * time.Minute, feed: feed{`in_a{x="1"}`: square(time.Minute), `in_a{x="2"}`: steady(2)}}}},
		{"two rules that write one series", []step{{rules: `
groups:
- name: g
  rules:
  - {record: r, expr: "in_a{x=\"1\"}"}
  - {record: r, expr: "in_a * 3"}
`, run: 4 * time.Minute, feed: feed{`in_a{x="1"}`: steady(1), `in_a{x="2"}`: square(time.Minute)}}}},
		{"a reload that changes nothing, then one that changes all", []step{
			{rules: alertRules, run: 7 * time.Minute, feed: feed{`in_a{x="1"}`: steady(5), `in_a{x="2"}`: square(3 * time.Minute)}},
			{rules: alertRules, run: 7 * time.Minute},
			{rules: strings.ReplaceAll(alertRules, "for: 5m", "for: 25m"), run: 9 * time.Minute},
			{rules: strings.ReplaceAll(alertRules, "alert: Held", "alert: Renamed"), run: 9 * time.Minute},
			{rules: strings.ReplaceAll(alertRules, "name: alerts", "name: others"), run: 9 * time.Minute},
			{rules: "groups: []", run: 9 * time.Minute},
		}},
		{"a rule moves, another one goes", []step{
			{rules: `
groups:
- {name: g, rules: [{record: r, expr: in_a}, {record: gone, expr: in_a}]}
- {name: h, rules: [{record: s, expr: in_a}]}
`, run: 5 * time.Minute, feed: feed{`in_a{x="1"}`: steady(1)}},
			{rules: `
groups:
- {name: g, rules: [{record: q, expr: in_a}, {record: r, expr: "in_a + 1"}]}
- {name: i, interval: 30s, rules: [{record: s, expr: in_a}]}
`, run: 6 * time.Minute},
		}},
		{"a restart takes up what alerts waited for", []step{
			{rules: alertRules, run: 16 * time.Minute, feed: feed{`in_a{x="1"}`: steady(5), `in_a{x="2"}`: square(10 * time.Minute), `in_a{x="3"}`: steady(2)}},
			{rules: alertRules, down: 12 * time.Minute, run: 70 * time.Minute},
			{rules: alertRules, down: 2 * time.Hour, run: 60 * time.Minute},
		}},
		{"a reload right after a restart", []step{
			{rules: alertRules, run: 30 * time.Minute, feed: feed{`in_a{x="1"}`: steady(5)}},
			{rules: alertRules, down: 5 * time.Minute, run: 5 * time.Minute},
			{rules: strings.ReplaceAll(alertRules, "limit: 0", "limit: 9"), run: 40 * time.Minute},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { beside(t, tt.steps) })
	}
}

const alertRules = `
groups:
- name: alerts
  limit: 0
  labels: {team: core, severity: none}
  rules:
  - {alert: Now, expr: "in_a > 1"}
  - {alert: Waits, expr: "in_a > 1", for: 5m, labels: {severity: page, where: "{{ $labels.x }}-{{ $externalLabels.region }}"}, annotations: {summary: "{{ $value }} at {{ .ExternalURL }} {{ with query \"in_a\" }}{{ . | sortByLabel \"x\" | first | value }}{{ end }}"}}
  - {alert: Held, expr: "in_a > 1", keep_firing_for: 6m, annotations: {bad: "{{ query \"nothing\" | first | value }}"}}
  - {alert: Long, expr: "in_a > 1", for: 40m, keep_firing_for: 3m}
  - {record: "alerts:count", expr: "count by (alertname, alertstate) (ALERTS)"}
`

// TestRandomRulesAreUpstreams tries rules, data and reloads that nobody has thought of. Names are of one group each:
// where a series moves to another group, upstream marks it stale in between, and we do not.
func TestRandomRulesAreUpstreams(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			var steps []step
			offset := time.Duration(r.IntN(2)*20) * time.Second
			for n := range 4 {
				s := step{rules: randomRules(r), run: time.Duration(5+r.IntN(25)) * time.Minute, offset: offset}
				if n == 0 {
					s.feed = feed{}
					for i := range 4 {
						s.feed[fmt.Sprintf(`in_a{x="%d"}`, i)] = square(time.Duration(30+r.IntN(900)) * time.Second)
					}
				} else if r.IntN(3) == 0 {
					s.down = time.Duration(1+r.IntN(90)) * time.Minute
				}
				steps = append(steps, s)
			}
			beside(t, steps)
		})
	}
}

func randomRules(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("groups:\n")
	for g := range 1 + r.IntN(3) {
		fmt.Fprintf(&b, "- name: g%d\n  interval: %ds\n  limit: %d\n  rules:\n", g, []int{15, 60, 77}[r.IntN(3)], []int{0, 0, 3}[r.IntN(3)])
		for range 1 + r.IntN(4) {
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, "  - {record: r%d_%d, expr: \"in_a > %d\", labels: {k: v%d}}\n", g, r.IntN(3), r.IntN(3), r.IntN(2))
				continue
			}
			fmt.Fprintf(&b, "  - {alert: A%d_%d, expr: \"in_a > 1\", for: %ds, keep_firing_for: %ds, labels: {k: v%d}}\n",
				g, r.IntN(3), r.IntN(4)*300, r.IntN(3)*200, r.IntN(2))
		}
	}
	return b.String()
}

// step is a while under one set of rules. down is how long both managers are off before it; 0 means a reload.
type step struct {
	rules  string
	feed   feed // in force until another step has one
	offset time.Duration
	down   time.Duration
	run    time.Duration
}

// feed is what is measured: by series, the value at a time since the start; false means no sample.
type feed map[string]func(time.Duration) (float64, bool)

func steady(v float64) func(time.Duration) (float64, bool) {
	return func(time.Duration) (float64, bool) { return v, true }
}

// square changes between 0 and 5 each half of the period, and has a hole in each fifth.
func square(half time.Duration) func(time.Duration) (float64, bool) {
	return func(since time.Duration) (float64, bool) {
		n := since / half
		return float64(n%2) * 5, n%5 != 4
	}
}
