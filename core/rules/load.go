package rules

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	commonmodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hearth-project/hearth/core/config"
)

// groupKey names a group: names are unique within a file only.
type groupKey struct{ file, name string }

// GroupOf returns the file and name of the group whose evaluation ctx belongs to; both are empty if it belongs to none.
func GroupOf(ctx context.Context) (file, name string) {
	k, _ := ctx.Value(groupKey{}).(groupKey)
	return k.file, k.name
}

func (k groupKey) String() string { return k.file + ";" + k.name }

// groupSpec is a group as the files and the configuration have it.
type groupSpec struct {
	key      groupKey
	interval time.Duration
	offset   time.Duration // how far in the past its queries look
	limit    int           // of series or alerts of a rule; 0 is none
	external labels.Labels // of this server, for templates
	rules    []ruleSpec
}

// equal tells whether a group needs no change to become other.
func (s groupSpec) equal(other groupSpec) bool { return reflect.DeepEqual(s, other) }

// ruleSpec is a rule as the files have it.
type ruleSpec struct {
	alerting    bool
	name        string
	expr        string        // as the parser prints it
	labels      labels.Labels // the group's and, over them, its own
	annotations labels.Labels
	hold        time.Duration // the key `for`
	keepFiring  time.Duration
}

// identity is what a rule is recognised by after a reload.
func (s ruleSpec) identity() string {
	return fmt.Sprint(s.alerting, s.name, s.labels)
}

// Check reads the rule files that cfg names and returns every problem in them, each with its place.
func Check(cfg *config.Config, p parser.Parser) error {
	_, err := load(cfg, p, slog.New(slog.DiscardHandler))
	return err
}

// load reads the groups of all rule files. An error is a config.Problems.
func load(cfg *config.Config, p parser.Parser, log *slog.Logger) ([]groupSpec, error) {
	files, problems := ruleFiles(cfg, log)
	var specs []groupSpec
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			problems = append(problems, config.Problem{Pos: config.Pos{File: file}, Message: err.Error()})
			continue
		}
		groups, errs := rulefmt.Parse(content, false, commonmodel.UTF8Validation, p, log.With("file", file))
		if len(errs) > 0 {
			problems = append(problems, locate(file, content, errs)...)
			continue
		}
		for _, g := range groups.Groups {
			spec, err := newSpec(cfg.Global, file, g, p)
			if err != nil {
				problems = append(problems, config.Problem{Pos: config.Pos{File: file}, Message: err.Error()})
				continue
			}
			specs = append(specs, spec)
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return specs, nil
}

// ruleFiles expands the globs, each file once.
func ruleFiles(cfg *config.Config, log *slog.Logger) (files []string, problems config.Problems) {
	for _, glob := range cfg.RuleFiles {
		found, err := filepath.Glob(glob)
		if err != nil {
			problems = append(problems, config.Problem{Pos: config.Pos{File: cfg.File}, Message: fmt.Sprintf("rule_files: %q: %v", glob, err)})
		}
		if err == nil && len(found) == 0 {
			log.Warn("no rule file matches", "rule_files", glob)
		}
		for _, f := range found {
			files = append(files, filepath.Clean(f))
		}
	}
	slices.Sort(files)
	return slices.Compact(files), problems
}

func newSpec(global config.Global, file string, g rulefmt.RuleGroup, p parser.Parser) (groupSpec, error) {
	spec := groupSpec{
		key:      groupKey{file, g.Name},
		interval: cmp.Or(time.Duration(g.Interval), global.EvaluationInterval.Std(), time.Minute),
		offset:   global.RuleQueryOffset.Std(),
		limit:    g.Limit,
		external: labels.FromMap(global.ExternalLabels),
		rules:    make([]ruleSpec, len(g.Rules)),
	}
	if g.QueryOffset != nil {
		spec.offset = time.Duration(*g.QueryOffset)
	}
	for i, r := range g.Rules {
		expr, err := p.ParseExpr(r.Expr)
		if err != nil { // rulefmt has parsed it already
			return spec, fmt.Errorf("group %q, rule %d: %w", g.Name, i+1, err)
		}
		own := maps.Clone(g.Labels)
		if own == nil {
			own = map[string]string{}
		}
		maps.Copy(own, r.Labels)
		spec.rules[i] = ruleSpec{
			alerting:    r.Alert != "",
			name:        cmp.Or(r.Alert, r.Record),
			expr:        expr.String(),
			labels:      labels.FromMap(own),
			annotations: labels.FromMap(r.Annotations),
			hold:        time.Duration(r.For),
			keepFiring:  time.Duration(r.KeepFiringFor),
		}
	}
	return spec, nil
}
