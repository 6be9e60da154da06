package rules

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/config"
)

// withFiles returns a configuration whose rule files are the given ones, in a folder of their own.
func withFiles(t testing.TB, files map[string]string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Config{File: "hearth.toml", Dir: dir, RuleFiles: []string{filepath.Join(dir, "*.yml")}}
	cfg.Global.EvaluationInterval = config.Duration(time.Minute)
	return cfg
}

func TestEveryProblemHasItsPlace(t *testing.T) {
	const good = "groups: [{name: ok, rules: [{record: r, expr: up}]}]\n"
	for _, tt := range []struct {
		name string
		file string
		want []string // after the name of the file
	}{
		{"an expression does not parse", `groups:
- name: g
  rules:
  - record: r
    expr: sum(
`, []string{`:5:11: group "g", rule 1, "r": could not parse expression: 1:5: parse error: unclosed left parenthesis`}},
		{"a key is not known", `groups:
- name: g
  rules:
  - record: r
    expr: up
    fro: 5m
`, []string{`:6: field fro not found in type rulefmt.Rule`}},
		{"two problems of one file", `groups:
- name: g
  rules:
  - alert: A
    expr: up
    labels: {"a\xffb": c}
    annotations: {summary: "{{ .Nope "}
  - expr: up
`, []string{
			`:4:5: group "g", rule 1, "A": annotation "summary": template: __alert_A:1: unclosed action`,
			`:8:5: group "g", rule 2, "": one of 'record' or 'alert' must be set`,
		}},
		{"both record and alert", `groups:
- name: g
  rules:
  - record: r
    alert: A
    expr: up
`, []string{`:4:13: group "g", rule 1, "A": only one of 'record' and 'alert' must be set`}},
		{"a group without a name, and a name twice", `groups:
- rules: []
- name: g
- name: g
`, []string{`:2:3: Groupname must not be empty`, `:4:3: groupname: "g" is repeated in the same file`}},
		{"a label of a group", `groups:
- name: g
  labels:
    a: b
    __name__: x
`, []string{`:5:5: invalid label name: __name__`}},
		{"for on a recording rule", `groups:
- name: g
  rules:
  - {record: r, expr: up, for: 1m}
`, []string{`:4:14: group "g", rule 1, "r": invalid field 'for' in recording rule`}},
		{"no YAML at all", "groups:\n- name: [\n", []string{`:2: did not find expected node content`}},
		{"a duration that is none", "groups:\n- name: g\n  interval: soon\n", []string{`: not a valid duration string: "soon"`}},
		{"a list where a table should be", "- groups\n", []string{
			`:1: cannot unmarshal !!seq into rulefmt.RuleGroups`, `:1: cannot unmarshal !!seq into rulefmt.ruleGroups`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := withFiles(t, map[string]string{"a.yml": good, "b.yml": tt.file, "c.yml": good})
			_, err := load(cfg, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			file := filepath.Join(cfg.Dir, "b.yml")
			var want strings.Builder
			for i, w := range tt.want {
				if i > 0 {
					want.WriteByte('\n')
				}
				want.WriteString(file + w)
			}
			if got := problems.Error(); got != want.String() {
				t.Errorf("got\n%s\nwant\n%s", got, want.String())
			}
		})
	}
}

func TestProblemsOfAllFilesAreTold(t *testing.T) {
	cfg := withFiles(t, map[string]string{"a.yml": "groups: [{}]", "b.yml": "nonsense", "c.yml": ""})
	cfg.RuleFiles = append(cfg.RuleFiles, "[", filepath.Join(cfg.Dir, "a.yml"))
	if err := os.Mkdir(filepath.Join(cfg.Dir, "d.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := load(cfg, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want problems", err)
	}
	var files []string
	for _, p := range problems {
		files = append(files, filepath.Base(p.File))
	}
	if got := strings.Join(files, " "); got != "hearth.toml a.yml b.yml b.yml d.yml" {
		t.Errorf("problems in %s:\n%v", got, err)
	}
}

func TestGroupsTakeWhatTheConfigurationSays(t *testing.T) {
	cfg := withFiles(t, map[string]string{"a.yml": `
groups:
- name: own
  interval: 7s
  query_offset: 0s
  limit: 3
  labels: {a: group, b: group}
  rules: [{alert: A, expr: "up  ==   0", for: 1m, keep_firing_for: 2m, labels: {b: rule}, annotations: {s: t}}]
- name: defaults
  rules: [{record: r, expr: up}]
`})
	cfg.Global.RuleQueryOffset = config.Duration(5 * time.Second)
	cfg.Global.ExternalLabels = map[string]string{"x": "y"}
	specs, err := load(cfg, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if len(specs) != 2 {
		t.Fatalf("%d groups", len(specs))
	}
	own, standard := specs[0], specs[1]
	if own.interval != 7*time.Second || own.offset != 0 || own.limit != 3 || standard.interval != time.Minute || standard.offset != 5*time.Second {
		t.Errorf("got %+v and %+v", own, standard)
	}
	r := own.rules[0]
	if !r.alerting || r.expr != "up == 0" || r.labels.String() != `{a="group", b="rule"}` || r.hold != time.Minute || r.keepFiring != 2*time.Minute {
		t.Errorf("got %+v", r)
	}
	cfg.Global.ExternalLabels = map[string]string{"x": "z"}
	changed, err := load(cfg, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if own.equal(changed[0]) {
		t.Error("other external labels make no difference to a group")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("groups: [{name: g, rules: [{record: r, expr: up, labels: {a: b}}]}]")
	f.Add("groups:\n- name: g\n  labels: {__name__: x}\n  rules:\n  - {alert: A, expr: '1 +', annotations: {x: '{{'}}")
	f.Add("groups: &a [*a]")
	f.Add("- 1:2: 3:4: x\n---\n\x00")
	p, log := parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, text string) {
		cfg := withFiles(t, map[string]string{"a.yml": text})
		specs, err := load(cfg, p, log)
		var problems config.Problems
		if err != nil && (!errors.As(err, &problems) || len(problems) == 0 || specs != nil) {
			t.Fatalf("%d groups and %v", len(specs), err)
		}
		for _, p := range problems {
			if p.Message == "" || p.Line > 1+strings.Count(text, "\n")+strings.Count(text, "\r")+strings.Count(text, "\u0085")+strings.Count(text, "\u2028")+strings.Count(text, "\u2029") {
				t.Errorf("the place or message is odd: %v", p)
			}
		}
		for _, s := range specs {
			if s.interval <= 0 {
				t.Errorf("interval %v", s.interval)
			}
		}
	})
}
