package alert

import (
	"fmt"
	"log/slog"

	amconfig "github.com/prometheus/alertmanager/config"
	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/timeinterval"
	"github.com/prometheus/common/model"

	"github.com/hearth-project/hearth/core/config"
)

// The configuration's words as the library's packages take them. config has checked them already, with the places of
// what is wrong; errors here are for configurations that were not loaded from a file.

// routeTree returns the tree of routes with what children inherit filled in, or nil without a [route].
func routeTree(r *config.Route) (*dispatch.Route, error) {
	if r == nil {
		return nil, nil
	}
	am, err := route(r, "route")
	if err != nil {
		return nil, err
	}
	return dispatch.NewRoute(am, nil), nil
}

func route(r *config.Route, path string) (*amconfig.Route, error) {
	matchers, err := parseMatchers(r.Matchers, path+".matchers")
	if err != nil {
		return nil, err
	}
	am := &amconfig.Route{
		Receiver:            r.Receiver,
		Matchers:            amcommon.Matchers(matchers),
		Continue:            r.Continue,
		MuteTimeIntervals:   r.MuteTimeIntervals,
		ActiveTimeIntervals: r.ActiveTimeIntervals,
		GroupWait:           (*model.Duration)(r.GroupWait),
		GroupInterval:       (*model.Duration)(r.GroupInterval),
		RepeatInterval:      (*model.Duration)(r.RepeatInterval),
	}
	for _, name := range r.GroupBy {
		if name == "..." {
			am.GroupByAll = true
			continue
		}
		am.GroupBy = append(am.GroupBy, model.LabelName(name))
	}
	for i, child := range r.Routes {
		c, err := route(child, fmt.Sprintf("%s.routes[%d]", path, i))
		if err != nil {
			return nil, err
		}
		am.Routes = append(am.Routes, c)
	}
	return am, nil
}

func inhibitions(rules []*config.Inhibit) ([]amcommon.InhibitRule, error) {
	list := make([]amcommon.InhibitRule, len(rules))
	for i, r := range rules {
		path := fmt.Sprintf("inhibit_rules[%d]", i)
		source, err := parseMatchers(r.SourceMatchers, path+".source_matchers")
		if err != nil {
			return nil, err
		}
		target, err := parseMatchers(r.TargetMatchers, path+".target_matchers")
		if err != nil {
			return nil, err
		}
		list[i] = amcommon.InhibitRule{
			Name:           r.Name,
			SourceMatchers: amcommon.Matchers(source),
			TargetMatchers: amcommon.Matchers(target),
			Equal:          r.Equal,
		}
	}
	return list, nil
}

func intervals(list []*config.TimeInterval) (map[string][]timeinterval.TimeInterval, error) {
	named := make(map[string][]timeinterval.TimeInterval, len(list))
	for i, t := range list {
		times := make([]timeinterval.TimeInterval, len(t.TimeIntervals))
		for k, spec := range t.TimeIntervals {
			var err error
			if times[k], err = spec.Build(); err != nil {
				return nil, fmt.Errorf("time_intervals[%d].time_intervals[%d]: %w", i, k, err)
			}
		}
		named[t.Name] = times
	}
	return named, nil
}

// parseMatchers reads matchers like severity="page"; one text may hold several, with commas between.
func parseMatchers(texts []string, path string) (labels.Matchers, error) {
	parse := compat.FallbackMatchersParser(slog.New(slog.DiscardHandler))
	var all labels.Matchers
	for i, text := range texts {
		ms, err := parse(text, path)
		if err != nil {
			return nil, fmt.Errorf(`%s[%d]: want a matcher like severity="page": %w`, path, i, err)
		}
		all = append(all, ms...)
	}
	return all, nil
}
