package alert

import (
	"testing"
	"time"
)

const ops = `
[[receivers]]
name = "ops"
notifiers = [{ plugin = "hearth/inbox", config = { to = "ops" } }]
`

// base has short times: 10s, 1m, 1h.
const base = `
[global]
evaluation_interval = "15s"
[route]
receiver = "ops"
group_by = ["alertname"]
group_wait = "10s"
group_interval = "1m"
repeat_interval = "1h"
` + ops

// step is what happens at a time.
type step struct {
	at time.Duration
	do func(w *world)
}

func fire(a ...string) func(*world)    { return func(w *world) { w.fire(a...) } }
func resolve(a ...string) func(*world) { return func(w *world) { w.resolve(a...) } }

func TestRouting(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, tt := range []struct {
		name, config string
		steps        []step
		until        time.Duration
		want         []string
	}{
		{"alerts of a group go out together after group_wait", base,
			[]step{{0, fire("Disk instance=a")}, {5 * s, fire("Disk instance=b")}}, 50 * s,
			[]string{"10s ops firing[Disk/a Disk/b]"}},
		{"groups are told apart by group_by", base,
			[]step{{0, fire("Disk instance=a", "CPU instance=a")}}, 50 * s,
			[]string{"10s ops firing[CPU/a]", "10s ops firing[Disk/a]"}},
		{"an alert that comes later waits for group_interval", base,
			[]step{{0, fire("Disk instance=a")}, {20 * s, fire("Disk instance=b")}}, 100 * s,
			[]string{"10s ops firing[Disk/a]", "1m10s ops firing[Disk/a Disk/b]"}},
		{"what goes on is repeated after repeat_interval only", base,
			[]step{{0, fire("Disk instance=a")}, {30 * m, fire("Disk instance=a")}, {80 * m, fire("Disk instance=a")}}, 100 * m,
			[]string{"10s ops firing[Disk/a]", "1h1m10s ops firing[Disk/a]"}},
		{"the end of an alert is told", base,
			[]step{{0, fire("Disk instance=a", "Disk instance=b")}, {30 * s, resolve("Disk instance=b")}, {90 * s, resolve("Disk instance=a")}}, 5 * m,
			[]string{"10s ops firing[Disk/a Disk/b]", "1m10s ops firing[Disk/a] resolved[Disk/b]", "2m10s ops resolved[Disk/a]"}},
		{"an alert whose sender keeps quiet ends", base,
			[]step{{0, fire("Disk instance=a")}}, h + 2*m,
			[]string{"10s ops firing[Disk/a]", "1h0m10s ops resolved[Disk/a]"}},
		{"the end is not told without send_resolved", base + `
[[receivers]]
name = "quiet"
notifiers = [{ plugin = "hearth/inbox", send_resolved = false, config = { to = "quiet" } }]
[[route.routes]]
receiver = "quiet"
`,
			[]step{{0, fire("Disk instance=a")}, {30 * s, resolve("Disk instance=a")}}, 5 * m,
			[]string{"10s quiet firing[Disk/a]"}},
		{`group_by "..." makes a group of each label set`, `
[route]
receiver = "ops"
group_by = ["..."]
group_wait = "10s"
` + ops,
			[]step{{0, fire("Disk instance=a", "Disk instance=b")}}, 50 * s,
			[]string{"10s ops firing[Disk/a]", "10s ops firing[Disk/b]"}},
		{"the first child that matches takes it, unless it continues", base + `
[[route.routes]]
matchers = ["severity=~page|ticket"]
receiver = "log"
continue = true
[[route.routes]]
matchers = ["severity=page"]
receiver = "pager"
group_wait = "1s"
[[receivers]]
name = "log"
notifiers = [{ plugin = "hearth/inbox", config = { to = "log" } }]
[[receivers]]
name = "pager"
notifiers = [{ plugin = "hearth/inbox", config = { to = "pager" } }]
`,
			[]step{{0, fire("Disk severity=page", "CPU severity=ticket", "Up severity=none")}}, 50 * s,
			[]string{"1s pager firing[Disk]", "10s log firing[CPU]", "10s log firing[Disk]", "10s ops firing[Up]"}},
		{"a message holds at most max_alerts", base + `
[[route.routes]]
receiver = "short"
[[receivers]]
name = "short"
notifiers = [{ plugin = "hearth/inbox", max_alerts = 2, config = { to = "short" } }]
`,
			[]step{{0, fire("Disk instance=a", "Disk instance=b", "Disk instance=c")}}, 50 * s,
			[]string{"10s short firing[Disk/a Disk/b] +1"}},
		{"each notifier of a receiver is told", base + `
[[route.routes]]
receiver = "two"
[[receivers]]
name = "two"
notifiers = [{ plugin = "hearth/inbox", config = { to = "x" } }, { plugin = "hearth/inbox", config = { to = "y" } }]
`,
			[]step{{0, fire("Disk instance=a")}}, 50 * s,
			[]string{"10s x firing[Disk/a]", "10s y firing[Disk/a]"}},
		{"global.external_labels are on alerts that lack them", `
[global]
external_labels = { instance = "all", site = "home" }
[route]
receiver = "ops"
group_wait = "10s"
[[route.routes]]
matchers = ["site=home"]
receiver = "ops"
group_by = ["site"]
` + ops,
			[]step{{0, fire("Disk", "Disk instance=b")}}, 50 * s,
			[]string{"10s ops firing[Disk/all Disk/b]"}},
		{"an inhibited alert is not told, and is when the other ends", inhibiting,
			[]step{{10 * s, fire("HostDown host=a")}, {11 * s, fire("Service host=a instance=web", "Service host=b instance=web")}, {3 * m, resolve("HostDown host=a")}}, 6 * m,
			[]string{"20s ops firing[HostDown]", "21s ops firing[Service/web]", "3m20s ops resolved[HostDown]", "3m21s ops firing[Service/web Service/web]"}},
		{"after the start what may be inhibited waits for the other", inhibiting,
			[]step{{1 * s, fire("Service host=a instance=web")}, {13 * s, fire("HostDown host=a")}}, 50 * s,
			[]string{"23s ops firing[HostDown]"}},
		{"in a muted time nobody is told, and then they are", base + hours("mute_time_intervals", "00:00", "01:00"), // the world begins at midnight
			[]step{{0, fire("Disk instance=a")}, {59 * m, fire("Disk instance=a")}}, 62 * m,
			[]string{"1h0m10s night firing[Disk/a]"}},
		{"outside of active times nobody is told", base + hours("active_time_intervals", "01:00", "02:00"),
			[]step{{0, fire("Disk instance=a")}, {59 * m, fire("Disk instance=a")}}, 62 * m,
			[]string{"1h0m10s night firing[Disk/a]"}},
		{"in an active time they are told", base + hours("active_time_intervals", "00:00", "02:00"),
			[]step{{0, fire("Disk instance=a")}}, 2 * m,
			[]string{"10s night firing[Disk/a]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, tt.config, func(t *testing.T, w *world) {
				for _, s := range tt.steps {
					w.at(s.at)
					s.do(w)
				}
				w.at(tt.until)
				w.sorted()
				w.got(tt.want...)
			})
		})
	}
}

const inhibiting = base + `
[[inhibit_rules]]
source_matchers = ["alertname=HostDown"]
target_matchers = ["alertname=Service"]
equal = ["host"]
`

func hours(key, from, to string) string {
	return `
[[route.routes]]
receiver = "night"
` + key + ` = ["times"]
[[receivers]]
name = "night"
notifiers = [{ plugin = "hearth/inbox", config = { to = "night" } }]
[[time_intervals]]
name = "times"
time_intervals = [{ times = [{ start_time = "` + from + `", end_time = "` + to + `" }] }]
`
}
