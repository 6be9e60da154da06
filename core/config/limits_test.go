package config

import (
	"strings"
	"testing"
	"time"
)

func TestLimitsAreRead(t *testing.T) {
	c, err := Parse([]byte(`
[limits]
memory = "2GiB"
max_series = 1000000
[storage]
ballast = "0"
retention = { time = "30d", percentage = 80.5, series = [{ match = '{job="debug"}', time = "2d" }, { match = 'trace_total', time = "1h" }] }
[[scrape_configs]]
job_name = "a"
priority = "low"
max_series = 5
series_limit = 3
[[scrape_configs]]
job_name = "b"
`), "c.toml")
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.Memory != 2<<30 || c.Limits.MaxSeries != 1_000_000 || c.Storage.Ballast != 0 || c.Storage.MinFree != 64<<20 {
		t.Errorf("limits %+v, storage %+v", c.Limits, c.Storage)
	}
	if a, b := c.ScrapeConfigs[0], c.ScrapeConfigs[1]; a.Priority != "low" || a.MaxSeries != 5 || a.SeriesLimit != 3 || b.Priority != "normal" {
		t.Errorf("jobs %+v, %+v", a, b)
	}
	r := c.Storage.Retention
	if r.Percentage != 80.5 || len(r.Series) != 2 || r.Series[0].Time.Std() != 48*time.Hour {
		t.Errorf("retention %+v", r)
	}
	ms, err := r.Series[1].Matchers()
	if err != nil || len(ms) != 1 || ms[0].String() != `__name__="trace_total"` {
		t.Errorf("matchers %v, %v", ms, err)
	}
	if _, err := Parse([]byte(c.TOML()), "again.toml"); err != nil {
		t.Errorf("what is written is not read: %v", err)
	}
}

func TestLimitsThatCannotBe(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"[limits]\nmax_series = -1", "2:14: limits.max_series: must not be negative, got -1"},
		{"[limits]\nmemory = \"1MiB\"", "2:10: limits.memory: hearth needs 64MiB at least, got 1MiB"},
		{"[limits]\nmax_serie = 1", `unknown key "limits.max_serie"; did you mean "max_series"?`},
		{"[storage]\nretention = { percentage = 101.0 }", "2:28: storage.retention.percentage: want 0 to 100, got 101"},
		{"[[storage.retention.series]]\nmatch = '{job='\ntime = \"1h\"", `2:9: storage.retention.series[0].match: want a selector like {job="debug"}, got "{job=": `},
		{"[[storage.retention.series]]\nmatch = 'a'", "storage.retention.series[0].time: must be more than 0, got 0s"},
		{"[[storage.retention.series]]\nmatch = 'a'\ntime = \"16d\"", "3:8: storage.retention.series[0].time: 16d is longer than the 15d that all series are kept"},
		{"[[scrape_configs]]\njob_name = \"a\"\npriority = \"urgent\"", `3:12: scrape_configs[0].priority: want one of low, normal, high, got "urgent"`},
		{"[[scrape_configs]]\njob_name = \"a\"\nseries_limit = -2", `3:16: scrape_configs[0].series_limit: must not be negative, got -2`},
	} {
		if _, err := Parse([]byte(tt.text), "c.toml"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngives %v\nwant  %s", tt.text, err, tt.want)
		}
	}
}
