package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/prometheus/alertmanager/matcher/compat"
	"github.com/prometheus/alertmanager/timeinterval"
)

// alerting checks routes, receivers, inhibitions and time intervals, with what names each other.
func (c *checker) alerting() {
	cfg := c.cfg
	for i := range cfg.Templates {
		if _, err := filepath.Match(cfg.Templates[i], ""); err != nil {
			c.problem(c.at(&cfg.Templates[i]), "templates[%d]: bad pattern %q", i, cfg.Templates[i])
		}
	}
	receivers := map[string]bool{}
	for i, r := range cfg.Receivers {
		c.receiver(r, fmt.Sprintf("receivers[%d]", i), receivers)
	}
	intervals := map[string]bool{}
	for i, t := range cfg.TimeIntervals {
		c.timeInterval(t, fmt.Sprintf("time_intervals[%d]", i), intervals)
	}
	for i, r := range cfg.InhibitRules {
		path := fmt.Sprintf("inhibit_rules[%d]", i)
		c.matchers(r.SourceMatchers, path+".source_matchers")
		c.matchers(r.TargetMatchers, path+".target_matchers")
		c.labelList(r.Equal, path+".equal")
	}
	if cfg.Route == nil {
		if len(cfg.Receivers) > 0 {
			c.problem(c.at(&cfg.Receivers, cfg.Receivers[0]), "receivers: nobody is told anything without a [route]")
		}
		return
	}
	r := cfg.Route
	if r.Receiver == "" {
		c.problem(c.at(r), "route: needs a receiver, for what no child takes")
	}
	if len(r.Matchers) > 0 {
		c.problem(c.at(&r.Matchers), "route.matchers: the first route takes every alert; matchers belong into route.routes")
	}
	if len(r.MuteTimeIntervals) > 0 || len(r.ActiveTimeIntervals) > 0 {
		c.problem(c.at(&r.MuteTimeIntervals, &r.ActiveTimeIntervals), "route: the first route is always active; time intervals belong into route.routes")
	}
	if r.Continue {
		c.problem(c.at(&r.Continue), "route.continue: the first route has nothing after it")
	}
	c.route(r, "route", receivers, intervals)
}

func (c *checker) receiver(r *Receiver, path string, seen map[string]bool) {
	switch {
	case r.Name == "":
		c.problem(c.at(r), "%s: needs a name", path)
	case seen[r.Name]:
		c.problem(c.at(&r.Name), "%s.name: %q is the name of another receiver", path, r.Name)
	}
	seen[r.Name] = true
	for i, n := range r.Notifiers {
		p := fmt.Sprintf("%s.notifiers[%d]", path, i)
		if n.Plugin == "" {
			c.problem(c.at(n), "%s: needs a plugin, as hearth/webhook", p)
		} else {
			c.pluginUse(&n.PluginUse, p)
		}
		c.positive(&n.Timeout, p+".timeout")
		c.notNegative(&n.MaxAlerts, p+".max_alerts")
	}
}

func (c *checker) route(r *Route, path string, receivers, intervals map[string]bool) {
	if r.Receiver != "" && !receivers[r.Receiver] {
		names := sortedKeys(receivers)
		hint := ""
		if near := nearest(r.Receiver, names); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		c.problem(c.at(&r.Receiver), "%s.receiver: no receiver is named %q%s", path, r.Receiver, hint)
	}
	c.matchers(r.Matchers, path+".matchers")
	c.groupBy(r, path)
	if d := r.GroupInterval; d != nil {
		c.positive(d, path+".group_interval")
	}
	if d := r.RepeatInterval; d != nil {
		c.positive(d, path+".repeat_interval")
	}
	for _, l := range []struct {
		names []string
		key   string
	}{{r.MuteTimeIntervals, "mute_time_intervals"}, {r.ActiveTimeIntervals, "active_time_intervals"}} {
		for i := range l.names {
			if !intervals[l.names[i]] {
				c.problem(c.at(&l.names[i]), "%s.%s[%d]: no time interval is named %q", path, l.key, i, l.names[i])
			}
		}
	}
	for i, child := range r.Routes {
		c.route(child, fmt.Sprintf("%s.routes[%d]", path, i), receivers, intervals)
	}
}

// groupBy checks labels to group by: "..." stands for all and then alone.
func (c *checker) groupBy(r *Route, path string) {
	seen := map[string]bool{}
	for i := range r.GroupBy {
		l := &r.GroupBy[i]
		p := fmt.Sprintf("%s.group_by[%d]", path, i)
		switch {
		case seen[*l]:
			c.problem(c.at(l), "%s: %q stands there twice", p, *l)
		case *l == "..." && len(r.GroupBy) > 1:
			c.problem(c.at(l), `%s: "..." is every label and stands alone`, p)
		case *l != "..." && !nameIsValid(*l):
			c.problem(c.at(l), "%s: %q cannot be the name of a label", p, *l)
		}
		seen[*l] = true
	}
}

func (c *checker) matchers(list []string, path string) {
	parse := compat.FallbackMatchersParser(slog.New(slog.DiscardHandler))
	for i := range list {
		if _, err := parse(list[i], "configuration"); err != nil {
			c.problem(c.at(&list[i]), `%s[%d]: want a matcher like severity="page": %s`, path, i, err)
		}
	}
}

func (c *checker) labelList(list []string, path string) {
	for i := range list {
		if !nameIsValid(list[i]) {
			c.problem(c.at(&list[i]), "%s[%d]: %q cannot be the name of a label", path, i, list[i])
		}
	}
}

func (c *checker) timeInterval(t *TimeInterval, path string, seen map[string]bool) {
	switch {
	case t.Name == "":
		c.problem(c.at(t), "%s: needs a name", path)
	case seen[t.Name]:
		c.problem(c.at(&t.Name), "%s.name: %q is the name of another time interval", path, t.Name)
	}
	seen[t.Name] = true
	for i := range t.TimeIntervals {
		s := &t.TimeIntervals[i]
		if _, err := s.Build(); err != nil {
			c.problem(c.at(s), "%s.time_intervals[%d]: %s", path, i, err)
		}
	}
}

// Build returns the times as Alertmanager's package takes them, or what is wrong with them.
func (s TimeRangeSpec) Build() (timeinterval.TimeInterval, error) {
	m := map[string]any{}
	for _, l := range []struct {
		key  string
		list []string
	}{{"weekdays", s.Weekdays}, {"days_of_month", s.DaysOfMonth}, {"months", s.Months}, {"years", s.Years}} {
		if len(l.list) > 0 {
			m[l.key] = lower(l.list)
		}
	}
	if s.Location != "" {
		m["location"] = s.Location
	}
	var times []map[string]string
	for _, t := range s.Times {
		times = append(times, map[string]string{"start_time": t.StartTime, "end_time": t.EndTime})
	}
	if len(times) > 0 {
		m["times"] = times
	}
	text, err := json.Marshal(m)
	if err != nil {
		return timeinterval.TimeInterval{}, err
	}
	var ti timeinterval.TimeInterval
	err = json.Unmarshal(text, &ti)
	return ti, err
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}
