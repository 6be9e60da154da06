package alert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearth-project/hearth/core/config"
)

// What a configuration from a file cannot contain, because it was checked with the places of what is wrong.
func TestApplyConfigRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.tmpl")
	if err := os.WriteFile(bad, []byte(`{{ define "x" }}{{ .Nope `), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(c *config.Config)
		want   string
	}{
		{"a template that does not parse", func(c *config.Config) { c.Templates = []string{filepath.Join(dir, "*.tmpl")} }, "templates: template: bad.tmpl:1"},
		{"a matcher of a route", func(c *config.Config) { c.Route.Routes = []*config.Route{{Matchers: []string{"a=~["}}} },
			`route.routes[0].matchers[0]: want a matcher like severity="page"`},
		{"a matcher of an inhibition's source", func(c *config.Config) { c.InhibitRules = []*config.Inhibit{{SourceMatchers: []string{"!"}}} },
			"inhibit_rules[0].source_matchers[0]"},
		{"a matcher of an inhibition's target", func(c *config.Config) { c.InhibitRules = []*config.Inhibit{{TargetMatchers: []string{"!"}}} },
			"inhibit_rules[0].target_matchers[0]"},
		{"a time", func(c *config.Config) {
			c.TimeIntervals = []*config.TimeInterval{{Name: "x", TimeIntervals: []config.TimeRangeSpec{{Weekdays: []string{"someday"}}}}}
		}, "time_intervals[0].time_intervals[0]: someday is not a valid weekday"},
	} {
		t.Run(tt.name+" is refused, and the old configuration serves", func(t *testing.T) {
			cfg := parse(t, base)
			tt.change(cfg)
			in(t, base, func(t *testing.T, w *world) {
				if err := w.manager.ApplyConfig(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %s", err, tt.want)
				}
				w.fire("Disk")
				w.at(15 * time.Second)
				w.got("10s ops firing[Disk]")
			})
		})
	}
}

func TestApplyConfigWarns(t *testing.T) {
	in(t, `
[route]
receiver = "ops"
repeat_interval = "1m"
`+ops+`
[[receivers]]
name = "idle"
`, func(t *testing.T, w *world) {
		for _, want := range []string{"repeat_interval is shorter than group_interval", "no route names this receiver"} {
			if w.logs.count(want) != 1 {
				t.Errorf("the log does not say once: %s", want)
			}
		}
	})
}
